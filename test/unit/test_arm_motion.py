"""The arm's plant, its inverse kinematics, its actions, and what it feels."""

import numpy as np
import pytest
from arm_rig import HIGH, LOW, ROBOT, ZERO, target
from hypothesis import given, settings
from hypothesis import strategies as st

from ros2_rl.errors import ConfigError
from ros2_rl.manipulation.contact import ContactObserver
from ros2_rl.manipulation.ik import DampedIk
from ros2_rl.manipulation.kinematics import ToolKinematics
from ros2_rl.manipulation.task import load_arm_task
from ros2_rl.manipulation.tool_control import LEASH_M, ToolControl
from ros2_rl.robots import RobotState
from ros2_rl.sim.arm_plant import ArmPlant
from ros2_rl.sim.perturbations import Perturbations
from ros2_rl.tasks import load_task

DT = 0.02
seeds = st.integers(0, 2**32 - 1)


def upright() -> tuple[DampedIk, np.ndarray]:
    ik = DampedIk(ROBOT)
    ik.kinematics.update(ROBOT.stand_pose)
    return ik, ik.kinematics.rotation


def still(q: np.ndarray, stamp_ns: int = 0) -> RobotState:
    level = np.array((1.0, 0, 0, 0))
    return RobotState(stamp_ns, q, ZERO, ZERO, level, np.zeros(3), np.array((0, 0, 9.81)))


def test_the_jacobian_is_that_of_the_kinematics():
    kinematics, q, eps = ToolKinematics(ROBOT), np.array(ROBOT.stand_pose) + 0.1, 1e-6
    kinematics.update(q)
    jacobian, place, turn = kinematics.jacobian(), kinematics.position, kinematics.rotation
    for joint in range(7):
        moved = q.copy()
        moved[joint] += eps
        kinematics.update(moved)
        np.testing.assert_allclose((kinematics.position - place) / eps, jacobian[:3, joint], atol=1e-5)
        skew = (kinematics.rotation @ turn.T - np.eye(3)) / eps
        np.testing.assert_allclose((skew[2, 1], skew[0, 2], skew[1, 0]), jacobian[3:, joint], atol=1e-5)


@settings(max_examples=10, deadline=None)
@given(st.tuples(*(st.floats(low, high) for low, high in zip(LOW, HIGH, strict=True))))
def test_every_place_of_the_box_is_reached_pointing_down(place):
    ik, rotation = upright()
    q = np.array(ROBOT.stand_pose)
    for _ in range(120):
        q = ik.step(q, np.array(place), rotation, DT)
    ik.kinematics.update(q)
    np.testing.assert_allclose(ik.kinematics.position, place, atol=1e-3)
    np.testing.assert_allclose(ik.kinematics.rotation, rotation, atol=5e-3)


@settings(max_examples=20, deadline=None)
@given(seeds)
def test_steps_are_bounded_wherever_the_arm_is_and_whatever_is_asked_for(seed):
    """Out of reach, beyond limits, through singularities: stretched out, and wrist over shoulder."""
    rng = np.random.default_rng(seed)
    ik, rotation = upright()
    q = rng.uniform(ROBOT.q_lower, ROBOT.q_upper)
    if seed % 3 == 0:
        q = np.clip(np.zeros(7), ROBOT.q_lower, ROBOT.q_upper)
    place = rng.uniform(-2, 2, 3)
    for _ in range(15):
        after = ik.step(q, place, rotation, DT)
        assert np.isfinite(after).all()
        assert (np.abs(after - q) <= ROBOT.dq_max * DT * 0.1501).all()
        assert (after >= np.minimum(q, ROBOT.q_lower)).all() and (after <= np.maximum(q, ROBOT.q_upper)).all()
        q = after


def test_an_action_moves_the_tool_by_its_share_of_the_reach():
    task = load_arm_task("reach")
    control = ToolControl(ROBOT, task, LOW, HIGH, DT)
    before = control.reference
    control.act(np.array((1.0, -0.5, 0.0)), still(ROBOT.stand_pose))
    for _ in range(5):
        control.tick(still(ROBOT.stand_pose))
    np.testing.assert_allclose(control.reference - before, (task.reach, -0.5 * task.reach, 0), atol=1e-9)


