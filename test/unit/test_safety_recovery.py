"""Recovery: the attempts, the learned policy's steps, the scripted ones' poses."""

import itertools
import math

import numpy as np
import pytest
from safety_rig import CONFIG, ROBOT, STATE_NS, STEP_NS, Rig, rolled, state_at

from ros2_rl.errors import ContractError
from ros2_rl.policy.contract import Contract
from ros2_rl.policy.mlp import Layer
from ros2_rl.policy.onnx_policy import write_policy
from ros2_rl.robots import NS_PER_S
from ros2_rl.safety.guards import Sample
from ros2_rl.safety.learned import load_recovery
from ros2_rl.safety.modes import Mode
from ros2_rl.safety.recovery import RecoveryController

OBSERVATIONS = ("base_ang_vel", "projected_gravity", "joint_pos", "joint_vel", "actions")


class Puppet:
    """A policy that notes when it is asked, and asks for a known pose."""

    step_ns = STEP_NS

    def __init__(self):
        self.asked, self.resets = [], 0

    def reset(self):
        self.resets += 1

    def targets(self, state):
        self.asked.append(state.stamp_ns)
        return np.full(12, 0.01 * len(self.asked))


class Drive:
    """Asks a controller state by state."""

    def __init__(self, policy):
        self.stamp_ns = 1_003 * STATE_NS
        self.controller = RecoveryController(ROBOT, CONFIG, policy)
        self.controller.start(state_at(self.stamp_ns))

    def run(self, seconds, tilt_deg=0.0, calm_s=0.0):
        for _ in range(round(seconds * NS_PER_S / STATE_NS)):
            sample = Sample(state_at(self.stamp_ns, tilt_deg), math.radians(tilt_deg), 0.0, 0.0)
            command = self.controller.command(sample, calm_s)
            self.stamp_ns += STATE_NS
        return command


def recovery_file(folder, **changes):
    rng = np.random.default_rng(0)
    sizes = (42, 8, 12)
    layers = [
        Layer(f"{2 * i}", rng.normal(size=(m, n)).astype(np.float32), np.zeros(m, np.float32))
        for i, (n, m) in enumerate(itertools.pairwise(sizes))
    ]
    gains = ROBOT.gains["recovery"]
    contract = Contract(
        **{
            "joint_names": ROBOT.joints,
            "joint_stiffness": tuple(gains.kp.tolist()),
            "joint_damping": tuple(gains.kd.tolist()),
            "default_joint_pos": tuple(ROBOT.default_pose.tolist()),
            "observation_names": OBSERVATIONS,
            "observation_scales": (0.25, 1.0, 1.0, 0.05, 1.0),
            "action_scale": (0.5,) * 12,
            "action_clip": 3.0,
            "action_type": "position_delta",
            **changes,
        }
    )
    path = folder / "recovery.onnx"
    write_policy(path, layers, "elu", contract)
    return path, layers


def test_the_learned_policy_acts_at_once_and_then_at_every_control_step():
    puppet = Puppet()
    drive = Drive(puppet)
    drive.run(0.1, tilt_deg=40)
    assert puppet.resets == 1
    assert puppet.asked == [1_003 * STATE_NS, *(n * STATE_NS for n in (1004, 1008, 1012, 1016, 1020))]


def test_targets_are_held_between_control_steps_and_for_a_stamp_asked_twice():
    drive = Drive(Puppet())
    q = [drive.run(0.005, tilt_deg=40).q[0] for _ in range(6)]
    assert q == [0.01, 0.02, 0.02, 0.02, 0.02, 0.03]
    drive.stamp_ns -= STATE_NS
    assert drive.run(0.005, tilt_deg=40).q[0] == 0.03


def test_attempts_follow_their_times_and_end_in_failure():
    puppet = Puppet()
    drive = Drive(puppet)
    recovery = CONFIG.recovery
    assert drive.run(recovery.learned_s, tilt_deg=90).gains == "recovery"
    assert drive.run(0.1, tilt_deg=90).gains == "stand"
    assert drive.run(recovery.scripted_s, tilt_deg=90).gains == "recovery"
    assert puppet.resets == 2
    assert recovery.attempts == ("learned", "scripted", "learned", "scripted", "learned")
    drive.run(2 * recovery.learned_s + recovery.scripted_s - 0.2, tilt_deg=90)
    assert not drive.controller.failed
    drive.run(0.4, tilt_deg=90)
    assert drive.controller.failed
    drive.controller.start(state_at(drive.stamp_ns))
    assert not drive.controller.failed


