"""What ``bench/estimator.py`` compares our filter with: bare leg odometry and a plain 18-state filter.

Both take the same states and are as other stacks have them; no constant here was tuned on our robot.
"""

import numpy as np

from ros2_rl.estimation.kinematics import FootKinematics
from ros2_rl.robots import NS_PER_S, RobotDescription, RobotState

LOADED_N = 20.0
"""Contact as the public Go2 stacks decide it, N."""
_GRAVITY = np.array((0.0, 0.0, -9.81))


class Legs:
    """What both need of a state: where the feet are, how they move, which of them stand."""

    def __init__(self, robot: RobotDescription):
        self._kinematics, self._radius = FootKinematics(robot), robot.foot_radius
        self._loaded = np.ones(len(robot.feet), dtype=bool)

    def read(self, state: RobotState) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Positions (F, 3) and velocities (F, 3) of the feet in the base frame, and who stands (F,).

        Without foot sensors every foot counts as standing, as there is nothing else to go by.
        """
        legs, here = self._kinematics, self._kinematics.positions
        legs.update(state.q)
        moving = legs.jacobians(here) @ state.dq + np.cross(state.gyro, here)
        loaded = state.foot_force > LOADED_N if state.foot_force.size else self._loaded
        return here.copy(), moving, loaded


class LegOdometry:
    """The mean velocity that the standing feet show, without a filter; kept while none stands."""

    def __init__(self, robot: RobotDescription):
        self._legs, self._velocity = Legs(robot), np.zeros(3)
        self._position, self._last_ns = np.zeros(3), -1

    def update(self, state: RobotState, rotation: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Velocity in the base frame, m/s, and position, m, each (3,); ``rotation``: base to world."""
        _, moving, loaded = self._legs.read(state)
        if loaded.any():
            self._velocity = -moving[loaded].mean(axis=0)
        if self._last_ns >= 0:
            self._position += (state.stamp_ns - self._last_ns) / NS_PER_S * rotation @ self._velocity
        self._last_ns = state.stamp_ns
        return self._velocity.copy(), self._position.copy()


class PlainFilter:
    """Linear Kalman filter of position, velocity and four feet in the world: 18 states, 28 measurements.

    The form that MIT's Cheetah-Software introduced and most stacks use, with its constants as
    legged_control has them: process noise .02 / .02 / .002, measurement noise .005 (foot position),
    .1 (foot velocity), .01 (foot height), times 100 for a foot that does not stand. Orientation is the
    IMU's, and the accelerometer has no bias.
    """

    DOUBT = 100.0

    def __init__(self, robot: RobotDescription):
        self._legs, self._radius, feet = Legs(robot), robot.foot_radius, len(robot.feet)
        size, self._feet = 6 + 3 * feet, feet
        self._x, self._p = np.zeros(size), 100.0 * np.eye(size)
        self._h = np.zeros((7 * feet, size))
        for i in range(feet):
            foot, axes = slice(6 + 3 * i, 9 + 3 * i), slice(3 * i, 3 * i + 3)
            self._h[axes, :3], self._h[axes, foot] = np.eye(3), -np.eye(3)
            self._h[3 * feet + 3 * i : 3 * feet + 3 * i + 3, 3:6] = np.eye(3)
            self._h[6 * feet + i, 8 + 3 * i] = 1.0
        self._last_ns = -1

    def update(self, state: RobotState, rotation: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """As :meth:`LegOdometry.update`."""
        dt = 0.005 if self._last_ns < 0 else (state.stamp_ns - self._last_ns) / NS_PER_S
        self._last_ns = state.stamp_ns
        here, moving, loaded = self._legs.read(state)
        doubt = np.where(loaded, 1.0, self.DOUBT)
        self._predict(dt, rotation @ state.accel + _GRAVITY, doubt)
        self._correct(here @ rotation.T, moving @ rotation.T, doubt)
        return rotation.T @ self._x[3:6], self._x[:3].copy()

    def _predict(self, dt: float, accel: np.ndarray, doubt: np.ndarray) -> None:
        step = np.eye(self._x.size)
        step[:3, 3:6] = dt * np.eye(3)
        noise = np.repeat((0.02 * dt / 20.0, 0.02 * dt * 9.81 / 20.0), 3)
        noise = np.concatenate((noise, np.repeat(0.002 * dt * doubt, 3)))
        self._x = step @ self._x
        self._x[3:6] += dt * accel
        self._p = step @ self._p @ step.T + np.diag(noise)

    def _correct(self, here: np.ndarray, moving: np.ndarray, doubt: np.ndarray) -> None:
        heights = np.full(self._feet, self._radius)
        measured = np.concatenate((-here.ravel(), -moving.ravel(), heights))
        noise = np.concatenate((np.full(3 * self._feet, 0.005), np.repeat(0.1 * doubt, 3), 0.01 * doubt))
        spread = self._h @ self._p @ self._h.T + np.diag(noise)
        gain = np.linalg.solve(spread, self._h @ self._p).T
        self._x = self._x + gain @ (measured - self._h @ self._x)
        self._p = self._p - gain @ self._h @ self._p
        self._p = 0.5 * (self._p + self._p.T)
