"""Modes and their changes, by explicit stamps."""

import itertools

import numpy as np
import pytest
from safety_rig import CONFIG, ROBOT, STATE_NS, STEP_NS, Rig, rolled, state_at, target_at

from ros2_rl.robots import NS_PER_S
from ros2_rl.safety.modes import Actor, Mode
from ros2_rl.safety.reaction import Reaction, Verdict

FAST = np.array([8.0, 0.0, 0.0])
HIP_SPEED = np.array([31.0, *[0.0] * 11])
GAINS = {
    Mode.PASSIVE: "damping",
    Mode.STAND: "stand",
    Mode.POLICY: "policy",
    Mode.DAMPING: "damping",
    Mode.ESTOP: "damping",
}


def in_mode(mode: Mode) -> Rig:
    rig = Rig()
    if mode is Mode.PASSIVE:
        rig.run(0.1)
    elif mode is Mode.STAND:
        rig.run(0.1)
        rig.supervisor.request("stand")
        rig.run(2.5)
    else:
        rig.to_policy()
        if mode is Mode.RECOVERY:
            rig.run(0.01, tilt_deg=30)
        elif mode is not Mode.POLICY:
            rig.supervisor.request("estop" if mode is Mode.ESTOP else "damp")
    rig.step(30 if mode is Mode.RECOVERY else 0)
    assert rig.mode is mode
    return rig


@pytest.mark.parametrize("mode", GAINS)
def test_every_mode_answers_every_state_with_its_gain_set(mode):
    rig = in_mode(mode)
    for _ in range(8):
        command = rig.step()
        assert command.gains == GAINS[mode] and command.stamp_ns == rig.stamp_ns


@pytest.mark.parametrize(
    "mode, event, done, after",
    [
        (Mode.PASSIVE, "arm", False, Mode.PASSIVE),
        (Mode.PASSIVE, "stand", True, Mode.STAND),
        (Mode.PASSIVE, "damp", True, Mode.DAMPING),
        (Mode.PASSIVE, "estop", True, Mode.ESTOP),
        (Mode.PASSIVE, "reset", False, Mode.PASSIVE),
        (Mode.STAND, "stand", True, Mode.STAND),
        (Mode.STAND, "damp", True, Mode.DAMPING),
        (Mode.STAND, "reset", False, Mode.STAND),
        (Mode.POLICY, "arm", True, Mode.POLICY),
        (Mode.POLICY, "stand", True, Mode.STAND),
        (Mode.POLICY, "damp", True, Mode.DAMPING),
        (Mode.POLICY, "estop", True, Mode.ESTOP),
        (Mode.RECOVERY, "arm", False, Mode.RECOVERY),
        (Mode.RECOVERY, "stand", True, Mode.RECOVERY),
        (Mode.RECOVERY, "damp", True, Mode.DAMPING),
        (Mode.RECOVERY, "estop", True, Mode.ESTOP),
        (Mode.DAMPING, "stand", False, Mode.DAMPING),
        (Mode.DAMPING, "arm", False, Mode.DAMPING),
        (Mode.DAMPING, "estop", True, Mode.ESTOP),
        (Mode.DAMPING, "reset", True, Mode.PASSIVE),
        (Mode.ESTOP, "damp", False, Mode.ESTOP),
        (Mode.ESTOP, "stand", False, Mode.ESTOP),
        (Mode.ESTOP, "reset", True, Mode.PASSIVE),
    ],
)
def test_requests(mode, event, done, after):
    rig = in_mode(mode)
    result, sentence = rig.supervisor.request(event)
    assert (result, rig.mode) == (done, after)
    assert sentence.endswith(".") and (done or ":" in sentence or "nothing to reset" in sentence)


def test_stand_is_refused_before_any_state():
    assert "driver" in Rig().supervisor.request("stand")[1]


def test_arm_is_refused_until_the_robot_stands_and_targets_are_fresh():
    rig = Rig()
    rig.run(0.1)
    rig.supervisor.request("stand")
    rig.run(0.5)
    assert "does not stand" in rig.supervisor.request("arm")[1]
    rig.run(2.0)
    rig.targets = False
    rig.run(0.1)
    assert "start policy_executor" in rig.supervisor.request("arm")[1]
    rig.targets = True
    rig.run(0.1)
    assert rig.supervisor.request("arm")[0]


