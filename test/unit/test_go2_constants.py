"""The compiled Go2 against the figures that Unitree publishes."""

import numpy as np
import pytest

from ros2_rl.robots import JointCommand, load_robot
from ros2_rl.sim.model import FLOOR, build_model
from ros2_rl.sim.perturbations import Perturbations
from ros2_rl.sim.plant import Plant

ROBOT = load_robot("go2")
MODEL = build_model(ROBOT)
LEGS = ("FL", "FR", "RL", "RR")


def test_total_mass():
    assert MODEL.body_mass.sum() == pytest.approx(15.206, rel=0.01)


@pytest.mark.parametrize("leg", LEGS)
def test_link_lengths_and_where_the_hips_are(leg):
    front, left = (1 if leg[0] == "F" else -1), (1 if leg[1] == "L" else -1)
    np.testing.assert_allclose(MODEL.body(f"{leg}_hip").pos, (0.1934 * front, 0.0465 * left, 0))
    np.testing.assert_allclose(MODEL.body(f"{leg}_thigh").pos, (0, 0.0955 * left, 0))
    np.testing.assert_allclose(MODEL.body(f"{leg}_calf").pos, (0, 0, -0.213))
    np.testing.assert_allclose(MODEL.body(f"{leg}_foot").pos, (0, 0, -0.213), atol=0.003)
    assert MODEL.geom(f"{leg}_foot").size[0] == pytest.approx(0.022)


def test_torque_limits():
    expected = np.tile([23.7, 23.7, 45.43], 4)
    np.testing.assert_allclose(ROBOT.tau_max, expected)
    np.testing.assert_allclose(MODEL.actuator_forcerange, np.stack((-expected, expected), axis=1))


@pytest.mark.parametrize("leg", LEGS)
def test_joint_limits(leg):
    thigh = (-1.5708, 3.4907) if leg[0] == "F" else (-0.5236, 4.5379)
    for joint, limits in (("hip", (-1.0472, 1.0472)), ("thigh", thigh), ("calf", (-2.7227, -0.83776))):
        np.testing.assert_allclose(MODEL.joint(f"{leg}_{joint}_joint").range, limits, atol=1e-4)


def test_rotor_inertia_and_losses_of_the_drives():
    np.testing.assert_allclose(MODEL.dof_armature[6:], 0.01)
    np.testing.assert_allclose(MODEL.dof_frictionloss[6:], 0.2)
    damping = MODEL.dof_damping.reshape(MODEL.nv, -1)[:, 0]
    np.testing.assert_allclose(damping, [0.0] * 6 + [0.1] * 12)


def test_names_and_order():
    assert [MODEL.actuator(i).name for i in range(MODEL.nu)] == list(ROBOT.joints)
    assert [MODEL.joint(i + 1).name for i in range(MODEL.nu)] == list(ROBOT.joints)
    assert MODEL.geom(FLOOR).name == FLOOR and MODEL.joint(0).name == "base"


def test_the_robot_is_symmetric_about_its_middle():
    for left, right in (("FL", "FR"), ("RL", "RR")):
        for link in ("hip", "thigh", "calf"):
            a, b = MODEL.body(f"{left}_{link}"), MODEL.body(f"{right}_{link}")
            assert a.mass == pytest.approx(b.mass)
            np.testing.assert_allclose(a.ipos * (1, -1, 1), b.ipos, atol=1e-6)


def test_standing_height_with_the_gains_for_standing():
    plant, zero = Plant(ROBOT, Perturbations()), np.zeros(12)
    for i in range(400):
        q = ROBOT.fold_pose + min(i / 200, 1.0) * (ROBOT.stand_pose - ROBOT.fold_pose)
        plant.apply(JointCommand(plant.stamp_ns, q, zero, zero, "stand"))
        plant.advance()
    truth = plant.truth()
    assert truth.position[2] == pytest.approx(0.27, abs=0.02)
    assert truth.position[2] == pytest.approx(ROBOT.stand_height, abs=0.02)
    assert truth.contacts.all() and np.abs(truth.lin_vel).max() < 0.02
