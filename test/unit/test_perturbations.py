"""Gaps: reading, refusing, and the flat form that the node's parameters have."""

import pytest
from hypothesis import given
from hypothesis import settings as budget
from hypothesis import strategies as st

from ros2_rl.errors import ConfigError
from ros2_rl.sim.perturbations import Perturbations, flatten, load_gap, read_gap, settings, unflatten


def test_the_shipped_gaps():
    gap = load_gap("default")
    assert gap.actuation_delay_ms >= 20 and gap.payload_kg > 0 and min(gap.leg_strength.values()) < 1
    assert load_gap("none") == Perturbations()


@pytest.mark.parametrize(
    "text, names",
    [
        ("payload: 3", ("'payload' is unknown; allowed are actuation_delay_ms, leg_strength", "payload_kg")),
        ("payload_kg: 50", ("payload_kg",)),
        ("payload_kg: .nan", ("payload_kg",)),
        ("leg_strength: {XX: 0.5}", ("XX", "FL, FR, RL, RR")),
        ("leg_strength: {FL: -1}", ("strength",)),
        ("noise: {gyros: 1}", ("'noise.gyros' is unknown; allowed are gyro, accel",)),
        ("gain_scale: 0", ("'gain_scale' is 0", "greater than 0")),
        ("payload_offset: [1, 2]", ("payload_offset",)),
        ("[1, 2]", ("mapping",)),
        ("payload_kg: [", ("mapping",)),
    ],
)
def test_a_wrong_file_is_one_sentence_that_names_file_and_entry(tmp_path, text, names):
    path = tmp_path / "mine.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError) as error:
        read_gap(path)
    assert "mine.yaml" in str(error.value) and "\n" not in str(error.value)
    assert all(name in str(error.value) for name in names)


def test_the_noise_of_the_nominal_robot_is_on():
    noise = Perturbations().noise
    assert (noise.gyro, noise.accel, noise.accel_bias, noise.orientation) == (0.02, 0.15, 0.05, 0.005)
    assert (noise.q, noise.dq, noise.foot_force) == (0.002, 0.15, 3.0)


def test_an_unknown_gap_is_told_with_those_there_are():
    with pytest.raises(ConfigError, match="'moon'; available: crooked, default, .*none"):
        load_gap("moon")


def test_every_number_of_a_gap_is_a_setting_with_bounds_that_hold_its_default():
    values = flatten(Perturbations())
    assert list(values) == [setting.name for setting in settings()]
    assert all(s.low <= values[s.name] <= s.high and s.description for s in settings())


@budget(deadline=None, max_examples=50)
@given(st.data())
def test_flat_and_back_gives_the_same_gap(data):
    values = {
        s.name: data.draw(st.floats(s.low, s.high, exclude_min=s.low == 0, exclude_max=True))
        for s in settings()
    }
    gap = unflatten(values)
    assert flatten(gap) == values
    assert unflatten(flatten(gap)) == gap


def test_a_flat_value_out_of_its_range_is_refused():
    with pytest.raises(ValueError, match="payload_kg"):
        unflatten(flatten(Perturbations()) | {"payload_kg": 99.0})
