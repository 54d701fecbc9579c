"""The filter of the base: its linearisation by finite differences, its answers by hand and over time."""

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from ros2_rl.estimation.feet import FootVelocity
from ros2_rl.estimation.filter import ACCEL, GRAVITY, GYRO, SIZE, TURN, VELOCITY, BaseFilter
from ros2_rl.estimation.params import EstimatorParams
from ros2_rl.estimation.rotation import Quat, rotation_matrix, turn_between, turned

DT = 0.005
LEVEL: Quat = (1.0, 0.0, 0.0, 0.0)
UP = np.array((0.0, 0.0, 1.0))
STILL = np.concatenate((np.zeros(3), GRAVITY * UP))
SILENT = replace(
    EstimatorParams(), gyro_noise=1e-5, accel_noise=1e-4, gyro_bias_noise=0.0, accel_bias_noise=0.0
)
unit = arrays(float, 3, elements=st.floats(-1.0, 1.0))


def feet(filter_: BaseFilter, velocity: np.ndarray, var: float = 0.01, arm: np.ndarray | None = None):
    """Feet that show a velocity of the IMU."""
    return FootVelocity(
        velocity - filter_.velocity, np.full(3, var), np.zeros((3, 3)) if arm is None else arm
    )


def set_up(turn: np.ndarray, velocity: np.ndarray, bias: np.ndarray, imu: np.ndarray) -> BaseFilter:
    """A filter in a known state that has had the same sample before."""
    filter_ = BaseFilter(SILENT)
    filter_.predict(0.0, imu)
    filter_.turn_to(turned((0.8, 0.36, -0.48, 0.0), *turn))
    filter_.velocity, filter_.bias = velocity.copy(), bias.copy()
    return filter_


def error_of(filter_: BaseFilter, reference: BaseFilter) -> np.ndarray:
    turn = turn_between(reference.quat, filter_.quat)
    return np.concatenate((turn, filter_.velocity - reference.velocity, filter_.bias - reference.bias))


@settings(max_examples=40, deadline=None)
@given(velocity=unit, rate=unit, force=unit, delta=arrays(float, SIZE, elements=st.floats(-1.0, 1.0)))
def test_a_small_error_grows_as_the_covariance_says(velocity, rate, force, delta):
    """The covariance of one certain error d is d dᵀ; a step later it must be that of the error then."""
    imu, small = np.concatenate((2.0 * rate, GRAVITY * UP + 3.0 * force)), 1e-5 * delta
    plain = set_up(np.zeros(3), velocity, np.zeros(6), imu)
    off = set_up(small[TURN], velocity + small[VELOCITY], small[6:], imu)
    plain.cov = np.outer(small, small)
    before = error_of(off, plain)
    for filter_ in (plain, off):
        filter_.predict(DT, imu)
    after = error_of(off, plain)
    noise = DT * np.repeat((SILENT.gyro_noise**2, SILENT.accel_noise**2, 0.0, 0.0), 3)
    np.testing.assert_allclose(before, small, atol=1e-11)
    # An Euler step: what is left is of the second order in dt.
    np.testing.assert_allclose(plain.cov - np.diag(noise), np.outer(after, after), atol=2e-13)


@pytest.mark.parametrize("tilt", [0.0, 0.4])
def test_the_biases_are_found(tilt):
    """A robot that stands, its IMU's orientation known; its feet far below show the gyroscope's bias, too."""
    filter_ = BaseFilter(EstimatorParams())
    quat = turned(LEVEL, tilt, 0.0, 0.0)
    gravity = GRAVITY * rotation_matrix(quat)[2]
    bias = np.array((0.01, -0.02, 0.015, 0.1, -0.2, 0.05))
    filter_.turn_to(quat)
    for _ in range(6000):
        filter_.predict(DT, np.concatenate((np.zeros(3), gravity)) + bias)
        filter_.correct(quat, feet(filter_, np.zeros(3)))
    np.testing.assert_allclose(filter_.bias[:3], bias[:3], atol=1e-3)
    np.testing.assert_allclose(filter_.bias[3:], bias[3:], atol=1e-2)
    np.testing.assert_allclose(filter_.velocity, 0.0, atol=2e-3)
    np.testing.assert_allclose(filter_.rate, 0.0, atol=2e-3)


def test_a_bias_has_bounds():
    filter_ = BaseFilter(EstimatorParams())
    for _ in range(4000):
        filter_.predict(DT, STILL + np.array((0.0, 0.0, 0.0, 50.0, 0.0, 0.0)))
        filter_.correct(LEVEL, feet(filter_, np.zeros(3)))
    assert np.abs(filter_.bias[3:]).max() <= 5.0 * EstimatorParams().accel_bias_std + 1e-9