def test_arming_announces_a_tick_ahead_and_keeps_to_it():
    rig = in_mode(Mode.STAND)
    rig.supervisor.request("arm")
    start = rig.supervisor.snapshot().policy_from_ns
    assert start % STEP_NS == 0 and start - rig.stamp_ns >= 0.1 * NS_PER_S
    rig.until(Mode.POLICY)
    assert rig.stamp_ns == start == rig.supervisor.snapshot().since_ns


def test_the_announcement_is_taken_back_when_the_robot_is_shaken():
    rig = in_mode(Mode.STAND)
    rig.supervisor.request("arm")
    rig.step(tilt_deg=12)
    assert rig.supervisor.snapshot().policy_from_ns == 0
    rig.until(Mode.POLICY)
    assert rig.stamp_ns - STATE_NS >= 0.4 * NS_PER_S


def test_standing_up_folds_first_from_afar_and_goes_straight_from_near():
    near, far = Rig(), Rig()
    far.q = ROBOT.q_upper - 0.1
    for rig in (near, far):
        rig.run(0.05)
        rig.supervisor.request("stand")
        rig.step()
    far.run(CONFIG.stand.fold_s)
    np.testing.assert_allclose(far.q, ROBOT.fold_pose, atol=0.02)
    far.run(CONFIG.stand.stand_s)
    near.run(CONFIG.stand.stand_s)
    for rig in (near, far):
        np.testing.assert_allclose(rig.q, ROBOT.stand_pose, atol=1e-6)


@pytest.mark.parametrize("lockstep", [False, True])
def test_autostart_stands_and_starts_the_policy_by_stamps(lockstep):
    rig = Rig(lockstep=lockstep, autostart=True)
    rig.q = np.array(ROBOT.fold_pose)
    rig.until(Mode.STAND, 1.0)
    assert rig.stamp_ns == 0.5 * NS_PER_S
    rig.until(Mode.POLICY, 4.0)
    assert rig.stamp_ns == 3.0 * NS_PER_S
    assert rig.command.gains == "policy"


def test_autostart_acts_once_only():
    rig = Rig(autostart=True)
    rig.until(Mode.POLICY, 4.0)
    rig.supervisor.request("damp")
    rig.supervisor.request("reset")
    rig.run(5.0)
    assert rig.mode is Mode.PASSIVE


def test_lockstep_waits_at_ticks_for_the_target_of_that_stamp():
    rig = Rig(lockstep=True, autostart=True)
    rig.until(Mode.POLICY, 4.0)
    rig.targets = False
    assert [rig.step() is not None for _ in range(4)] == [True, True, True, False]
    supervisor, t = rig.supervisor, rig.stamp_ns
    assert supervisor.waiting and supervisor.on_state(state_at(t)) is None
    assert supervisor.on_target(target_at(t - STEP_NS)) is None
    command = supervisor.on_target(target_at(t))
    assert command.stamp_ns == t and not supervisor.waiting
    assert supervisor.on_target(target_at(t)) is None
    assert supervisor.on_state(state_at(t)) is command


def test_lockstep_takes_a_target_that_was_faster_than_its_state():
    rig = Rig(lockstep=True, autostart=True)
    rig.until(Mode.POLICY, 4.0)
    rig.targets = False
    for _ in range(3):
        rig.step()
    assert rig.supervisor.on_target(target_at(rig.stamp_ns + STATE_NS)) is None
    assert rig.step().stamp_ns == rig.stamp_ns


def _recovering() -> Rig:
    """In lockstep, at a tick in RECOVERY, a tick after the last target."""
    rig = Rig(lockstep=True, autostart=True)
    rig.until(Mode.POLICY, 4.0)
    rig.targets = False
    assert [rig.step(tilt_deg=30 if i >= 2 else 0) is not None for i in range(4)] == [True, True, True, False]
    assert rig.stamp_ns % STEP_NS == 0 and rig.mode is Mode.RECOVERY
    return rig


def test_lockstep_in_recovery_loses_no_step_of_a_policy_that_keeps_up():
    rig = _recovering()
    for _ in range(3):
        command = rig.supervisor.on_target(target_at(rig.stamp_ns))
        assert command.stamp_ns == rig.stamp_ns and command.gains in ("recovery", "stand")
        assert [rig.step(tilt_deg=30) is not None for _ in range(4)] == [True, True, True, False]


