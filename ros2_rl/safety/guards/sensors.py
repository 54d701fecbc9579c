"""Guards of the sensors: not finite, out of range, frozen, or at odds with each other."""

import math

import numpy as np

from ros2_rl.robots import RobotDescription, RobotState
from ros2_rl.safety.guards.base import Guard, LeakySum, Rule, TickGuard
from ros2_rl.safety.reaction import OK, Reaction, Verdict
from ros2_rl.safety.rules import FrozenJointRule, ImuRangeRule, MeanRule, Settings
from ros2_rl.safety.senses import Sample, Tick

_LEAP = 0.05
"""Most that one control step adds to the disagreement of gyro and orientation, rad."""


def state_fault(state: RobotState) -> str:
    """Why a state cannot be used at all; empty when it can."""
    total = 0.0
    for part in (state.q, state.dq, state.tau, state.gyro, state.accel):
        total += float(part.dot(part))
    norm = float(state.quat.dot(state.quat))
    if not math.isfinite(total + norm):
        return "the state holds values that are not finite"
    return "" if abs(norm - 1.0) < 0.1 else "the orientation is not a unit quaternion"


class FiniteGuard:
    """States that cannot be used, several in a row. Until then they are passed over."""

    name = "finite"

    def __init__(self, settings: Settings):
        self._rule = Rule(settings.after_s, settings.release_s)
        self._reaction = settings.reaction

    def update(self, state: RobotState) -> Verdict:
        fault = state_fault(state)
        if self._rule.update(bool(fault), state.stamp_ns):
            return Verdict(self._reaction, fault, self.name)
        return Verdict(Reaction.LIMIT, fault, self.name) if fault else OK

    def reset(self) -> None:
        self._rule.reset()


class ImuRangeGuard(Guard):
    """Angular velocity or specific force beyond what the IMU can measure."""

    name = "imu range"

    def __init__(self, settings: ImuRangeRule):
        super().__init__(settings)
        self._gyro2, self._accel2 = settings.gyro**2, settings.accel**2

    def sees(self, sample: Sample) -> bool:
        gyro, accel = sample.state.gyro, sample.state.accel
        return bool(gyro.dot(gyro) > self._gyro2 or accel.dot(accel) > self._accel2)

    def cause(self, sample: Sample) -> str:
        gyro, accel = np.linalg.norm(sample.state.gyro), np.linalg.norm(sample.state.accel)
        return f"the IMU reads {gyro:.0f} rad/s and {accel:.0f} m/s²"


class FrozenImuGuard(TickGuard):
    """A part of the IMU repeats itself to the last bit, which noise never does."""

    name = "frozen imu"

    def __init__(self, settings: Settings):
        super().__init__(settings)
        self._last: tuple[np.ndarray, ...] = ()
        self._frozen = ""

    def reset(self) -> None:
        super().reset()
        self._last = ()

    def sees_tick(self, sample: Sample, tick: Tick) -> bool:
        state, last = sample.state, self._last
        self._last = parts = (state.gyro, state.accel, state.quat)
        if not sample.acts or not last:
            return False
        same = [bool((now == then).all()) for now, then in zip(parts, last, strict=True)]
        self._frozen = ("gyro", "accelerometer", "orientation")[same.index(True)] if any(same) else ""
        return any(same)

    def cause(self, sample: Sample) -> str:
        return f"the {self._frozen} of the IMU repeats itself"


class FrozenJointGuard(TickGuard):
    """A joint repeats its reading to the last bit while its command moves on."""

    name = "frozen joint"

    def __init__(self, robot: RobotDescription, settings: FrozenJointRule):
        super().__init__(settings)
        self._names, self._moved = robot.joints, settings.moved_rad
        self._since = np.zeros(robot.num_joints)
        self._last: RobotState | None = None
        self._frozen = np.zeros(robot.num_joints, dtype=bool)

    def reset(self) -> None:
        super().reset()
        self._last = None

    def sees_tick(self, sample: Sample, tick: Tick) -> bool:
        state, last, sent = sample.state, self._last, sample.sent
        self._last = state
        if not sample.acts or last is None or sent is None:
            self._since = state.q if sent is None else sent.q
            return False
        same = (state.q == last.q) & (state.dq == last.dq)
        self._since = np.where(same, self._since, sent.q)
        self._frozen = same & (np.abs(sent.q - self._since) > self._moved)
        return bool(self._frozen.any())

    def cause(self, sample: Sample) -> str:
        stuck = [name for name, out in zip(self._names, self._frozen, strict=True) if out]
        return f"{', '.join(stuck)} repeats its reading"


class OrientationGuard(TickGuard):
    """The orientation does not turn as the gyro says.

    The vertical of one control step is turned by the mean angular velocity up to the next one,
    g' = -w x g, and what is left over is gathered in a leaky sum: a bias leaves bias times ``mean_s``.
    """

    name = "imu orientation"

    def __init__(self, settings: MeanRule):
        super().__init__(settings)
        self._limit, self._off = settings.limit, LeakySum(settings.mean_s, _LEAP)
        self._up: np.ndarray | None = None

    def reset(self) -> None:
        super().reset()
        self._off.reset()
        self._up = None

    def sees_tick(self, sample: Sample, tick: Tick) -> bool:
        up, last = tick.rotation[2], self._up
        self._up = up
        if last is not None:
            middle = 0.5 * (up + last)
            turned = last + tick.dt_s * np.array(_cross(middle.tolist(), tick.gyro.tolist()))
            self._off.add(up - turned, tick.dt_s)
        return self._off.above(self._limit)

    def cause(self, sample: Sample) -> str:
        return f"orientation and gyro of the IMU disagree by {math.degrees(self._off.size):.0f} deg"


def _cross(a: list[float], b: list[float]) -> tuple[float, float, float]:
    return a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]
