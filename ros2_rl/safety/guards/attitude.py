"""Guards of the base's pose: tilted, about to be, or on its belly."""

import math

from ros2_rl.safety.guards.base import Guard, TickGuard
from ros2_rl.safety.rules import HeightRule, PredictedTiltRule, TiltRule
from ros2_rl.safety.senses import Sample, Tick


def _tilting(sample: Sample) -> str:
    degrees, rate = math.degrees(sample.tilt), math.degrees(sample.tilt_rate)
    return f"tilt {degrees:.0f} deg, rate {rate:.0f} deg/s"


class TiltGuard(Guard):
    """The base tilts more than a gait does."""

    name = "tilt"

    def __init__(self, settings: TiltRule):
        super().__init__(settings)
        self._limit = math.radians(settings.limit_deg)

    def sees(self, sample: Sample) -> bool:
        return sample.tilt > self._limit

    def cause(self, sample: Sample) -> str:
        return _tilting(sample)


class PredictedTiltGuard(Guard):
    """The tilt a moment ahead, at the present rate, is one that cannot be caught any more.

    A rate that lessens the tilt predicts nothing: what swings back need not have come back.
    """

    name = "predicted tilt"

    def __init__(self, settings: PredictedTiltRule):
        super().__init__(settings)
        self._limit, self._lookahead = math.radians(settings.limit_deg), settings.lookahead_s

    def sees(self, sample: Sample) -> bool:
        return sample.tilt + self._lookahead * max(sample.tilt_rate, 0.0) > self._limit

    def cause(self, sample: Sample) -> str:
        return _tilting(sample)


class HeightGuard(TickGuard):
    """A robot that is meant to be on its feet lies on its belly, however level.

    The height is that above the lowest foot, hence not too low by mistake: no foot is under the ground.
    """

    name = "base height"

    def __init__(self, settings: HeightRule):
        super().__init__(settings)
        self._limit = settings.limit_m

    def sees_tick(self, sample: Sample, tick: Tick) -> bool:
        return sample.stands and tick.height < self._limit

    def cause(self, sample: Sample) -> str:
        assert sample.tick is not None
        return f"the base is {sample.tick.height:.2f} m above its lowest foot"
