"""What the supervisor does when a guard trips while a policy acts: the strongest reaction, and back again."""

from dataclasses import replace

import numpy as np
import pytest
from guard_rig import estimate_at
from safety_rig import CONFIG, ROBOT, STEP_NS, Rig, target_at

from ros2_rl.robots import NS_PER_S
from ros2_rl.safety.modes import Mode
from ros2_rl.safety.reaction import Reaction, Verdict

CROUCH = np.array(ROBOT.fold_pose)
FLAT = CROUCH.copy()
"""Legs drawn up: the trunk lies on the ground."""
FLAT[[i for i, joint in enumerate(ROBOT.joints) if "thigh" in joint]] = 2.5
LIMIT_S = CONFIG.guards.base_height.after_s


class Trotting(Rig):
    """Under its policy by itself, and heard of by everybody."""

    def __init__(self, autostart: bool = True):
        super().__init__(autostart=autostart)
        self.until(Mode.POLICY, 4.0) if autostart else self.to_policy()
        self.hear = lambda: None

    def step(self, tilt_deg: float = 0.0, **parts):
        if self.stamp_ns % STEP_NS == 0 and hasattr(self, "hear"):
            self.hear()
        return super().step(tilt_deg, **parts)

    @property
    def told(self):
        return self.supervisor.snapshot()


def test_a_level_robot_on_its_belly_has_fallen_and_is_brought_up():
    rig = Trotting()
    rig.obedient = False
    rig.run(LIMIT_S - 0.04, q=CROUCH)
    assert rig.mode is Mode.POLICY
    rig.run(0.08, q=CROUCH)
    assert rig.mode is Mode.RECOVERY and rig.told.guard == "base height"
    assert (rig.told.falls, rig.told.overrides) == (1, 1)
    rig.obedient = True
    rig.until(Mode.POLICY, 20.0)
    assert rig.told.falls == 1


@pytest.mark.parametrize(("pose", "falls"), [(CROUCH, 0), (FLAT, 1)])
def test_recovery_may_crouch_but_a_trunk_on_the_ground_is_a_fall(pose, falls):
    rig = Trotting()
    rig.obedient = False
    rig.run(0.1, tilt_deg=30.0)
    assert rig.mode is Mode.RECOVERY and rig.told.guard == "tilt"
    rig.run(LIMIT_S + 0.1, q=pose)
    assert (rig.mode, rig.told.falls) == (Mode.RECOVERY, falls)


def test_lying_where_it_lies_at_the_start_is_no_fall():
    rig = Rig(autostart=True)
    rig.q = CROUCH
    rig.run(2.0)
    assert rig.mode is Mode.STAND and rig.supervisor.snapshot().falls == 0


@pytest.mark.parametrize("autostart", [True, False])
def test_a_held_robot_stands_until_the_guard_lets_go(autostart):
    rig = Trotting(autostart)
    rig.supervisor.senses.estimate = estimate_at(0)
    rig.run(0.1)
    assert rig.mode is Mode.STAND and rig.told.guard == rig.told.tripped[0] == "estimate"
    rig.run(5.0)
    assert rig.mode is Mode.STAND, "it lies down only for want of targets"
    assert not rig.supervisor.request("arm")[0]
    assert "no estimate of the base" in rig.supervisor.request("arm")[1]
    rig.supervisor.senses.estimate = None
    rig.run(1.5)
    assert rig.told.tripped == ()
    assert rig.mode is (Mode.POLICY if autostart else Mode.STAND)
    assert rig.supervisor.request("arm")[0]


@pytest.mark.parametrize("autostart", [True, False])
def test_an_empty_battery_lays_the_robot_down(autostart):
    rig = Trotting(autostart)
    rig.supervisor.senses.battery_share = 0.05
    rig.until(Mode.STAND, CONFIG.guards.battery.after_s + 0.1)
    assert "lies down, since the battery is down to 5 %" in rig.told.reason
    assert rig.command.gains == "stand"
    rig.until(Mode.DAMPING, CONFIG.stand.stand_s + 0.1)
    np.testing.assert_allclose(rig.q, ROBOT.fold_pose, atol=0.1)
    assert rig.told.guard == "battery" and "lay down" in rig.told.reason


def test_tilting_while_it_lies_down_is_recovered_then_it_lies_down_after_all():
    rig = Trotting()
    rig.supervisor.senses.temperatures = np.full(12, 90.0)
    rig.until(Mode.STAND, 2.0)
    rig.run(0.3)
    rig.run(0.1, tilt_deg=30)
    assert rig.mode is Mode.RECOVERY
    rig.until(Mode.DAMPING, 20.0)
    assert "lay down, since the motor of" in rig.told.reason


def test_the_stronger_reaction_wins_over_one_that_acts_already():
    rig = Trotting()
    rig.supervisor.senses.estimate = estimate_at(0)
    rig.run(0.1)
    assert rig.mode is Mode.STAND
    rig.run(0.02, tilt_deg=40)
    assert rig.mode is Mode.RECOVERY and rig.told.guard == "tilt"
    for _ in range(30):
        rig.step(gyro=np.full(3, 30.0))
    assert rig.mode is Mode.DAMPING and rig.told.guard == "imu range"


