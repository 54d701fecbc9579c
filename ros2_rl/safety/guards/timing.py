"""Guards of time: stamps, lost states, late targets, a velocity command that stays out."""

import math

from ros2_rl.robots import NS_PER_S
from ros2_rl.safety.guards.base import Guard, TickGuard
from ros2_rl.safety.rules import AgeRule, LossRule, StampRule, TicksRule
from ros2_rl.safety.senses import Sample, Tick


class StateGapGuard(Guard):
    """States are missing: a host or a link that stalled, and nobody answered the robot meanwhile."""

    name = "state gap"

    def __init__(self, settings: StampRule):
        super().__init__(settings)
        self._gap_ns = round(settings.gap_s * NS_PER_S)
        self._last_ns: int | None = None
        self._leap_ns = 0

    def sees(self, sample: Sample) -> bool:
        stamp_ns, last = sample.state.stamp_ns, self._last_ns
        self._last_ns = stamp_ns
        self._leap_ns = 0 if last is None else stamp_ns - last
        return self._leap_ns > self._gap_ns

    def cause(self, sample: Sample) -> str:
        return f"{self._leap_ns / NS_PER_S:.3f} s of states are missing"

    def reset(self) -> None:
        super().reset()
        self._last_ns = None


class LongStateGapGuard(StateGapGuard):
    """So many are missing that the robot, damped meanwhile by its driver, has sunk or tips."""

    name = "long state gap"


class StampGuard(StateGapGuard):
    """Stamps that go backwards or leap: another writer, a clock that was set, or a robot that was away."""

    name = "stamp"

    def sees(self, sample: Sample) -> bool:
        return super().sees(sample) or self._leap_ns < 0

    def cause(self, sample: Sample) -> str:
        if self._leap_ns < 0:
            return f"the stamp went back by {-self._leap_ns / NS_PER_S:.3f} s"
        return super().cause(sample)


class LostStatesGuard(Guard):
    """Too many states do not arrive, though never many in a row.

    The shortest interval so far is taken for the period of the states, and the lost share is averaged
    over ``mean_s``.
    """

    name = "lost states"

    def __init__(self, settings: LossRule):
        super().__init__(settings)
        self._share, self._mean_s = settings.share, settings.mean_s
        self.reset()

    def reset(self) -> None:
        super().reset()
        self._last_ns = self._period_ns = 0
        self._lost = 0.0

    def sees(self, sample: Sample) -> bool:
        dt_ns = sample.state.stamp_ns - self._last_ns
        first, self._last_ns = not self._last_ns, sample.state.stamp_ns
        if first or dt_ns <= 0:
            return False
        self._period_ns = min(self._period_ns or dt_ns, dt_ns)
        share = 1.0 - self._period_ns / dt_ns
        gain = min(dt_ns / (self._mean_s * NS_PER_S), 1.0)
        self._lost += gain * (share - self._lost)
        return self._lost > self._share

    def cause(self, sample: Sample) -> str:
        return f"{100 * self._lost:.0f} % of the states are lost"


class TargetAgeGuard(Guard):
    """Targets of the policy that stay out."""

    name = "target age"

    def __init__(self, settings: TicksRule, step_ns: int):
        super().__init__(settings)
        self._limit_s = settings.ticks * step_ns / NS_PER_S

    def sees(self, sample: Sample) -> bool:
        return sample.target_age_s > self._limit_s

    def cause(self, sample: Sample) -> str:
        age = f"for {sample.target_age_s:.2f} s" if math.isfinite(sample.target_age_s) else "at all"
        return f"no target of the policy {age}"


class LostTicksGuard(TickGuard):
    """Too many control steps pass without a target of their own, though none is much too late."""

    name = "lost ticks"

    def __init__(self, settings: LossRule):
        super().__init__(settings)
        self._share, self._mean_s = settings.share, settings.mean_s
        self._before_ns, self._lost = 0, 0.0

    def reset(self) -> None:
        super().reset()
        self._before_ns, self._lost = 0, 0.0

    def sees_tick(self, sample: Sample, tick: Tick) -> bool:
        missed = sample.policy and 0 <= tick.target_ns < self._before_ns
        self._before_ns = sample.state.stamp_ns
        gain = min(tick.dt_s / self._mean_s, 1.0)
        self._lost = self._lost + gain * (missed - self._lost) if sample.policy else 0.0
        return self._lost > self._share

    def cause(self, sample: Sample) -> str:
        return f"{100 * self._lost:.0f} % of the control steps got no target in time"


class CommandAgeGuard(TickGuard):
    """Nobody says any longer where the policy is to go.

    It looks once a velocity command has come: a stack without them is not at fault.
    """

    name = "command age"

    def __init__(self, settings: AgeRule):
        super().__init__(settings)
        self._limit_ns = round(settings.age_s * NS_PER_S)

    def sees_tick(self, sample: Sample, tick: Tick) -> bool:
        came_ns = sample.senses.command_ns
        return came_ns >= 0 and sample.state.stamp_ns - came_ns > self._limit_ns

    def cause(self, sample: Sample) -> str:
        age_s = (sample.state.stamp_ns - sample.senses.command_ns) / NS_PER_S
        return f"no velocity command for {age_s:.2f} s"