def test_without_a_policy_every_attempt_is_scripted_and_ends_in_the_stand_pose():
    drive = Drive(None)
    assert drive.run(0.1, tilt_deg=90).gains == "stand"
    command = drive.run(CONFIG.stand.fold_s + CONFIG.stand.stand_s)
    np.testing.assert_allclose(command.q, ROBOT.stand_pose)


def test_upright_and_calm_it_settles_by_position_and_gives_back_if_it_tips():
    puppet = Puppet()
    drive = Drive(puppet)
    assert drive.run(0.5, calm_s=CONFIG.recovery.settle_s - 0.1).gains == "recovery"
    assert drive.run(0.5, calm_s=CONFIG.recovery.settle_s + 0.1).gains == "stand"
    assert drive.run(0.5, tilt_deg=20).gains == "stand"
    assert drive.run(0.1, tilt_deg=29).gains == "recovery" and puppet.resets == 2


def test_the_supervisor_goes_through_recovery_with_a_learned_policy():
    puppet = Puppet()
    rig = Rig(policy=puppet).to_policy()
    rig.obedient = False
    rig.run(0.2, tilt_deg=35)
    assert rig.mode is Mode.RECOVERY and rig.command.gains == "recovery" and len(puppet.asked) > 5
    rig.until(Mode.POLICY)
    assert rig.command.gains == "policy"


def test_the_network_sees_scaled_proprioception_and_moves_from_where_the_joints_are(tmp_path):
    path, layers = recovery_file(tmp_path)
    policy = load_recovery(path, ROBOT)
    rng = np.random.default_rng(3)
    last = np.zeros(12)
    for stamp in (0, STEP_NS):
        q, dq, gyro = ROBOT.stand_pose + rng.normal(size=12) * 0.1, rng.normal(size=12), rng.normal(size=3)
        state = state_at(stamp, q=q, dq=dq, gyro=gyro, quat=rolled(90))
        obs = np.concatenate((0.25 * gyro, [0, -1, 0], q - ROBOT.default_pose, 0.05 * dq, last))
        hidden = layers[0].weight @ obs
        hidden = np.where(hidden > 0, hidden, np.expm1(hidden))
        last = np.clip(layers[1].weight @ hidden, -3, 3)
        np.testing.assert_allclose(policy.targets(state), q + 0.5 * last, atol=1e-4)
    policy.reset()
    np.testing.assert_array_equal(policy._action, 0)


@pytest.mark.parametrize(
    "changes, sentence",
    [
        (
            {
                "observation_names": (*OBSERVATIONS[2:], "velocity_commands", "base_lin_vel"),
                "observation_scales": (),
            },
            "wants to see base_lin_vel, velocity_commands",
        ),
        ({"joint_stiffness": (7.0,) * 12}, "trained with joint_stiffness"),
        ({"joint_names": tuple(f"j{i}" for i in range(12))}, "does not have"),
    ],
)
def test_a_policy_that_is_no_recovery_policy_of_the_robot_is_refused(tmp_path, changes, sentence):
    path, _ = recovery_file(tmp_path, **changes)
    with pytest.raises(ContractError, match=sentence):
        load_recovery(path, ROBOT)


def test_no_file_means_no_learned_policy(tmp_path):
    assert load_recovery(tmp_path / "recovery.onnx", ROBOT) is None


def on_its_back(drive, seconds, tilt_deg=175.0):
    """Commands of a robot that stays on its back."""
    return [drive.run(STATE_NS / NS_PER_S, tilt_deg) for _ in range(round(seconds * NS_PER_S / STATE_NS))]


def test_a_robot_on_its_back_is_rolled_over_before_the_policy_is_asked():
    policy = Puppet()
    drive = Drive(policy)
    length = sum(seconds for _, seconds in ROBOT.roll_over) + 0.5
    commands = on_its_back(drive, length - 0.02)
    assert not policy.asked
    assert {c.gains for c in commands} == {"recovery"}
    reached = [min(np.abs(c.q - pose).max() for c in commands) for pose, _ in ROBOT.roll_over]
    assert max(reached) < 0.05
    drive.run(0.1, tilt_deg=45.0)
    assert policy.asked


def test_the_next_roll_waits_for_what_the_policy_makes_of_the_last():
    policy = Puppet()
    drive = Drive(policy)
    length = sum(seconds for _, seconds in ROBOT.roll_over) + 0.5
    on_its_back(drive, length + 0.1)
    asked = len(policy.asked)
    on_its_back(drive, CONFIG.recovery.roll_pause_s - 0.2)
    assert len(policy.asked) > asked
    asked = len(policy.asked)
    on_its_back(drive, 1.0)
    assert len(policy.asked) <= asked + 10


def test_a_robot_on_its_side_is_left_to_the_policy():
    policy = Puppet()
    Drive(policy).run(0.1, tilt_deg=95.0)
    assert policy.asked
