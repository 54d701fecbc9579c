"""Samples for the tests of single guards: a healthy robot, and what is to be wrong with it."""

import math
from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np
from safety_rig import ROBOT, SHIPPED, STATE_NS, STEP_NS, state_at, target_at, torque

from ros2_rl.estimation.rotation import rotation_matrix
from ros2_rl.robots import NS_PER_S, BaseEstimate, RobotState
from ros2_rl.safety.guards.base import Guard, TickGuard
from ros2_rl.safety.reaction import Reaction
from ros2_rl.safety.senses import Sample, Senses, Tick

RULES = SHIPPED.guards
Change = Callable[[Sample], Sample]


def estimate_at(stamp_ns: int, **parts) -> BaseEstimate:
    values = {
        "position": np.array([0.0, 0.0, 0.27]),
        "quat": np.array([1.0, 0.0, 0.0, 0.0]),
        "lin_vel": np.array([0.5, 0.0, 0.0]),
        "ang_vel": np.zeros(3),
        "contacts": np.ones(4),
        "lin_vel_cov": 1e-4 * np.eye(3),
    }
    return BaseEstimate(stamp_ns=stamp_ns, **{**values, **parts})


def tick_of(state: RobotState, **parts) -> Tick:
    values = {
        "dt_s": STEP_NS / NS_PER_S,
        "gyro": state.gyro,
        "accel": state.accel,
        "rotation": rotation_matrix(state.quat),
        "height": 0.27,
        "leg_velocity": np.array([0.5, 0.0, 0.0]),
        "target_q": np.array(ROBOT.stand_pose),
        "target_ns": state.stamp_ns - STEP_NS,
    }
    return Tick(**{**values, **parts})


def healthy(stamp_ns: int) -> Sample:
    """A robot that trots under its policy: nothing is wrong with it, nothing repeats itself."""
    step = stamp_ns // STEP_NS
    sent = target_at(stamp_ns, ROBOT.stand_pose + 0.05 * math.sin(step))
    q = sent.q - 0.1 - 1e-5 * (step % 7)
    state = state_at(stamp_ns, q=q, dq=np.full(12, 1e-3 * (step % 3)), tau=torque(sent, q, np.zeros(12)))
    senses = Senses(estimate_at(stamp_ns - STEP_NS), np.full(12, 45.0), 0.9, 28.0, stamp_ns, 3)
    return Sample(
        state, 0.0, 0.0, 0.0, acts=True, stands=True, policy=True, sent=sent, tick=tick_of(state),
        senses=senses,
    )  # fmt: skip


def of_state(**parts) -> Change:
    """The robot's state reads otherwise."""
    return lambda sample: replace(sample, state=replace(sample.state, **parts))


def of_tick(**parts) -> Change:
    return lambda sample: replace(sample, tick=replace(sample.tick, **parts))


def of_senses(**parts) -> Change:
    return lambda sample: replace(sample, senses=replace(sample.senses, **parts))


def of_estimate(**parts) -> Change:
    return lambda sample: of_senses(estimate=replace(sample.senses.estimate, **parts))(sample)


def of_sample(**parts) -> Change:
    return lambda sample: replace(sample, **parts)


class Watch:
    """One guard under its own stamps: a control step at a time for those that look no oftener."""

    def __init__(self, guard: Guard, start_ns: int = 100 * STEP_NS):
        self.guard, self.stamp_ns = guard, start_ns
        self.period_ns = STEP_NS if isinstance(guard, TickGuard) else STATE_NS

    def samples(self, seconds: float, change: Change = lambda sample: sample) -> Iterator[Sample]:
        for _ in range(round(seconds * NS_PER_S / self.period_ns)):
            self.stamp_ns += self.period_ns
            yield change(healthy(self.stamp_ns))

    def run(self, seconds: float, change: Change = lambda sample: sample) -> list[Reaction]:
        """Reactions for so long."""
        return [self.guard.update(sample).reaction for sample in self.samples(seconds, change)]

    def first(self, seconds: float, change: Change) -> float | None:
        """Time from the first changed sample to the trip, s; None when it does not trip."""
        reactions = self.run(seconds, change)
        tripped = [i for i, reaction in enumerate(reactions) if reaction]
        return tripped[0] * self.period_ns / NS_PER_S if tripped else None