def test_a_base_that_turns_keeps_its_speed_in_the_world():
    """Free of forces, v is constant in the world and turns by -w dt in the base."""
    filter_, imu = BaseFilter(EstimatorParams()), STILL + np.array((0.0, 0.0, 2.0, 0.0, 0.0, 0.0))
    filter_.predict(0.0, imu)
    filter_.velocity = np.array((1.0, 0.0, 0.0))
    for _ in range(200):
        filter_.predict(DT, imu)
    np.testing.assert_allclose(filter_.velocity, (np.cos(2.0), -np.sin(2.0), 0.0), atol=0.01)
    np.testing.assert_allclose(filter_.quat, (math.cos(1.0), 0.0, 0.0, math.sin(1.0)), atol=1e-6)


def test_feet_and_prior_are_weighed_by_the_inverse_of_their_variances():
    """By hand: prior 0 with variance 1, feet say 1 with variance 1/4."""
    filter_ = BaseFilter(EstimatorParams())
    filter_.turn_to(LEVEL)
    filter_.correct(LEVEL, feet(filter_, np.ones(3), 0.25))
    np.testing.assert_allclose(filter_.velocity, 0.8)
    np.testing.assert_allclose(filter_.velocity_var, 0.2)
    np.testing.assert_allclose(filter_.innovation[3:], 1.0 / 1.25)


def test_the_orientation_follows_the_imu_and_jumps_with_it():
    filter_ = BaseFilter(EstimatorParams())
    filter_.turn_to(LEVEL)
    near, far = turned(LEVEL, 0.02, 0.0, 0.0), turned(LEVEL, 0.0, 0.0, 2.0)
    for _ in range(200):
        filter_.predict(DT, STILL)
        filter_.correct(near, None)
    np.testing.assert_allclose(filter_.quat, near, atol=1e-3)
    filter_.correct(far, None)
    np.testing.assert_allclose(filter_.quat, far)


def test_an_arm_of_the_feet_lets_them_tell_of_the_gyroscope():
    """v = w x r of a base whose gyroscope is biased: only the arm ties the error to that bias."""
    arm = np.array(((0.0, 0.3, 0.0), (-0.3, 0.0, 0.0), (0.0, 0.0, 0.0)))
    seen = []
    for used in (arm, np.zeros((3, 3))):
        filter_ = BaseFilter(EstimatorParams())
        filter_.turn_to(LEVEL)
        filter_._restart(VELOCITY, 1e-3)
        filter_.correct(LEVEL, feet(filter_, arm @ (0.02, 0.0, 0.0), 1e-8, used))
        seen.append(filter_.bias[0])
    assert seen[0] == pytest.approx(0.02, rel=0.05)
    assert seen[1] == pytest.approx(0.0, abs=1e-9)


def test_speed_fades_and_its_variance_grows_to_that_of_the_unknown():
    params = EstimatorParams()
    filter_ = BaseFilter(params)
    filter_.velocity, filter_.cov[VELOCITY, VELOCITY] = np.ones(3), 1e-4 * np.eye(3)
    variances = []
    for _ in range(1000):
        filter_.fade(DT, 1.0)
        variances.append(filter_.velocity_var[0])
    assert np.all(np.diff(variances) >= 0)
    np.testing.assert_allclose(filter_.velocity_var, params.free_speed_std**2, rtol=1e-3)
    np.testing.assert_allclose(filter_.velocity, np.exp(-5.0 / params.fade_s**2), rtol=1e-6)


def test_the_variance_stays_positive_however_sure_the_feet_are():
    filter_ = BaseFilter(EstimatorParams())
    for _ in range(1000):
        filter_.predict(DT, STILL)
        filter_.correct(LEVEL, feet(filter_, np.zeros(3), 1e-12))
    assert (np.linalg.eigvalsh(filter_.cov) > -1e-15).all()
    assert (np.diag(filter_.cov) > 0).all()


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), scale=st.sampled_from((0.1, 3.0, 50.0)), noise=st.floats(-8.0, 1.0))
def test_it_stays_finite_and_its_variances_positive(seed, scale, noise):
    rng, filter_ = np.random.default_rng(seed), BaseFilter(EstimatorParams())
    for _ in range(30):
        filter_.predict(DT, scale * rng.normal(size=6))
        quat = rng.normal(size=4)
        w, x, y, z = quat / np.linalg.norm(quat)
        arm = rng.normal(size=(3, 3))
        filter_.correct((w, x, y, z), feet(filter_, scale * rng.normal(size=3), 10.0**noise, arm))
        assert all(np.isfinite(part).all() for part in (filter_.velocity, filter_.bias, filter_.cov))
        assert (np.diag(filter_.cov) > 0).all()


def test_forgetting_leaves_the_rest():
    filter_ = BaseFilter(EstimatorParams())
    for _ in range(100):
        filter_.predict(DT, STILL)
        filter_.correct(LEVEL, feet(filter_, np.zeros(3)))
    kept = filter_.cov.copy()
    filter_.forget()
    for part in (TURN, GYRO, ACCEL):
        np.testing.assert_array_equal(filter_.cov[part, part], kept[part, part])
    assert (filter_.velocity_var == EstimatorParams().free_speed_std ** 2).all()
