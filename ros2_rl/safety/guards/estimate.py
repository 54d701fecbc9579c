"""Guards of what is known of the base's motion: the estimator's answer, and IMU against legs."""

import math

import numpy as np

from ros2_rl.robots import NS_PER_S
from ros2_rl.safety.guards.base import LeakySum, TickGuard
from ros2_rl.safety.rules import EstimateRule, MeanRule
from ros2_rl.safety.senses import Sample, Tick

_GRAVITY, _NOTHING = np.array((0.0, 0.0, 9.81)), np.zeros(3)
_LEAP = 0.5
"""Most that one control step adds to the disagreement of accelerometer and legs, m/s."""


class EstimateGuard(TickGuard):
    """The estimator's answer is not finite, no probability, absurdly fast, unsure of itself, or stays out.

    It looks once an estimate has come: a stack without an estimator is not at fault.
    """

    name = "estimate"

    def __init__(self, settings: EstimateRule):
        super().__init__(settings)
        self._settings = settings
        self._fault = ""

    def sees_tick(self, sample: Sample, tick: Tick) -> bool:
        self._fault = "" if sample.senses.estimate is None else self._find(sample)
        return bool(self._fault)

    def cause(self, sample: Sample) -> str:
        return self._fault

    def _find(self, sample: Sample) -> str:
        estimate, settings = sample.senses.estimate, self._settings
        assert estimate is not None
        speed2, var = float(estimate.lin_vel.dot(estimate.lin_vel)), float(np.trace(estimate.lin_vel_cov))
        if not math.isfinite(speed2 + var + float(estimate.position.dot(estimate.position))):
            return "the estimate of the base is not finite"
        if not ((estimate.contacts >= 0.0) & (estimate.contacts <= 1.0)).all():
            return "the contact probabilities are not between 0 and 1"
        age_s = (sample.state.stamp_ns - estimate.stamp_ns) / NS_PER_S
        if age_s > settings.age_s:
            return f"no estimate of the base for {age_s:.2f} s"
        contacts_s = (sample.state.stamp_ns - sample.senses.contacts_ns) / NS_PER_S
        if sample.senses.contacts_ns >= 0 and contacts_s > settings.age_s:
            return f"no contacts of the feet for {contacts_s:.2f} s"
        if speed2 > settings.speed**2:
            return f"the estimated speed of the base is {math.sqrt(speed2):.1f} m/s"
        if var > 3.0 * settings.speed_std**2:
            return f"the estimator knows the base's speed to {math.sqrt(var / 3.0):.2f} m/s only"
        return ""


class OdometryGuard(TickGuard):
    """The accelerometer does not feel the motion that the legs make.

    The change of velocity over a control step, once from the mean specific force and once from the standing
    legs; the difference is gathered in a leaky sum, in which a bias leaves bias times ``mean_s``.
    """

    name = "imu against legs"

    def __init__(self, settings: MeanRule):
        super().__init__(settings)
        self._limit, self._off = settings.limit, LeakySum(settings.mean_s, _LEAP)
        self._velocity: np.ndarray | None = None

    def reset(self) -> None:
        super().reset()
        self._off.reset()
        self._velocity = None

    def sees_tick(self, sample: Sample, tick: Tick) -> bool:
        last, leg = self._velocity, tick.leg_velocity
        self._velocity = None if leg is None else tick.rotation @ leg
        if last is None or self._velocity is None:
            self._off.add(_NOTHING, tick.dt_s)
            return False
        felt = tick.dt_s * (tick.rotation @ tick.accel - _GRAVITY)
        self._off.add(felt - (self._velocity - last), tick.dt_s)
        return self._off.above(self._limit)

    def cause(self, sample: Sample) -> str:
        return f"accelerometer and legs disagree by {self._off.size:.1f} m/s"
