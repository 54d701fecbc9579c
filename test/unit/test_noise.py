"""Exploration noise: a pure function of seed and step, standard normal, correlated as far as is asked."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ros2_rl.policy.noise import ExplorationNoise

MANY = range(1000, 5000)


def drawn(memory: float, seed: int = 3) -> np.ndarray:
    noise = ExplorationNoise(seed, 12)
    return np.array([noise(step, memory) for step in MANY])


@given(step=st.integers(0, 2**62), memory=st.sampled_from((0.0, 0.7, 5.0)), detour=st.integers(0, 300))
def test_it_does_not_depend_on_what_was_drawn_before(step, memory, detour):
    fresh, used = ExplorationNoise(1, 4), ExplorationNoise(1, 4)
    for other in range(step, step + detour):
        used(other)
    np.testing.assert_array_equal(fresh(step, memory), used(step, memory))


def test_white_noise_is_that_of_philox_by_seed_and_step():
    generator = np.random.Generator(np.random.Philox(key=[7, 50]))
    expected = generator.standard_normal(12, dtype=np.float32)
    np.testing.assert_array_equal(ExplorationNoise(7, 12)(50), expected)


@pytest.mark.parametrize("memory", (0.0, 2.0, 10.0))
def test_each_number_is_standard_normal(memory):
    noise = drawn(memory)
    assert noise.dtype == np.float32
    assert noise.mean() == pytest.approx(0.0, abs=0.06)
    assert noise.std() == pytest.approx(1.0, abs=0.06)


@pytest.mark.parametrize(("memory", "back"), ((2.0, 1), (10.0, 5)))
def test_steps_are_correlated_as_the_memory_says(memory, back):
    noise = drawn(memory)
    correlation = float((noise[back:] * noise[:-back]).mean())
    assert correlation == pytest.approx(np.exp(-back / memory), abs=0.08)


def test_white_steps_and_joints_are_not_correlated():
    noise = drawn(0.0)
    assert float((noise[1:] * noise[:-1]).mean()) == pytest.approx(0.0, abs=0.03)
    assert float((noise[:, 0] * noise[:, 1]).mean()) == pytest.approx(0.0, abs=0.06)


def test_steps_before_the_first_are_drawn_as_any_other():
    assert np.isfinite(ExplorationNoise(0, 3)(0, 10.0)).all()
