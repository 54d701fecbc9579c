"""Named guards: each watches one thing and says how strongly to react.

A guard knows nothing of modes. The supervisor asks all of them at every state and follows the
strongest verdict; a further guard is one more class here and one more entry in ``state_guards``.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from enum import IntEnum
from typing import Protocol

import numpy as np

from ros2_rl.robots import NS_PER_S, RobotDescription, RobotState
from ros2_rl.safety.config import JointConfig, SafetyConfig, StaleConfig, TiltConfig


class Reaction(IntEnum):
    """What a verdict asks for; the order is the precedence."""

    NONE = 0
    LIMIT = 1
    """The command is taken, but not all of it."""
    HOLD = 2
    """The policy is let go; the robot is brought to a stand."""
    RECOVERY = 3
    DAMPING = 4
    ESTOP = 5


@dataclass(frozen=True, slots=True)
class Verdict:
    """A reaction and the sentence that says why."""

    reaction: Reaction
    cause: str = ""


OK = Verdict(Reaction.NONE)


@dataclass(slots=True)
class Sample:
    """What guards look at: a valid state and what follows from it."""

    state: RobotState
    tilt: float
    """Angle between the base's z axis and the vertical, rad."""
    tilt_rate: float
    """Its time derivative, rad/s."""
    target_age_s: float
    """Age of the newest usable target, s; infinite when there is none."""


class Guard(Protocol):
    """The form of every guard that sees states."""

    name: str

    def update(self, sample: Sample) -> Verdict: ...

    def reset(self) -> None: ...


class Debounce:
    """True once a condition has held for ``count`` consecutive updates."""

    def __init__(self, count: int):
        self._count, self._seen = count, 0

    def update(self, condition: bool) -> bool:
        self._seen = self._seen + 1 if condition else 0
        return self._seen >= self._count

    def reset(self) -> None:
        self._seen = 0


def attitude(quat: np.ndarray, gyro: np.ndarray) -> tuple[float, float]:
    """Tilt (rad) and tilt rate (rad/s) from orientation (w, x, y, z) and angular velocity.

    With g the direction of gravity in the base frame, cos(tilt) = -g_z and dg/dt = -w x g, hence
    d(tilt)/dt = (w_y g_x - w_x g_y) / |g_xy|. Level, every rotation about x or y raises the tilt.
    """
    w, x, y, z = quat.tolist()
    wx, wy, _ = gyro.tolist()
    gx, gy = 2 * (w * y - x * z), -2 * (y * z + w * x)
    level = math.hypot(gx, gy)
    angle = math.atan2(level, 1 - 2 * (x * x + y * y))
    return angle, (wy * gx - wx * gy) / level if level > 1e-6 else math.hypot(wx, wy)


def state_fault(state: RobotState) -> str:
    """Why a state cannot be used at all; empty when it can."""
    total = 0.0
    for part in (state.q, state.dq, state.tau, state.gyro, state.accel):
        total += float(part.dot(part))
    norm = float(state.quat.dot(state.quat))
    if not math.isfinite(total + norm):
        return "the state holds values that are not finite"
    return "" if abs(norm - 1.0) < 0.1 else "the orientation is not a unit quaternion"


class TiltGuard:
    """Tilt, now or as predicted from the tilt rate, above its limit: recovery."""

    name = "tilt"

    def __init__(self, config: TiltConfig):
        self._limit = math.radians(config.limit_deg)
        self._predicted = math.radians(config.predicted_limit_deg)
        self._lookahead = config.lookahead_s
        self._debounce = Debounce(config.debounce_states)

    def update(self, sample: Sample) -> Verdict:
        predicted = sample.tilt + self._lookahead * max(sample.tilt_rate, 0.0)
        high = sample.tilt > self._limit or predicted > self._predicted
        if not self._debounce.update(high):
            return OK
        degrees, rate = math.degrees(sample.tilt), math.degrees(sample.tilt_rate)
        return Verdict(Reaction.RECOVERY, f"tilt {degrees:.0f} deg, rate {rate:.0f} deg/s")

    def reset(self) -> None:
        self._debounce.reset()