def test_a_note_changes_nothing_but_what_is_told():
    rig = Trotting()
    before = rig.supervisor.revision
    rig.supervisor.panel.tell("learner", Verdict(Reaction.NOTE, "silent for 5 s", "learner"))
    rig.run(0.1)
    assert rig.mode is Mode.POLICY and rig.told.tripped == ("learner",)
    assert rig.supervisor.revision == before + 1


def test_a_harmful_adapter_is_held_and_named_until_the_base_acts():
    rig = Trotting()
    rig.supervisor.senses.adapter = 4
    rig.run(0.1)
    for _ in range(CONFIG.guards.adapter.overrides):
        rig.until(Mode.POLICY, 10.0)
        rig.run(0.05, tilt_deg=30)
        assert rig.mode is Mode.RECOVERY
    rig.until(Mode.STAND, 10.0)
    assert rig.told.distrusted == 4 and "adapter" in rig.told.tripped
    rig.run(3.0)
    assert rig.mode is Mode.STAND
    rig.supervisor.senses.adapter = 0
    rig.until(Mode.POLICY, 2.0)


def test_wild_targets_are_limited_at_once_and_held_soon():
    rig = Trotting()
    rig.targets = False
    for i in range(40):
        rig.step()
        if rig.stamp_ns % STEP_NS == 0:
            sign = 1 if i // 4 % 2 else -1
            rig.supervisor.on_target(target_at(rig.stamp_ns, ROBOT.stand_pose + sign))
    assert rig.mode is Mode.STAND and rig.told.guard == "target jump" and rig.told.limited > 0


def test_reset_lets_go_of_everything_but_what_is_still_there():
    rig = Trotting()
    rig.run(0.2, q=np.full(12, 6.0))
    assert rig.mode is Mode.DAMPING
    rig.supervisor.request("reset")
    rig.run(0.1)
    assert rig.mode is Mode.PASSIVE and rig.told.tripped == ()


def test_verdicts_reach_the_robot_with_the_very_state_that_shows_them():
    rig = Trotting()
    rig.step()
    stamp_ns = rig.stamp_ns + 2 * NS_PER_S
    rig.stamp_ns = stamp_ns
    command = rig.step()
    assert command.gains == "damping" and command.stamp_ns == rig.stamp_ns
    assert replace(rig.told, limited=0).since_ns == rig.stamp_ns


@pytest.mark.parametrize("stall_ms", [60, 85, 245])
def test_after_a_short_stall_the_robot_stands_and_the_policy_goes_on_by_itself(stall_ms):
    rig = Trotting()
    rig.stamp_ns += stall_ms * 1_000_000
    assert rig.step().gains == "stand" and rig.mode is Mode.STAND
    assert rig.told.guard == "state gap" and "of states are missing" in rig.told.reason
    rig.until(Mode.POLICY, 2.0)
    assert rig.told.tripped == () and rig.told.overrides == rig.told.falls == 0


def test_a_long_stall_is_recoverys_and_the_policy_goes_on_by_itself():
    rig = Trotting()
    rig.stamp_ns += 400_000_000
    rig.step()
    assert rig.mode is Mode.RECOVERY and rig.told.guard == "long state gap"
    rig.until(Mode.POLICY, 8.0)


def test_a_person_arms_again_after_a_stall():
    rig = Trotting(autostart=False)
    rig.stamp_ns += 80_000_000
    rig.run(3.0)
    assert rig.mode is Mode.STAND and rig.supervisor.request("arm")[0]


def test_a_clock_that_leaps_again_and_again_leaves_a_standing_robot():
    rig = Trotting()
    for _ in range(20):
        rig.stamp_ns += 80_000_000
        rig.run(0.4)
        assert rig.mode is Mode.STAND


def test_a_silent_robot_is_damped_meanwhile_and_stands_when_it_is_back():
    rig = Trotting()
    command = rig.supervisor.silence(Verdict(Reaction.HOLD, "no state for 0.05 s", "state silence"))
    assert command.gains == "damping" and command.stamp_ns == rig.stamp_ns
    assert rig.mode is Mode.STAND and rig.told.guard == "state silence"
    seen_again = rig.supervisor.on_state(rig.supervisor.recent()[-1].state)
    assert seen_again is command, "a clock that stands still brings no other command"
    rig.stamp_ns += 120_000_000
    assert rig.step().gains == "stand"
    rig.until(Mode.POLICY, 2.0)


def test_silence_before_the_first_state_says_nothing():
    supervisor = Rig().supervisor
    assert supervisor.silence(Verdict(Reaction.DAMPING, "no state", "lasting state silence")) is None


@pytest.mark.parametrize("wait_s", [0.0, 2.0])
def test_a_robot_that_was_silent_for_long_stays_damped(wait_s):
    rig = Trotting()
    rig.supervisor.silence(Verdict(Reaction.HOLD, "no state for 0.05 s", "state silence"))
    rig.supervisor.silence(Verdict(Reaction.DAMPING, "no state for 0.5 s", "lasting state silence"))
    rig.stamp_ns += 100_000_000
    rig.run(wait_s + 0.1)
    assert rig.mode is Mode.DAMPING and rig.command.gains == "damping"