@pytest.mark.parametrize("unusable", [False, True])
def test_lockstep_recovery_goes_on_without_a_policy_that_does_not_answer(unusable):
    rig = _recovering()
    if unusable:
        command = rig.supervisor.on_target(target_at(rig.stamp_ns, np.full(12, np.nan)))
    else:
        command = rig.supervisor.go_on(Verdict(Reaction.HOLD, "no target for 10 s"))
    assert command.stamp_ns == rig.stamp_ns and command.gains in ("recovery", "stand")
    assert rig.mode is Mode.RECOVERY
    assert all(rig.step(tilt_deg=30) is not None for _ in range(12))


def test_lockstep_without_an_answer_ends_in_a_stand():
    rig = Rig(lockstep=True, autostart=True)
    rig.until(Mode.POLICY, 4.0)
    rig.targets = False
    while not rig.supervisor.waiting:
        rig.step()
    command = rig.supervisor.go_on(Verdict(Reaction.HOLD, "no target for 10 s"))
    assert command.stamp_ns == rig.stamp_ns and command.gains == "stand"


def test_in_real_time_a_new_target_is_answered_at_once_and_an_old_one_not():
    rig = Rig().to_policy()
    supervisor, t = rig.supervisor, rig.stamp_ns
    q = np.array(ROBOT.stand_pose) + 0.1
    command = supervisor.on_target(target_at(t + STATE_NS, q))
    assert command.stamp_ns == t and command.gains == "policy"
    assert (command.q > rig.command.q - 1e-9).all()
    assert supervisor.on_target(target_at(t + STATE_NS, q)) is None
    assert supervisor.on_target(target_at(t - STEP_NS, q)) is None
    np.testing.assert_allclose(rig.step().q, q)


def test_a_stamp_seen_twice_gets_the_same_answer_and_counts_once():
    rig = Rig().to_policy()
    first = rig.step(tilt_deg=30)
    again = [rig.supervisor.on_state(state_at(rig.stamp_ns, 30)) for _ in range(5)]
    assert all(command is first for command in again) and rig.mode is Mode.POLICY
    rig.step(tilt_deg=30)
    assert rig.mode is Mode.RECOVERY


@pytest.mark.parametrize(
    "states, mode, cause",
    [
        ([{"tilt_deg": 30}] * 2, Mode.RECOVERY, "tilt 30 deg"),
        ([{"quat": rolled(5), "gyro": FAST}] * 2, Mode.RECOVERY, "rate 458 deg/s"),
        ([{"tilt_deg": 30}], Mode.POLICY, ""),
        ([{"q": np.full(12, 6.0)}] * 10, Mode.DAMPING, "outside its limits"),
        ([{"dq": np.full(12, 90.0)}] * 10, Mode.DAMPING, "rad/s"),
        ([{"dq": HIP_SPEED}] * 40, Mode.POLICY, ""),
        ([{"dq": np.full(12, np.nan)}] * 2, Mode.POLICY, ""),
        ([{"dq": np.full(12, np.nan)}] * 3, Mode.DAMPING, "not finite"),
        ([{"quat": np.zeros(4)}] * 3, Mode.DAMPING, "quaternion"),
        ([{"tilt_deg": 40, "q": np.full(12, 6.0)}] * 10, Mode.DAMPING, "outside its limits"),
    ],
)
def test_what_a_trotting_robot_may_meet(states, mode, cause):
    rig = Rig().to_policy()
    for parts in states:
        command = rig.step(**parts)
    assert rig.mode is mode and cause in rig.supervisor.snapshot().reason
    assert np.isfinite(command.q).all() and command.stamp_ns == rig.stamp_ns


@pytest.mark.parametrize("leap_ns", [-STEP_NS, 10**9])
def test_stamps_that_go_back_or_leap_damp(leap_ns):
    rig = Rig().to_policy()
    rig.stamp_ns += leap_ns
    assert rig.step().gains == "damping" and rig.mode is Mode.DAMPING


def test_states_that_cannot_be_used_are_answered_with_the_last_command():
    rig = Rig().to_policy()
    before = rig.step()
    command = rig.step(gyro=np.full(3, np.nan))
    np.testing.assert_array_equal(command.q, before.q)
    assert command.stamp_ns == rig.stamp_ns and command.gains == "policy"


def test_a_mode_begins_at_the_state_that_led_to_it_even_if_that_cannot_be_used():
    rig = Rig().to_policy()
    for _ in range(3):
        rig.step(gyro=np.full(3, np.nan))
    assert rig.mode is Mode.DAMPING and rig.supervisor.snapshot().since_ns == rig.stamp_ns


def test_unusable_states_before_anything_else_are_damped():
    assert Rig().step(q=np.full(12, np.nan)).gains == "damping"


