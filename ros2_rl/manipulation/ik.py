"""From a pose of the tool to joint positions, a small step at a time.

Damped least squares on pinocchio's Jacobian, with the damping of Nakamura and Hanafusa (Inverse kinematic
solutions with singularity robustness, 1986): it grows as the manipulability falls, so that joint speeds
stay bounded where the arm is stretched out. What is left of seven joints keeps the elbow near a pose of rest.
"""

import numpy as np
import pinocchio as pin

from ros2_rl.manipulation.kinematics import ToolKinematics
from ros2_rl.robots import RobotDescription

_MANIPULABILITY = 0.03
"""Below this the damping begins; the arm at work has about 0.06."""
_DAMPING = 0.1
"""At a singularity itself."""
_FLOOR = 1e-6
_REST = 0.5
"""Pull towards the rest pose in what motion is left, 1/s."""
_SPEED_SHARE = 0.15
"""Of each joint's top speed that a step may use."""
_LIMIT_MARGIN = 0.05
"""Steps end this far within the joint limits, rad."""


class DampedIk:
    """Steps towards poses of the tool; bounded in speed and position whatever is asked for."""

    def __init__(self, robot: RobotDescription):
        self.kinematics = ToolKinematics(robot)
        self._rest = np.array(robot.default_pose)
        self._lower, self._upper = robot.q_lower + _LIMIT_MARGIN, robot.q_upper - _LIMIT_MARGIN
        self._speed = _SPEED_SHARE * robot.dq_max

    def step(self, q: np.ndarray, position: np.ndarray, rotation: np.ndarray, dt: float) -> np.ndarray:
        """Joint positions (J,), rad, one step of ``dt`` seconds from ``q`` towards a pose of the tool.

        Args:
            q: where the joints are, (J,), rad.
            position, rotation: the pose to step towards, (3,), m, and tool to base, (3, 3).
        """
        kinematics = self.kinematics
        kinematics.update(q)
        error = np.concatenate((position - kinematics.position, pin.log3(rotation @ kinematics.rotation.T)))
        jacobian, free = kinematics.jacobian(), np.ones(q.size, dtype=bool)
        for _ in range(q.size):
            move = self._move(jacobian, error, dt * _REST * (self._rest - q), free)
            move *= min(1.0, float((self._speed * dt / np.maximum(np.abs(move), 1e-12)).min()))
            stuck = free & ((q + move < self._lower) | (q + move > self._upper))
            if not stuck.any():
                break
            free &= ~stuck
        within = np.minimum(np.maximum(q + move, self._lower), self._upper)
        # A joint that begins beyond its limits comes back no faster than any other motion.
        return q + np.minimum(np.maximum(within - q, -self._speed * dt), self._speed * dt)

    @staticmethod
    def _move(jacobian: np.ndarray, error: np.ndarray, rest: np.ndarray, free: np.ndarray) -> np.ndarray:
        """Damped least squares over the ``free`` joints; ``rest`` is wished for where it costs nothing."""
        part = jacobian * free
        gram = part @ part.T
        manipulability = float(np.sqrt(max(np.linalg.det(gram), 0.0)))
        lack = max(0.0, 1.0 - manipulability / _MANIPULABILITY)
        inverse = np.linalg.solve(gram + (_FLOOR + (_DAMPING * lack) ** 2) * np.eye(6), part).T
        wish = rest * free
        return inverse @ (error - part @ wish) + wish
