"""Guards that gather evidence: over states, control steps, or the window of an adapter."""

from dataclasses import replace

import numpy as np
import pytest
from guard_rig import RULES, Watch, healthy, of_state, of_tick
from hypothesis import given
from hypothesis import strategies as st
from safety_rig import ROBOT, STATE_NS, STEP_NS, rolled, target_at

from ros2_rl.estimation.rotation import rotation_matrix
from ros2_rl.safety.guards.estimate import OdometryGuard
from ros2_rl.safety.guards.joints import DriveGuard
from ros2_rl.safety.guards.policy import AdapterGuard, TargetJumpGuard
from ros2_rl.safety.guards.sensors import FrozenImuGuard, FrozenJointGuard, OrientationGuard
from ros2_rl.safety.guards.timing import (
    LongStateGapGuard,
    LostStatesGuard,
    LostTicksGuard,
    StampGuard,
    StateGapGuard,
)
from ros2_rl.safety.reaction import Reaction, strongest


def guards_of_stamps():
    """All guards of the stamps."""
    return (
        StampGuard(RULES.stamp), StateGapGuard(RULES.state_gap), LongStateGapGuard(RULES.long_state_gap),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("stamps_ms", "reaction", "cause"),
    [
        ((0, 5, 10), Reaction.NONE, ""),
        ((1000, 1050), Reaction.NONE, ""),
        ((1000, 1055), Reaction.HOLD, "0.055 s of states are missing"),
        ((1000, 1086), Reaction.HOLD, "missing"),
        ((1000, 1250), Reaction.HOLD, "missing"),
        ((1000, 1255), Reaction.RECOVERY, "missing"),
        ((1000, 1500), Reaction.RECOVERY, "missing"),
        ((1000, 1505), Reaction.DAMPING, "missing"),
        ((1000, 995), Reaction.DAMPING, "went back"),
        ((1000, 0), Reaction.DAMPING, "went back by 1.000 s"),
        ((1000, 995, 1000), Reaction.NONE, ""),
    ],
)
def test_stamps(stamps_ms, reaction, cause):
    guards = guards_of_stamps()
    verdict = [strongest(guard.update(healthy(ms * 1_000_000)) for guard in guards) for ms in stamps_ms][-1]
    assert verdict.reaction is reaction and cause in verdict.cause


@given(st.lists(st.integers(-100, 700), min_size=1, max_size=20))
def test_whatever_the_clock_does_the_reaction_is_that_of_its_worst_leap_now(leaps_ms):
    guards, stamp_ns = guards_of_stamps(), 10**12
    for guard in guards:
        guard.update(healthy(stamp_ns))
    for leap_ms in leaps_ms:
        stamp_ns += leap_ms * 1_000_000
        said = strongest(guard.update(healthy(stamp_ns)) for guard in guards).reaction
        least = Reaction.DAMPING if not 0 <= leap_ms <= 500 else Reaction.RECOVERY if leap_ms > 250 else None
        assert said is least if least else said in (Reaction.NONE, Reaction.HOLD)


def test_a_gap_holds_the_policy_off_for_a_while():
    watch = Watch(StateGapGuard(RULES.state_gap))
    watch.run(0.1)
    watch.stamp_ns += 80_000_000
    reactions = watch.run(1.0)
    held_s = sum(reaction is Reaction.HOLD for reaction in reactions) * STATE_NS / 1e9
    assert reactions[0] is Reaction.HOLD and not reactions[-1]
    assert RULES.state_gap.release_s <= held_s <= RULES.state_gap.release_s + 0.02


