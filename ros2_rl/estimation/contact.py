"""Which feet are on the ground, and since when."""

import numpy as np

from ros2_rl.estimation.kinematics import FootKinematics
from ros2_rl.estimation.params import EstimatorParams

TRUSTED = 0.1
"""A foot below this contact probability says nothing about the base."""
_FORCE_LIMIT, _TORQUE_LIMIT = 1e5, 1e4
"""Beyond these a sensor is broken, N and N·m."""


class ContactEstimator:
    """Contact probability of each foot, from its force sensor or else from the joint torques.

    Attributes:
        probability: (F,), 0 to 1.
        age: time since touch-down, (F,), s; 0 in the air.
        from_torque: feet whose force sensor is absent, not finite or frozen, (F,) bool.
    """

    def __init__(self, params: EstimatorParams, feet: int):
        self._params, self._feet = params, feet
        self.reset()

    def reset(self) -> None:
        self.probability = np.zeros(self._feet)
        self.age = np.zeros(self._feet)
        self.from_torque = np.zeros(self._feet, dtype=bool)
        self._last = np.full(self._feet, np.nan)
        self._same = np.zeros(self._feet)

    def update(
        self, force: np.ndarray, tau: np.ndarray, kinematics: FootKinematics, up: np.ndarray, dt: float
    ) -> None:
        """Take one sample.

        Args:
            force: normal force under each foot, (F,), N; of another size when there is none.
            tau: joint torques, (J,), N·m.
            kinematics: at the same sample.
            up: vertical in the base frame, unit vector (3,).
            dt: time since the last sample, s.
        """
        params = self._params
        if self._usable(force, dt):
            excess = force - params.contact_force
        else:
            known = force if force.size == self._feet else self._last
            pressed = self._pressed(tau, kinematics, up) - params.contact_torque_force
            excess = np.where(self.from_torque, pressed, known - params.contact_force)
        self.probability = 0.5 + 0.5 * np.tanh(excess * (0.5 / params.contact_force_width))
        self.age = np.where(self.probability > 0.5, self.age + dt, 0.0)

    def _pressed(self, tau: np.ndarray, kinematics: FootKinematics, up: np.ndarray) -> np.ndarray:
        """Vertical force on each foot by the joint torques, (F,), N; none if these cannot be used either."""
        if not np.abs(tau).max() < _TORQUE_LIMIT:
            return np.zeros(self._feet)
        return kinematics.forces(tau) @ up

    def _usable(self, force: np.ndarray, dt: float) -> bool:
        """Note the feet whose force cannot be used; whether all can."""
        if force.size != self._feet:
            self.from_torque = np.ones(self._feet, dtype=bool)
            return False
        self._same = np.where(force == self._last, self._same + dt, 0.0)
        self._last = force
        self.from_torque = (self._same >= self._params.frozen_s) | ~(np.abs(force) < _FORCE_LIMIT)
        return not self.from_torque.any()
