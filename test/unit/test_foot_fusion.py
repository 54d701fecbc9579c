"""What several feet together say of the velocity: by hand, with one that slips, with noise that changes."""

from dataclasses import replace

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from ros2_rl.estimation.feet import FootFusion, FootVelocity
from ros2_rl.estimation.params import EstimatorParams

OPEN = replace(EstimatorParams(), slip_gate=1e9)
ARMS = np.array(((0.2, 0.1, -0.3), (0.2, -0.1, -0.3), (-0.2, 0.1, -0.3), (-0.2, -0.1, -0.3)))
ONES, ZERO = np.ones(4), np.zeros(3)


def fuse(fusion: FootFusion, measured: np.ndarray, **change) -> FootVelocity:
    given = {"trust": ONES, "settled": ONES, "velocity": ZERO, "velocity_var": np.full(3, 1e-4)} | change
    return fusion.fuse(measured, ARMS, **given)


def test_feet_are_weighed_by_the_inverse_of_their_variances():
    """Variances 1, 1, 1/2 and a foot in the air: weights 1/4, 1/4, 1/2, 0."""
    fusion = FootFusion(OPEN, np.array([[1.0], [1.0], [0.5], [1.0]]) * np.ones(3))
    measured = np.array([[1.0], [0.0], [1.0], [9.0]]) * np.ones(3)
    shown = fuse(fusion, measured, trust=np.array((1.0, 1.0, 1.0, 0.0)))
    np.testing.assert_allclose(shown.error, 0.75)
    np.testing.assert_allclose(shown.var, 0.25)
    np.testing.assert_allclose(fusion.belief, (1.0, 1.0, 1.0, 0.0))
    np.testing.assert_allclose(shown.arm @ (0.0, 0.0, 1.0), np.cross(ARMS[:3].mean(axis=0), (0.0, 0.0, 1.0)))


def test_a_foot_that_slips_is_heard_less_and_its_vertical_is_not():
    fusion = FootFusion(replace(EstimatorParams(), slip_gate=1.5), np.full((4, 3), 0.01))
    measured = np.zeros((4, 3))
    measured[3] = (1.0, 0.0, 0.0)
    shown = fuse(fusion, measured)
    assert fusion.belief[3] < 0.05 < 0.9 < fusion.belief[:3].min()
    assert abs(shown.error[0]) < 0.02
    measured[3] = (0.0, 0.0, 1.0)
    assert fuse(fusion, measured).error[2] == 0.25
    assert (fusion.belief == 1.0).all()


def test_a_foot_that_just_landed_counts_little_across_but_fully_upwards():
    fusion, measured = FootFusion(OPEN, np.full((4, 3), 0.01)), np.zeros((4, 3))
    measured[0] = 1.0
    shown = fuse(fusion, measured, settled=np.array((0.0, 1.0, 1.0, 1.0)))
    np.testing.assert_allclose(shown.error, (0.0, 0.0, 0.25), atol=1e-12)


@settings(max_examples=30, deadline=None)
@given(shift=st.floats(-3.0, 3.0), velocity=st.floats(-3.0, 3.0))
def test_only_what_differs_from_the_belief_counts(shift, velocity):
    fusion, measured = FootFusion(EstimatorParams(), np.full((4, 3), 0.01)), np.full((4, 3), shift)
    moved = fuse(fusion, measured + velocity, velocity=np.full(3, velocity))
    np.testing.assert_allclose(moved.error, fuse(fusion, measured).error, atol=1e-9)


def test_the_noise_of_the_feet_is_learned_by_axis():
    """Feet three times as noisy as is believed across, a third of that upwards: variances 9 and 1/9."""
    rng, var = np.random.default_rng(11), 0.01
    fusion = FootFusion(OPEN, np.full((4, 3), var))
    scales = []
    for _ in range(20000):
        measured = rng.normal(size=(4, 3)) * np.sqrt(var) * (3.0, 3.0, 0.4)
        shown = fuse(fusion, measured, velocity_var=np.zeros(3))
        fusion.learn(shown.error**2 / shown.var, 0.005)
        scales.append(fusion.scale)
    learned = np.exp(np.log(scales[2000:]).mean(axis=0))
    np.testing.assert_allclose(learned, (9.0, 9.0, 0.16), rtol=0.15)


def test_an_accident_does_not_make_the_feet_useless():
    fusion = FootFusion(EstimatorParams(), np.full((4, 3), 0.01))
    for _ in range(1000):
        fusion.learn(np.full(3, 1e12), 0.005)
    assert np.isfinite(fusion.scale).all() and fusion.scale.max() <= 30.0
