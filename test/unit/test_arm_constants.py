"""The compiled arm against the figures that Franka publishes for the FR3."""

import mujoco
import numpy as np
import pytest

from ros2_rl.errors import ConfigError
from ros2_rl.manipulation.kinematics import ToolKinematics
from ros2_rl.robots import load_robot
from ros2_rl.robots.description import _per_joint
from ros2_rl.sim.arm_scene import build_arm_model
from ros2_rl.sim.model import FRICTION

ROBOT = load_robot("arm")
MODEL = build_arm_model(ROBOT, None, 0.0025)
# Modified Denavit-Hartenberg parameters a (m), d (m), alpha (rad) of joints 1 to 7.
DH = (
    (0.0, 0.333, 0.0), (0.0, 0.0, -np.pi / 2), (0.0, 0.316, np.pi / 2), (0.0825, 0.0, np.pi / 2),
    (-0.0825, 0.384, -np.pi / 2), (0.0, 0.0, np.pi / 2), (0.088, 0.0, np.pi / 2),
)  # fmt: skip
FLANGE, TOOL = 0.107, 0.16
READY = np.array((0.0, -np.pi / 4, 0.0, -3 * np.pi / 4, 0.0, np.pi / 2, np.pi / 4))


def dh_transform(a: float, d: float, alpha: float, theta: float) -> np.ndarray:
    """Craig's convention."""
    ca, sa, ct, st = np.cos(alpha), np.sin(alpha), np.cos(theta), np.sin(theta)
    return np.array(
        ((ct, -st, 0, a), (st * ca, ct * ca, -sa, -d * sa), (st * sa, ct * sa, ca, d * ca), (0, 0, 0, 1))
    )


def test_joint_limits():
    np.testing.assert_allclose(ROBOT.q_lower, (-2.7437, -1.7837, -2.9007, -3.0421, -2.8065, 0.5445, -3.0159))
    np.testing.assert_allclose(ROBOT.q_upper, (2.7437, 1.7837, 2.9007, -0.1518, 2.8065, 4.5169, 3.0159))
    np.testing.assert_allclose(ROBOT.dq_max, (2.62, 2.62, 2.62, 2.62, 5.26, 4.18, 5.26))
    np.testing.assert_allclose(ROBOT.tau_max, (87, 87, 87, 87, 12, 12, 12))
    np.testing.assert_allclose(MODEL.actuator_forcerange[:, 1], ROBOT.tau_max)
    np.testing.assert_allclose(MODEL.jnt_range, np.stack((ROBOT.q_lower, ROBOT.q_upper), axis=1))


def test_masses():
    arm = [MODEL.body(f"fr3_link{i}").mass[0] for i in range(8)]
    published = (2.3966, 2.92747, 2.93554, 2.24490, 2.61560, 2.32712, 1.81704, 0.62714)
    np.testing.assert_allclose(arm, published, rtol=1e-4)
    assert MODEL.body_mass.sum() == pytest.approx(sum(published) + 0.485, rel=1e-4)


def test_inertias_are_those_of_bodies():
    """The greatest principal moment is below the sum of the others."""
    moments = np.sort(MODEL.body_inertia[MODEL.body_mass > 0], axis=1)
    assert (moments[:, 0] > 0).all() and (moments[:, 2] < moments[:, 0] + moments[:, 1]).all()
    np.testing.assert_allclose(MODEL.body("fr3_link2").inertia, (0.062957, 0.041192, 0.024637), rtol=1e-3)


@pytest.mark.parametrize("seed", range(5))
def test_the_tool_is_where_the_published_parameters_put_it(seed):
    q = np.random.default_rng(seed).uniform(ROBOT.q_lower, ROBOT.q_upper)
    place = np.eye(4)
    for (a, d, alpha), theta in zip(DH, q, strict=True):
        place = place @ dh_transform(a, d, alpha, theta)
    expected = place @ (0, 0, FLANGE + TOOL, 1)
    kinematics, data = ToolKinematics(ROBOT), mujoco.MjData(MODEL)
    kinematics.update(q)
    np.testing.assert_allclose(kinematics.position, expected[:3], atol=1e-9)
    np.testing.assert_allclose(kinematics.rotation, place[:3, :3], atol=1e-9)
    data.qpos[:] = q
    mujoco.mj_kinematics(MODEL, data)
    np.testing.assert_allclose(data.body("peg").xpos, expected[:3], atol=1e-6)


def test_the_flange_in_franka_s_ready_pose():
    data = mujoco.MjData(MODEL)
    data.qpos[:] = READY
    mujoco.mj_kinematics(MODEL, data)
    np.testing.assert_allclose(data.body("fr3_link8").xpos, (0.30689, 0.0, 0.59028), atol=1e-5)


def test_the_arm_stands_fast_and_has_no_imu_or_feet():
    assert not ROBOT.floating and ROBOT.imu_link == "" and ROBOT.feet == () and ROBOT.tool == "peg"
    assert MODEL.nq == MODEL.nv == MODEL.nu == 7
    assert [MODEL.actuator(i).name for i in range(7)] == list(ROBOT.joints)


def test_the_peg_is_two_millimetres_thinner_than_the_hole():
    from ros2_rl.sim.arm_scene import HOLE_RADIUS

    peg = [i for i in range(MODEL.ngeom) if MODEL.geom_bodyid[i] == MODEL.body("peg").id]
    assert 2 * (HOLE_RADIUS - MODEL.geom_size[peg[0], 0]) == pytest.approx(0.002)
    assert FRICTION > 0


def test_values_that_do_not_fit_the_joints_are_refused():
    with pytest.raises(ConfigError, match="3 values do not fit 7 joints"):
        _per_joint([1.0, 2.0, 3.0], ROBOT.joints)