@pytest.mark.parametrize(("kept_of", "trips"), [(1, False), (2, False), (3, True), (5, True)])
def test_lost_states(kept_of, trips):
    """One state of so many arrives; the period is known from before."""
    guard = LostStatesGuard(RULES.lost_states)
    for i in range(400):
        assert not guard.update(healthy((i + 1) * STATE_NS)).reaction
    reactions = [
        guard.update(healthy((400 + i * kept_of) * STATE_NS)).reaction for i in range(1, 600 // kept_of)
    ]
    assert (reactions[-1] is Reaction.HOLD) is trips


@pytest.mark.parametrize(("late_of", "trips"), [(2, True), (5, False)])
def test_lost_ticks(late_of, trips):
    """Every second or fifth control step is still without its target at the next one."""
    watch = Watch(LostTicksGuard(RULES.lost_ticks))

    def late(sample):
        step = sample.state.stamp_ns // STEP_NS
        behind = 2 if step % late_of == 0 else 1
        return of_tick(target_ns=sample.state.stamp_ns - behind * STEP_NS)(sample)

    assert (Reaction.HOLD in watch.run(5.0, late)) is trips
    idle = lambda sample: replace(late(sample), policy=False)  # noqa: E731
    assert not watch.run(5.0, idle)[-1]


def frozen(part: str):
    value = getattr(healthy(0).state, part).copy()
    return of_state(**{part: value})


@pytest.mark.parametrize(
    ("part", "word"), [("gyro", "gyro"), ("accel", "accelerometer"), ("quat", "orientation")]
)
def test_a_part_of_the_imu_that_repeats_itself(part, word):
    watch = Watch(FrozenImuGuard(RULES.frozen_imu))
    assert not any(watch.run(1.0))
    assert RULES.frozen_imu.after_s <= watch.first(0.5, frozen(part)) <= RULES.frozen_imu.after_s + 0.04
    assert word in watch.guard._verdict.cause


def test_a_resting_robot_may_repeat_itself():
    watch = Watch(FrozenImuGuard(RULES.frozen_imu))
    damped = lambda sample: replace(frozen("gyro")(sample), acts=False)  # noqa: E731
    assert not any(watch.run(2.0, damped))


def test_a_joint_that_repeats_itself_while_its_command_moves():
    watch = Watch(FrozenJointGuard(ROBOT, RULES.frozen_joint))
    assert not any(watch.run(1.0))

    def stuck(sample, moves: float):
        state = sample.state
        q, dq = state.q.copy(), state.dq.copy()
        q[7], dq[7] = -1.0, 0.0
        swing = moves * np.sin(20.0 * state.stamp_ns / 1e9)
        return replace(sample, state=replace(state, q=q, dq=dq), sent=target_at(0, ROBOT.stand_pose + swing))

    assert not any(watch.run(1.0, lambda sample: stuck(sample, 0.03)))
    assert watch.first(0.5, lambda sample: stuck(sample, 0.3)) < 0.3
    assert ROBOT.joints[7] in watch.guard._verdict.cause
    assert watch.guard._verdict.reaction is Reaction.DAMPING


@pytest.mark.parametrize(("bias", "trips"), [(0.05, False), (0.2, True)])
def test_a_gyro_that_is_off(bias, trips):
    watch = Watch(OrientationGuard(RULES.imu_orientation))
    off = of_tick(gyro=np.array([0.0, bias, 0.0]))
    assert (Reaction.DAMPING in watch.run(4.0, off)) is trips


def test_a_turning_base_with_an_honest_gyro_is_well():
    watch, rate = Watch(OrientationGuard(RULES.imu_orientation)), 2.0

    def turning(sample):
        angle = np.degrees(rate * sample.state.stamp_ns / 1e9)
        return of_tick(gyro=np.array([rate, 0.0, 0.0]), rotation=rotation_matrix(rolled(angle)))(sample)

    assert not any(watch.run(4.0, turning))


def test_a_robot_that_is_put_somewhere_else_has_no_broken_imu():
    watch = Watch(OrientationGuard(RULES.imu_orientation))
    watch.run(1.0)
    assert not any(watch.run(4.0, of_tick(rotation=rotation_matrix(rolled(90)))))


def test_an_orientation_that_stays_while_the_base_turns():
    watch = Watch(OrientationGuard(RULES.imu_orientation))
    assert watch.first(1.0, of_tick(gyro=np.array([1.0, 0.0, 0.0]))) < 0.2


@pytest.mark.parametrize(("bias", "trips"), [(0.5, False), (3.0, True)])
def test_an_accelerometer_that_is_off(bias, trips):
    watch = Watch(OdometryGuard(RULES.imu_against_legs))
    off = of_tick(accel=np.array([bias, 0.0, 9.81]))
    assert (Reaction.HOLD in watch.run(4.0, off)) is trips


def test_slipping_legs_for_an_instant_are_no_fault():
    watch = Watch(OdometryGuard(RULES.imu_against_legs))
    watch.run(1.0)
    assert not any(watch.run(0.2, of_tick(leg_velocity=np.array([3.0, 0.0, 0.0]))))
    assert not any(watch.run(2.0))


def test_without_a_standing_foot_nothing_is_compared():
    watch = Watch(OdometryGuard(RULES.imu_against_legs))
    assert not any(watch.run(4.0, of_tick(accel=np.zeros(3), leg_velocity=None)))


@pytest.mark.parametrize(("strength", "trips"), [(1.0, False), (0.3, False), (0.0, True)])
def test_drives_that_do_not_answer(strength, trips):
    watch = Watch(DriveGuard(ROBOT, RULES.drive))

    def weak(sample):
        tau = sample.state.tau.copy()
        tau[3:6] *= strength
        sent = target_at(0, sample.state.q + 0.3)
        return replace(
            sample, sent=sent, state=replace(sample.state, tau=np.where(tau, 12.0, 0.0) * strength)
        )

    reactions = watch.run(1.0, weak)
    assert (Reaction.DAMPING in reactions) is trips
    assert not trips or ROBOT.joints[3] in watch.guard._verdict.cause


def test_a_drive_is_not_asked_while_the_robot_is_not_on_its_feet():
    watch = Watch(DriveGuard(ROBOT, RULES.drive))
    off = lambda sample: replace(of_state(tau=np.zeros(12))(sample), stands=False)  # noqa: E731
    assert not any(watch.run(2.0, off))


@pytest.mark.parametrize(("swing", "trips"), [(0.5, False), (0.7, True)])
def test_targets_that_jump_to_and_fro(swing, trips):
    watch = Watch(TargetJumpGuard(ROBOT, RULES.target_jump))

    def wild(sample):
        sign = 1 if sample.state.stamp_ns // STEP_NS % 2 else -1
        return of_tick(target_q=ROBOT.stand_pose + sign * swing)(sample)

    assert (Reaction.HOLD in watch.run(0.5, wild)) is trips


def test_one_jump_is_none():
    watch = Watch(TargetJumpGuard(ROBOT, RULES.target_jump))
    watch.run(0.5)
    assert not any(watch.run(0.5, of_tick(target_q=ROBOT.stand_pose + 2.0)))


class Adapters:
    """Overrides and falls happen to an adapter, second by second."""

    def __init__(self):
        self.watch, self.overrides, self.falls = Watch(AdapterGuard(RULES.adapter)), 5, 2
        self.version = 7

    def run(self, seconds: float, overrides: int = 0, falls: int = 0) -> Reaction:
        self.overrides, self.falls = self.overrides + overrides, self.falls + falls

        def change(sample):
            senses = replace(sample.senses, adapter=self.version)
            return replace(sample, senses=senses, overrides=self.overrides, falls=self.falls)

        return self.watch.run(seconds, change)[-1]


def test_an_adapter_under_which_overrides_pile_up_is_distrusted_until_another_acts():
    life = Adapters()
    assert not life.run(10) and not life.run(10, overrides=1) and not life.run(10, overrides=1)
    assert life.run(0.02, overrides=1) is Reaction.HOLD
    assert "adapter 7" in life.watch.guard._verdict.cause
    assert life.watch.guard.distrusted == 7 and life.run(100) is Reaction.HOLD
    life.version = 0
    assert not life.run(1)
    life.version = 8
    assert not life.run(1)


def test_overrides_that_lie_far_apart_are_no_pile():
    life = Adapters()
    for _ in range(6):
        assert not life.run(31, overrides=1)


def test_two_falls_are_enough():
    life = Adapters()
    life.run(1)
    assert not life.run(5, overrides=1, falls=1)
    assert life.run(5, overrides=1, falls=1) is Reaction.HOLD


def test_the_base_policy_is_trusted_whatever_happens():
    life = Adapters()
    life.version = 0
    assert not life.run(1, overrides=9, falls=9) and life.watch.guard.distrusted == -1