def test_recovery_hands_back_at_an_announced_tick_once_the_robot_stands_still():
    rig = Rig().to_policy()
    rig.run(0.5, tilt_deg=30)
    rig.run(0.2, tilt_deg=11)
    upright = rig.stamp_ns
    rig.until(Mode.POLICY, 10)
    assert rig.stamp_ns % STEP_NS == 0
    assert rig.stamp_ns - upright >= (CONFIG.hand_back.hold_s + CONFIG.hand_back.lead_s) * NS_PER_S
    snapshot = rig.supervisor.snapshot()
    assert (snapshot.overrides, snapshot.falls, snapshot.actor) == (1, 0, Actor.POLICY)


@pytest.mark.parametrize(
    "parts",
    [
        {"tilt_deg": 12},
        {"gyro": np.array([0, 0, 1.1])},
        {"dq": np.full(12, 3.5)},
        {"q": np.array(ROBOT.stand_pose) + 0.6},
    ],
)
def test_recovery_keeps_a_robot_that_does_not_stand_still(parts):
    rig = Rig().to_policy()
    rig.run(0.05, tilt_deg=30)
    rig.run(4.0, **parts)
    assert rig.mode is Mode.RECOVERY


def test_recovery_without_a_policy_to_return_to_ends_in_stand():
    rig = in_mode(Mode.STAND)
    rig.run(0.02, tilt_deg=40)
    assert rig.mode is Mode.RECOVERY
    rig.until(Mode.STAND)
    rig.run(1.0)
    assert rig.mode is Mode.STAND and rig.supervisor.snapshot().overrides == 0


def test_stand_asked_for_during_recovery_is_what_comes_after():
    rig = in_mode(Mode.RECOVERY)
    rig.supervisor.request("stand")
    rig.until(Mode.STAND)
    rig.run(1.0)
    assert rig.mode is Mode.STAND


def test_recovery_with_a_dead_executor_ends_in_a_stand_then_lying_then_damped():
    rig = Rig().to_policy()
    rig.targets = False
    rig.run(0.02, tilt_deg=30)
    rig.until(Mode.STAND)
    rig.until(Mode.DAMPING)
    assert "did not come back" in rig.supervisor.snapshot().reason


def test_recovery_that_fails_ends_damped_after_its_attempts():
    rig = Rig().to_policy()
    rig.run(0.02, tilt_deg=30)
    began = rig.stamp_ns
    rig.until(Mode.DAMPING, 60, tilt_deg=90)
    assert "after 5 attempts" in rig.supervisor.snapshot().reason
    assert rig.stamp_ns - began == pytest.approx(5 * CONFIG.recovery.scripted_s * NS_PER_S, abs=20 * STATE_NS)


@pytest.mark.parametrize(
    "tilts, falls",
    [
        ((30, 59), 0),
        ((30, 61), 1),
        ((30, 90, 5, 90, 20, 130), 1),
    ],
)
def test_a_fall_counts_once_until_the_robot_stands_again(tilts, falls):
    rig = Rig().to_policy()
    for tilt_deg in tilts:
        rig.run(0.05, tilt_deg=tilt_deg)
    assert rig.supervisor.snapshot().falls == falls
    rig.until(Mode.POLICY)
    rig.run(0.05, tilt_deg=100)
    assert rig.supervisor.snapshot().falls == falls + 1


def test_a_robot_that_lies_before_any_policy_has_not_fallen():
    rig = Rig()
    rig.run(0.1, tilt_deg=90)
    rig.supervisor.request("stand")
    rig.run(0.1, tilt_deg=90)
    assert rig.mode is Mode.RECOVERY and rig.supervisor.snapshot().falls == 0


def test_executor_death_braces_lies_down_and_damps():
    rig = Rig().to_policy()
    rig.run(0.02)
    rig.targets, last = False, rig.stamp_ns
    rig.until(Mode.STAND, 0.2)
    assert rig.stamp_ns - last == 3 * STEP_NS + STATE_NS
    assert "no target of the policy" in rig.supervisor.snapshot().reason
    rig.run(CONFIG.stand.brace_s)
    np.testing.assert_allclose(rig.q, ROBOT.stand_pose, atol=1e-3)
    rig.run(CONFIG.stand.lie_down_after_s + CONFIG.stand.stand_s - 0.1)
    np.testing.assert_allclose(rig.q, ROBOT.fold_pose, atol=0.15)
    rig.until(Mode.DAMPING, 0.5)


