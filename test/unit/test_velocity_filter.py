"""The velocity filter: against a dense textbook Kalman filter, and by hand."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from ros2_rl.estimation.filter import GRAVITY, VelocityFilter
from ros2_rl.estimation.params import EstimatorParams

OPEN = EstimatorParams(slip_gate=1e9, accel_bias_std=1.0)
UP = np.array((0.0, 0.0, 1.0))
STILL = np.zeros((3, 3))
ALL = np.ones(4)


class Dense:
    """Six states, full matrices, Joseph form; the reference."""

    def __init__(self, params: EstimatorParams):
        self.params = params
        self.x = np.zeros(6)
        self.p = np.diag([params.free_speed_std**2] * 3 + [params.accel_bias_std**2] * 3)

    def predict(self, dt, accel):
        step = np.eye(6)
        step[:3, 3:] = -dt * np.eye(3)
        self.x = step @ self.x
        self.x[:3] += dt * (accel - GRAVITY * UP)
        noise = np.repeat((self.params.accel_noise**2 * dt, self.params.accel_bias_noise**2 * dt), 3)
        self.p = step @ self.p @ step.T + np.diag(noise)

    def correct(self, measured, var):
        pick = np.hstack((np.eye(3), np.zeros((3, 3))))
        for z, r in zip(measured, var, strict=True):
            gain = self.p @ pick.T @ np.linalg.inv(pick @ self.p @ pick.T + np.diag(r))
            self.x = self.x + gain @ (z - pick @ self.x)
            left = np.eye(6) - gain @ pick
            self.p = left @ self.p @ left.T + gain @ np.diag(r) @ gain.T


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 2**32 - 1))
def test_it_agrees_with_a_dense_kalman_filter_on_a_base_that_does_not_turn(seed):
    rng = np.random.default_rng(seed)
    lean, dense = VelocityFilter(OPEN), Dense(OPEN)
    for _ in range(20):
        accel, measured = 0.1 * rng.normal(size=3) + GRAVITY * UP, 0.05 * rng.normal(size=(4, 3))
        var = rng.uniform(1e-4, 1.0, (4, 3))
        lean.predict(0.005, accel, UP, STILL)
        dense.predict(0.005, accel)
        lean.correct(measured, var, ALL)
        dense.correct(measured, var)
    np.testing.assert_allclose(np.concatenate((lean.velocity, lean.bias)), dense.x, rtol=1e-6, atol=1e-9)
    np.testing.assert_allclose(np.concatenate((lean.var, lean.bias_var)), np.diag(dense.p), rtol=1e-6)


def test_the_bias_of_the_accelerometer_is_found():
    lean, bias = VelocityFilter(OPEN), np.array((0.1, -0.2, 0.05))
    for _ in range(4000):
        lean.predict(0.005, GRAVITY * UP + bias, UP, STILL)
        lean.correct(np.zeros((4, 3)), np.full((4, 3), 0.01), ALL)
    np.testing.assert_allclose(lean.bias, bias, atol=5e-3)
    np.testing.assert_allclose(lean.velocity, 0.0, atol=2e-3)


def test_a_base_that_turns_keeps_its_speed_in_the_world():
    """Free of forces, v is constant in the world and turns by -w dt in the base."""
    lean = VelocityFilter(OPEN)
    lean.velocity = np.array((1.0, 0.0, 0.0))
    spin = np.array(((0.0, -2.0, 0.0), (2.0, 0.0, 0.0), (0.0, 0.0, 0.0)))
    for _ in range(200):
        lean.predict(0.005, GRAVITY * UP, UP, spin)
    np.testing.assert_allclose(lean.velocity, (np.cos(2.0), -np.sin(2.0), 0.0), atol=0.01)


def test_a_foot_that_slips_is_heard_less_than_the_others():
    feet = np.zeros((4, 3))
    feet[3, 0] = -1.0
    speeds = []
    for params in (EstimatorParams(slip_gate=1.5), OPEN):
        lean = VelocityFilter(params)
        for _ in range(50):
            lean.correct(np.zeros((4, 3)), np.full((4, 3), 0.01), ALL)
        lean.correct(feet, np.full((4, 3), 0.01), ALL)
        lean.correct(feet, np.full((4, 3), 0.01), ALL)
        speeds.append(lean.velocity[0])
    assert speeds[1] < 10 * speeds[0] < 0.0


def test_speed_fades_and_its_variance_grows_to_that_of_the_unknown():
    params = EstimatorParams()
    lean = VelocityFilter(params)
    lean.velocity, lean.var = np.ones(3), np.full(3, 1e-4)
    variances = []
    for _ in range(1000):
        lean.fade(0.005)
        variances.append(lean.var[0])
    assert np.all(np.diff(variances) >= 0)
    np.testing.assert_allclose(lean.var, params.free_speed_std**2, rtol=1e-3)
    np.testing.assert_allclose(lean.velocity, np.exp(-5.0 / params.fade_s), rtol=1e-6)


def test_the_variance_stays_positive_however_sure_a_foot_is():
    lean = VelocityFilter(OPEN)
    for _ in range(1000):
        lean.predict(0.005, GRAVITY * UP, UP, STILL)
        lean.correct(np.zeros((4, 3)), np.full((4, 3), 1e-12), ALL)
    assert (lean.var > 0).all() and (lean.bias_var > 0).all()