class JointPositionGuard:
    """A joint that reads far outside its limits has a broken encoder: damping."""

    name = "joint position"

    def __init__(self, robot: RobotDescription, config: JointConfig):
        self._names = robot.joints
        self._middle = 0.5 * (robot.q_lower + robot.q_upper)
        self._reach = 0.5 * (robot.q_upper - robot.q_lower) + config.position_fault
        self._debounce = Debounce(config.fault_states)

    def update(self, sample: Sample) -> Verdict:
        excess = np.abs(sample.state.q - self._middle) - self._reach
        if not self._debounce.update(excess.max() > 0):
            return OK
        worst = int(excess.argmax())
        return Verdict(
            Reaction.DAMPING,
            f"{self._names[worst]} reads {sample.state.q[worst]:.2f} rad, far outside its limits",
        )

    def reset(self) -> None:
        self._debounce.reset()


class JointVelocityGuard:
    """A joint above its speed limit is limited (the limiter lets it brake only), far above: damping."""

    name = "joint velocity"

    def __init__(self, robot: RobotDescription, config: JointConfig):
        self._names, self._limit, self._fault = robot.joints, robot.dq_max, config.velocity_fault
        self._debounce = Debounce(config.fault_states)

    def update(self, sample: Sample) -> Verdict:
        share = np.abs(sample.state.dq) / self._limit
        highest = share.max()
        faulty = self._debounce.update(highest > self._fault)
        if highest <= 1.0:
            return OK
        worst = int(share.argmax())
        cause = f"{self._names[worst]} turns at {abs(sample.state.dq[worst]):.1f} rad/s"
        return Verdict(Reaction.DAMPING if faulty else Reaction.LIMIT, cause)

    def reset(self) -> None:
        self._debounce.reset()


class StampGuard:
    """Stamps that go backwards or leap: somebody else writes states, or many were lost."""

    name = "stamp"

    def __init__(self, config: StaleConfig):
        self._gap_ns = round(config.state_s * NS_PER_S)
        self._last_ns: int | None = None

    def update(self, sample: Sample) -> Verdict:
        stamp, last = sample.state.stamp_ns, self._last_ns
        self._last_ns = stamp
        if last is None or 0 < stamp - last <= self._gap_ns:
            return OK
        if stamp < last:
            return Verdict(Reaction.DAMPING, f"the stamp went back by {(last - stamp) / NS_PER_S:.3f} s")
        return Verdict(Reaction.DAMPING, f"{(stamp - last) / NS_PER_S:.3f} s of states are missing")

    def reset(self) -> None:
        self._last_ns = None


class TargetGuard:
    """Targets of the policy that stay out: hold."""

    name = "target age"

    def __init__(self, config: StaleConfig, step_ns: int):
        self.limit_s = config.target_ticks * step_ns / NS_PER_S

    def update(self, sample: Sample) -> Verdict:
        if sample.target_age_s <= self.limit_s:
            return OK
        return Verdict(Reaction.HOLD, f"no target of the policy for {sample.target_age_s:.2f} s")

    def reset(self) -> None:
        """Nothing is remembered."""


class FiniteGuard:
    """States that cannot be used, several in a row: damping. Until then they are passed over."""

    name = "finite"

    def __init__(self, config: StaleConfig):
        self._debounce = Debounce(config.bad_states)

    def update(self, state: RobotState) -> Verdict:
        fault = state_fault(state)
        if self._debounce.update(bool(fault)):
            return Verdict(Reaction.DAMPING, fault)
        return Verdict(Reaction.LIMIT, fault) if fault else OK

    def reset(self) -> None:
        self._debounce.reset()


def state_guards(robot: RobotDescription, config: SafetyConfig) -> tuple[Guard, ...]:
    """The guards that watch the robot whatever the mode."""
    return (
        StampGuard(config.stale),
        JointPositionGuard(robot, config.joints),
        JointVelocityGuard(robot, config.joints),
        TiltGuard(config.tilt),
    )


def strongest(verdicts: Iterable[Verdict]) -> Verdict:
    """The verdict with the strongest reaction; the first of equals."""
    worst = OK
    for verdict in verdicts:
        if verdict.reaction > worst.reaction:
            worst = verdict
    return worst
