"""Which feet are on the ground, and since when: by their force sensors, and by the joint torques.

The force sensors are asked first. The torques take a foot over whose sensor is absent, not finite,
frozen, or wrong: one that contradicts the torques again and again while the torques explain the weight
of the robot better than the sensors do.
"""

import numpy as np

from ros2_rl.estimation.kinematics import FootKinematics
from ros2_rl.estimation.params import EstimatorParams

TRUSTED = 1e-3
"""Feet that are trusted less than this say nothing about the base."""
_FORCE_LIMIT, _TORQUE_LIMIT = 1e5, 1e4
"""Beyond these a sensor is broken, N and N·m."""
_CHECK_S = 0.02
"""Time between two comparisons of the sensors with the torques: they cost, and wear out slowly."""
_MEMORY_S = 1.0
"""Time over which the weight is averaged; several steps."""
_FORGIVE = 0.25
"""Agreement counts against earlier contradiction at this rate: a dead sensor agrees half of the time."""


class ContactEstimator:
    """Contact probability of each foot.

    Attributes:
        probability: (F,), 0 to 1.
        age: time since touch-down, (F,), s; 0 in the air.
        from_torque: feet of which the torques tell, (F,) bool.
    """

    def __init__(self, params: EstimatorParams, feet: int):
        self._params, self._feet = params, feet
        self.reset()

    def reset(self) -> None:
        feet = self._feet
        self.probability, self.age, self._same, self._doubt = np.zeros((4, feet))
        self.from_torque, self._broken, self._wrong = np.zeros((3, feet), dtype=bool)
        self._last = np.full(feet, np.nan)
        self._unchecked = 0.0
        self._unexplained = np.zeros(2)
        self._any = self._repeats = False

    def update(
        self,
        force: np.ndarray,
        tau: np.ndarray,
        kinematics: FootKinematics,
        up: np.ndarray,
        load: float,
        dt: float,
    ) -> None:
        """Take one sample.

        Args:
            force: normal force under each foot, (F,), N; of another size when there is none.
            tau: joint torques, (J,), N·m.
            kinematics: at the same sample.
            up: vertical in the base frame, unit vector (3,).
            load: what the feet of a robot that touches nothing else must bear, N.
            dt: time since the last sample, s.
        """
        params = self._params
        force = self._checked(force, dt)
        self._unchecked += dt
        due = self._unchecked >= _CHECK_S
        if self._any or due:
            pressed = self._pressed(tau, kinematics, up)
            if due:
                self._compare(force, pressed, load, self._unchecked)
                self._unchecked = 0.0
        excess = force - params.contact_force
        if self._any:
            excess = np.where(self.from_torque, pressed - params.contact_torque_force, excess)
        self.probability = 0.5 + 0.5 * np.tanh((0.5 / params.contact_force_width) * excess)
        self.age = (self.age + dt) * (self.probability > 0.5)

    def _checked(self, force: np.ndarray, dt: float) -> np.ndarray:
        """Forces that can be calculated with; notes the feet whose sensor cannot be used."""
        if force.size != self._feet:
            self._broken[:] = self._repeats = True
            self._judge()
            return np.zeros(self._feet)
        same = force == self._last
        self._last = force
        if True not in same.tolist() and force.dot(force) < _FORCE_LIMIT**2:
            if self._repeats:
                self._same[:], self._broken[:], self._repeats = 0.0, False, False
                self._judge()
            return force
        self._repeats = True
        sound = np.abs(force) < _FORCE_LIMIT
        self._same = np.where(same, self._same + dt, 0.0)
        self._broken = (self._same >= self._params.frozen_s) | ~sound
        self._judge()
        return np.where(sound, force, 0.0)

    def _judge(self) -> None:
        self.from_torque = self._broken | self._wrong
        self._any = bool(self.from_torque.any())

    def _pressed(self, tau: np.ndarray, kinematics: FootKinematics, up: np.ndarray) -> np.ndarray:
        """Vertical force on each foot by the joint torques, (F,), N; none if these cannot be used either."""
        if not np.abs(tau).max() < _TORQUE_LIMIT:
            return np.zeros(self._feet)
        return kinematics.forces(tau) @ up

    def _compare(self, force: np.ndarray, pressed: np.ndarray, load: float, dt: float) -> None:
        """Find the sensors that are wrong.

        A sensor is in doubt that says another thing than the torques for ``wrong_s`` in sum. Whether it or
        the torques are wrong is decided by who explains the weight of the robot.
        """
        params = self._params
        contradicts = (force > params.contact_force) != (pressed > params.contact_torque_force)
        doubt = self._doubt + dt * np.where(contradicts, 1.0, -_FORGIVE)
        self._doubt = np.minimum(np.maximum(doubt, 0.0), 2.0 * params.wrong_s)
        missed = np.abs(np.array((force.sum(), pressed.sum())) - load)
        self._unexplained += dt / _MEMORY_S * (missed - self._unexplained)
        by_force, by_torque = self._unexplained
        self._wrong = (self._doubt > params.wrong_s * (1.0 - 0.5 * self._wrong)) & (by_torque < by_force)
        self._judge()