def test_an_arm_that_does_not_follow_is_not_led_farther_than_the_leash():
    control = ToolControl(ROBOT, load_arm_task("reach"), LOW, HIGH, DT)
    before = control.reference
    for _ in range(10):
        control.act(np.array((1.0, 0.0, -7.0)), still(ROBOT.stand_pose))
        for _ in range(5):
            control.tick(still(ROBOT.stand_pose))
    np.testing.assert_allclose(control.reference - before, (LEASH_M, 0, -LEASH_M), atol=1e-9)


def test_the_same_seed_gives_the_same_arm_and_the_same_tables():
    def run(seed: int) -> list[np.ndarray]:
        plant = ArmPlant(ROBOT, load_arm_task("push"), seed=seed)
        seen = []
        for i in range(40):
            plant.apply(target(plant.stamp_ns, ROBOT.stand_pose + 0.02 * np.sin(i)))
            plant.advance()
            seen += [plant.state().q, plant.state().tau, plant.seen().goal, plant.seen().object]
        plant.lay_out(3)
        return [*seen, plant.truth().goal, plant.truth().object]

    first, again, other = run(1), run(1), run(2)
    assert all(np.array_equal(a, b) for a, b in zip(first, again, strict=True))
    assert not any(np.array_equal(a, b) for a, b in zip(first[3::4], other[3::4], strict=True))


def test_a_table_is_laid_out_at_its_stamp():
    plant = ArmPlant(ROBOT, load_arm_task("peg"))
    first, q = plant.truth().goal, plant.state().q
    plant.lay_out_at(1, 20_000_000)
    plant.advance()
    assert np.array_equal(plant.truth().goal, first)
    for _ in range(3):
        plant.advance()
    assert not np.array_equal(plant.truth().goal, first)
    np.testing.assert_allclose(plant.state().q, q, atol=0.001)
    block = plant.data.mocap_pos[0]
    np.testing.assert_allclose(block[:2], plant.truth().goal[:2])


def test_without_commands_the_joints_brake_and_the_arm_stays():
    plant = ArmPlant(ROBOT, load_arm_task("reach"))
    for _ in range(100):
        plant.advance()
    np.testing.assert_allclose(plant.state().q, ROBOT.stand_pose, atol=0.002)
    plant.apply(target(plant.stamp_ns, ROBOT.stand_pose))
    for _ in range(30):
        plant.advance()
    assert plant.drives.timeouts == 1 and plant.drives.damped


def test_a_force_on_the_tool_is_felt_and_a_free_motion_is_not():
    plant, observer = ArmPlant(ROBOT, load_arm_task("reach")), ContactObserver(ROBOT)
    felt = []
    for i in range(300):
        plant.data.body("peg").xfrc_applied[:3] = (0, 0, 20.0) if i >= 200 else 0.0
        q = ROBOT.stand_pose + 0.05 * np.sin(plant.stamp_ns / 1e9 * 2.0) * np.array((1, 1, 0, 0, 0, 0, 0))
        plant.apply(target(plant.stamp_ns, q))
        plant.advance()
        observer.update(plant.state())
        felt.append(observer.force)
    assert np.linalg.norm(felt[100:200], axis=1).max() < 8.0
    np.testing.assert_allclose(np.mean(felt[-40:], axis=0), (0, 0, 20.0), atol=5.0)


def test_a_payload_and_a_delay_are_those_of_the_arm():
    heavy = Perturbations(payload_kg=2.0, payload_offset=(0, 0, 0), actuation_delay_ms=20.0)
    plant = ArmPlant(ROBOT, None, heavy)
    assert plant.model.body("peg").mass[0] == pytest.approx(2.085)
    before = plant.data.qvel.copy()
    plant.apply(target(plant.stamp_ns, ROBOT.stand_pose + 0.1))
    for _ in range(3):
        plant.advance()
    assert np.abs(plant.data.qvel[0] - before[0]) < 1e-6
    plant.advance()
    plant.advance()
    assert abs(plant.data.qvel[0]) > 1e-3


def test_a_task_of_the_other_kind_of_robot_is_named():
    with pytest.raises(ConfigError, match="'peg' is one of the robot arm"):
        load_task("peg")
    with pytest.raises(ConfigError, match="'trot' is one of a robot with legs"):
        load_arm_task("trot")
    with pytest.raises(ConfigError, match="no task 'fold'"):
        load_arm_task("fold")
