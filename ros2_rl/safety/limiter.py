"""The last word on every command: it comes out the same, or safer.

Three bounds on a position target, the later ones outranking the earlier: how fast it may move,
which torque the PD loop would make of it, and where the joint ends.
"""

import math

import numpy as np

from ros2_rl.robots import JointCommand, RobotDescription, RobotState
from ros2_rl.safety.config import JointConfig

_LONGEST_DT = 0.02
"""A pause does not allow a leap: no more movement than in so many seconds."""


class Limiter:
    """Clamps joint commands; holds no state of its own."""

    def __init__(self, robot: RobotDescription, config: JointConfig):
        self._lower = robot.q_lower + config.target_margin
        self._upper = robot.q_upper - config.target_margin
        self._dq_max, self._dq_told = robot.dq_max, np.minimum(robot.dq_max, config.target_rate)
        self._tau_max = config.torque_share * robot.tau_max
        self._rate = config.target_rate
        self._gains = {
            name: (gains.kd, 1.0 / gains.kp) for name, gains in robot.gains.items() if (gains.kp > 0).all()
        }

    def limit(
        self, command: JointCommand, state: RobotState, q_before: np.ndarray, dt: float
    ) -> JointCommand:
        """The command with all bounds kept.

        Positions lie within the joint limits; wherever those allow it, the predicted torque
        kp (q* - q) + kd (dq* - dq) + tau is within the torque limit, and does not drive a joint on
        that is above its speed limit. A gain set without position gain has no use for
        the first, so its target stays where the joint is. Values that are not finite are replaced by the
        state's position and by zero.

        Args:
            command: what somebody wants, shapes (J,).
            state: the state that it answers; finite.
            q_before: position targets of the command before, shape (J,), rad.
            dt: time since that command, s.
        """
        q, dq, tau = self._finite(command, state)
        dq = np.minimum(np.maximum(dq, -self._dq_told), self._dq_told)
        tau = np.minimum(np.maximum(tau, -self._tau_max), self._tau_max)
        step = self._rate * min(max(dt, 0.0), _LONGEST_DT)
        q = np.minimum(np.maximum(q, q_before - step), q_before + step)
        if command.gains in self._gains:
            low, high = self._torque_bounds(state, dq, tau, *self._gains[command.gains])
            q = np.minimum(np.maximum(q, low), high)
        q = np.minimum(np.maximum(q, self._lower), self._upper)
        return JointCommand(command.stamp_ns, q, dq, tau, command.gains)

    def _torque_bounds(
        self, state: RobotState, dq: np.ndarray, tau: np.ndarray, kd: np.ndarray, per_kp: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Position targets between which the predicted torque is within its limits."""
        most, least = self._tau_max, -self._tau_max
        if (np.abs(state.dq) > self._dq_max).any():
            most = np.where(state.dq > self._dq_max, 0.0, most)
            least = np.where(state.dq < -self._dq_max, 0.0, least)
        rest = kd * (dq - state.dq) + tau
        return state.q + (least - rest) * per_kp, state.q + (most - rest) * per_kp

    def _finite(self, command: JointCommand, state: RobotState) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        q, dq, tau = command.q, command.dq, command.tau
        if not math.isfinite(float(q.dot(q) + dq.dot(dq) + tau.dot(tau))):
            q = np.where(np.isfinite(q), q, state.q)
            dq = np.where(np.isfinite(dq), dq, 0.0)
            tau = np.where(np.isfinite(tau), tau, 0.0)
        return q, dq, tau


def damping_command(state: RobotState, stamp_ns: int) -> JointCommand:
    """Joints brake and hold no position; safe in any state, finite even if the state is not."""
    zero = np.zeros(state.q.size)
    return JointCommand(stamp_ns, np.nan_to_num(state.q, posinf=0.0, neginf=0.0), zero, zero, "damping")
