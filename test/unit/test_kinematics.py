"""Foot kinematics against finite differences, MuJoCo and statics."""

from dataclasses import replace

import mujoco
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from ros2_rl.errors import ConfigError
from ros2_rl.estimation.kinematics import FootKinematics
from ros2_rl.robots import load_robot
from ros2_rl.sim.model import build_model

ROBOT = load_robot("go2")
MODEL = build_model(ROBOT)
EPS = 1e-6

# Shares of the joint ranges, so that every configuration is one that the robot can take.
shares = arrays(float, 12, elements=st.floats(0.02, 0.98))
rates = arrays(float, 12, elements=st.floats(-10.0, 10.0))


def configuration(share: np.ndarray) -> np.ndarray:
    return ROBOT.q_lower + share * (ROBOT.q_upper - ROBOT.q_lower)


def positions(q: np.ndarray, kinematics: FootKinematics) -> np.ndarray:
    kinematics.update(q)
    return kinematics.positions.copy()


@pytest.fixture(scope="module")
def kinematics() -> FootKinematics:
    return FootKinematics(ROBOT)


@settings(max_examples=60, deadline=None)
@given(share=shares, dq=rates)
def test_jacobians_are_the_derivatives_of_the_positions(kinematics, share, dq):
    q = configuration(share)
    forward, backward = (positions(q + sign * EPS * dq, kinematics) for sign in (1.0, -1.0))
    here = positions(q, kinematics)
    np.testing.assert_allclose(
        kinematics.jacobians(here) @ dq, (forward - backward) / (2 * EPS), atol=1e-6 * (1 + np.abs(dq).max())
    )


@settings(max_examples=30, deadline=None)
@given(share=shares)
def test_feet_are_where_the_simulated_robot_has_them(kinematics, share):
    q = configuration(share)
    data = mujoco.MjData(MODEL)
    data.qpos[2], data.qpos[3], data.qpos[7:] = 1.0, 1.0, q
    mujoco.mj_kinematics(MODEL, data)
    base = data.body(ROBOT.base_link).xpos
    expected = [data.body(foot).xpos - base for foot in ROBOT.feet]
    np.testing.assert_allclose(positions(q, kinematics), expected, atol=1e-9)


@settings(max_examples=30, deadline=None)
@given(share=shares, offset=arrays(float, (4, 3), elements=st.floats(-0.1, 0.1)))
def test_points_beside_the_foot_turn_with_its_link(kinematics, share, offset):
    """The distance of two points of a rigid link does not change: (p - r) . (v_p - v_r) = 0."""
    here = positions(configuration(share), kinematics)
    relative = kinematics.jacobians(here + offset) - kinematics.jacobians(here)
    np.testing.assert_allclose(np.einsum("fi,fij->fj", offset, relative), 0.0, atol=1e-12)


def test_a_foot_is_moved_by_its_own_leg_alone(kinematics):
    here = positions(ROBOT.default_pose, kinematics)
    moved = np.abs(kinematics.jacobians(here)).sum(axis=1).reshape(4, 4, 3)
    own = np.eye(4, dtype=bool)
    assert (moved[own] > 0.01).all()
    assert not moved[~own].any()


@settings(max_examples=60, deadline=None)
@given(
    share=arrays(float, 12, elements=st.floats(0.3, 0.7)),
    force=arrays(float, (4, 3), elements=st.floats(-200.0, 200.0)),
)
def test_forces_are_those_that_the_torques_balance(kinematics, share, force):
    """tau = -J^T F in statics, so the way there and back leaves the force, but for the damping."""
    kinematics.update(configuration(share))
    jacobians = kinematics.jacobians(kinematics.positions)
    tau = -np.einsum("fij,fi->j", jacobians, force)
    smallest = np.linalg.eigvalsh(jacobians @ jacobians.transpose(0, 2, 1))[:, 0]
    tolerance = 1e-6 + (1e-4 / smallest)[:, None] * np.linalg.norm(force, axis=1, keepdims=True) * 1.01
    assert (np.abs(kinematics.forces(tau) - force) <= tolerance).all()


def test_the_order_of_the_joints_is_that_of_the_robot(kinematics):
    """A robot that lists its joints backwards has the same feet."""
    backwards = FootKinematics(replace(ROBOT, joints=ROBOT.joints[::-1]))
    q = configuration(np.linspace(0.2, 0.8, 12))
    np.testing.assert_allclose(positions(q[::-1], backwards), positions(q, kinematics), atol=1e-12)
    here = positions(q, kinematics)
    np.testing.assert_allclose(backwards.jacobians(here)[..., ::-1], kinematics.jacobians(here), atol=1e-12)


def test_the_imu_is_where_the_urdf_mounts_it(kinematics):
    data = mujoco.MjData(MODEL)
    mujoco.mj_kinematics(MODEL, data)
    expected = data.body(ROBOT.imu_link).xpos - data.body(ROBOT.base_link).xpos
    np.testing.assert_allclose(kinematics.imu_position, expected, atol=1e-9)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"feet": ("FL_foot", "FR_foot", "RL_foot", "tail")}, "tail"),
        ({"joints": (*ROBOT.joints[:-1], "tail_joint")}, "tail_joint"),
        ({"imu_link": "FL_calf"}, "FL_calf"),
        ({"imu_link": "head"}, "head"),
    ],
)
def test_a_urdf_that_does_not_fit_is_told_by_name(change, sentence):
    with pytest.raises(ConfigError, match=sentence):
        FootKinematics(replace(ROBOT, **change))