@pytest.mark.parametrize("autostart, after", [(True, Mode.POLICY), (False, Mode.STAND)])
def test_an_executor_that_comes_back_acts_by_itself_only_without_an_operator(autostart, after):
    rig = Rig(autostart=autostart)
    rig.until(Mode.POLICY, 4.0) if autostart else rig.to_policy()
    rig.targets = False
    rig.until(Mode.STAND, 0.2)
    rig.targets = True
    rig.run(1.5)
    assert rig.mode is after


def test_a_person_keeps_the_robot_standing_without_an_executor():
    rig = Rig().to_policy()
    rig.targets = False
    rig.until(Mode.STAND, 0.2)
    rig.supervisor.request("stand")
    rig.run(8.0)
    assert rig.mode is Mode.STAND and rig.supervisor.snapshot().actor is Actor.HUMAN


@pytest.mark.parametrize(
    "change, cause",
    [
        ({"q": np.full(12, np.nan)}, "not finite"),
        ({"q": np.zeros(11)}, "12 values"),
        ({"gains": "rigid"}, "gain set: 'rigid'"),
        ({"stamp_ns": 10**15}, "ahead"),
    ],
)
@pytest.mark.parametrize("lockstep", [False, True])
def test_a_target_that_cannot_be_used_ends_in_a_stand(change, cause, lockstep):
    rig = Rig(lockstep=lockstep, autostart=True)
    rig.until(Mode.POLICY, 4.0)
    rig.targets = False
    while rig.step() is not None and rig.stamp_ns % STEP_NS:
        pass
    command = rig.supervisor.on_target(target_at(**{"stamp_ns": rig.stamp_ns, **change}))
    assert rig.mode is Mode.STAND and cause in rig.supervisor.snapshot().reason
    assert command.gains == "stand" and np.isfinite(command.q).all()


@pytest.mark.parametrize("mode", list(Mode))
@pytest.mark.parametrize("reaction", [Reaction.DAMPING, Reaction.ESTOP])
def test_verdicts_from_outside_never_weaken(mode, reaction):
    rig = in_mode(mode)
    command = rig.supervisor.react(reaction, "from outside")
    expected = {Reaction.DAMPING: Mode.DAMPING, Reaction.ESTOP: Mode.ESTOP}[reaction]
    if reaction is Reaction.DAMPING and mode in (Mode.PASSIVE, Mode.ESTOP):
        expected = mode
    assert rig.mode is expected and command.gains == "damping"


@pytest.mark.parametrize("mode", [Mode.DAMPING, Mode.ESTOP])
def test_latched_modes_do_not_leave_by_themselves(mode):
    rig = in_mode(mode)
    for tilt_deg in (0, 30, 90, 0):
        rig.run(0.5, tilt_deg=tilt_deg)
    assert rig.mode is mode


def test_reset_adopts_new_stamps_and_forgets_old_targets():
    rig = in_mode(Mode.DAMPING)
    rig.supervisor.request("reset")
    rig.stamp_ns = 0
    rig.to_policy()
    assert rig.mode is Mode.POLICY


def test_the_revision_grows_with_every_change_and_only_then():
    rig = Rig(autostart=True)
    changes = []
    for _ in range(900):
        before, snapshot = rig.supervisor.revision, rig.supervisor.snapshot()
        rig.step()
        after = rig.supervisor.snapshot()
        told = [(s.mode, s.reason, s.since_ns, s.policy_from_ns, s.falls) for s in (snapshot, after)]
        assert (rig.supervisor.revision > before) == (told[0] != told[1])
        changes.append(after.mode)
    assert [mode for mode, _ in itertools.groupby(changes)] == [Mode.PASSIVE, Mode.STAND, Mode.POLICY]


def test_a_wild_policy_reaches_the_robot_within_limits():
    patient = CONFIG.with_guard("target_jump", after_s=10.0).with_guard("base_height", after_s=10.0)
    rig, rng = Rig(config=patient).to_policy(), np.random.default_rng(1)
    rig.targets = False
    for _ in range(400):
        rig.step()
        if rig.stamp_ns % STEP_NS == 0:
            rig.supervisor.on_target(target_at(rig.stamp_ns, rng.normal(size=12) * 20))
        assert (rig.command.q >= ROBOT.q_lower).all() and (rig.command.q <= ROBOT.q_upper).all()
        torque = ROBOT.gains["policy"].kp * (rig.command.q - rig.q)
        assert (np.abs(torque) <= ROBOT.tau_max + 1e-6).all()
    assert rig.supervisor.snapshot().limited > 100
