"""The estimator when things go wrong around it: carried off, blind, after a gap, fed with nonsense."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from ros2_rl.estimation import Estimator, EstimatorParams
from ros2_rl.estimation.kinematics import FootKinematics
from ros2_rl.robots import BaseEstimate, RobotState, load_robot

ROBOT = load_robot("go2")
KINEMATICS = FootKinematics(ROBOT)
KINEMATICS.update(ROBOT.stand_pose)
JACOBIANS = KINEMATICS.jacobians(KINEMATICS.positions)
STATE_NS = 5_000_000
LEVEL, UP = np.array((1.0, 0.0, 0.0, 0.0)), np.array((0.0, 0.0, 1.0))
LOADED, FREE = np.full(4, 40.0), np.zeros(4)
PINNED = EstimatorParams(rolling=0.0)


def moving(i: int, speed: float = 0.0, force: np.ndarray = LOADED, bias: float = 0.0) -> RobotState:
    """Sample ``i`` of a base that goes forward over feet that are pinned to the ground."""
    dq = -np.einsum("fjk,k->j", np.linalg.pinv(JACOBIANS), np.array((speed, 0.0, 0.0)))
    trembling = force + 0.01 * (i % 2)  # no two samples of a live sensor are the same
    accel = 9.81 * UP + bias
    return RobotState(
        (i + 1) * STATE_NS, ROBOT.stand_pose, dq, np.zeros(12), LEVEL, np.zeros(3), accel, trembling
    )


def run(estimator: Estimator, samples: range, **motion) -> BaseEstimate:
    for i in samples:
        estimate = estimator.update(moving(i, **motion))
        assert estimator.fault is None
    return estimate


@pytest.mark.parametrize("bias", [0.05, -0.3])
def test_a_robot_that_is_carried_does_not_run_away(bias):
    estimator = Estimator(ROBOT, PINNED)
    before = run(estimator, range(200), speed=0.5)
    lifted = run(estimator, range(200, 1800), force=FREE, bias=bias)
    assert np.abs(lifted.lin_vel).max() < 0.02
    assert np.linalg.norm(lifted.position - before.position) < 0.8
    assert (np.diag(lifted.lin_vel_cov) > 100 * np.diag(before.lin_vel_cov)).all()
    down = run(estimator, range(1800, 1900), speed=-0.3)
    np.testing.assert_allclose(down.lin_vel, (-0.3, 0.0, 0.0), atol=0.05)


@pytest.mark.parametrize("broken", [np.full(4, np.nan), np.full(4, np.inf), np.full(3, 40.0)])
def test_forces_that_cannot_be_used_give_way_to_torques(broken):
    estimator = Estimator(ROBOT, PINNED)
    torques = -40.0 * JACOBIANS[:, 2].sum(axis=0)
    pressed = estimator.update(replace(moving(0), foot_force=broken, tau=torques))
    assert (pressed.contacts > 0.9).all() and estimator.degraded is not None
    assert (estimator.update(replace(moving(1), foot_force=broken)).contacts < 0.1).all()


@pytest.mark.parametrize("tau", [np.full(12, np.nan), np.full(12, 1e300)])
def test_with_neither_forces_nor_torques_no_foot_is_trusted(tau):
    estimator = Estimator(ROBOT)
    estimate = estimator.update(replace(moving(0), foot_force=np.zeros(0), tau=tau))
    assert (estimate.contacts < 0.1).all()


def test_after_a_gap_in_the_states_the_speed_is_unknown():
    estimator = Estimator(ROBOT, PINNED)
    before = run(estimator, range(100), speed=0.5)
    var = estimator.pose_cov[0, 0]
    after = run(estimator, range(400, 401), speed=-0.5)
    assert after.lin_vel[0] < -0.3
    assert after.position[0] == pytest.approx(before.position[0], abs=0.01)
    assert estimator.pose_cov[0, 0] > var


samples = st.builds(
    RobotState,
    stamp_ns=st.integers(0, 10**10),
    q=arrays(float, 12, elements=st.floats(-1e4, 1e4)),
    dq=arrays(float, 12, elements=st.floats(-1e4, 1e4)),
    tau=arrays(float, 12, elements=st.floats(-1e4, 1e4)),
    quat=arrays(float, 4, elements=st.floats(-1.0, 1.0)),
    gyro=arrays(float, 3, elements=st.floats(-100.0, 100.0)),
    accel=arrays(float, 3, elements=st.floats(-1e3, 1e3)),
    foot_force=arrays(float, 4, elements=st.floats(-1e6, 1e6)),
)


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.data_too_large])
@given(states=st.lists(samples, min_size=1, max_size=5), ordered=st.booleans())
def test_it_stays_finite_whatever_finite_samples_come(states, ordered):
    estimator = Estimator(ROBOT)
    for i, state in enumerate(states):
        length = np.linalg.norm(state.quat)
        state.quat = LEVEL if length < 0.1 else state.quat / length
        state.stamp_ns = (i + 1) * STATE_NS if ordered else state.stamp_ns
        estimate = estimator.update(state)
    values = (estimate.position, estimate.quat, estimate.lin_vel, estimate.contacts, estimate.lin_vel_cov)
    assert all(np.isfinite(value).all() for value in values)
    assert (np.diag(estimate.lin_vel_cov) > 0).all()
    assert ((estimate.contacts >= 0) & (estimate.contacts <= 1)).all()
