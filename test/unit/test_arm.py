"""The arm's gate: bounded, never a leap, and holding where nobody commands."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ros2_rl.arm import Limits, PositionGate, Stance
from ros2_rl.errors import ConfigError

JOINTS = ("shoulder", "elbow")
LIMITS = Limits.of(JOINTS, [-1.0, -2.0], [1.0, 2.0], [2.0])
START = np.array((0.2, -0.3))
MS = 1_000_000


def gate() -> PositionGate:
    """A gate that has seen the arm at START at time 0."""
    found = PositionGate(LIMITS, command_timeout_s=0.1, state_timeout_s=0.2)
    np.testing.assert_array_equal(found.on_state(START, 0.0), START)
    return found


def follow(one: PositionGate, target: np.ndarray, steps: int = 50, begin: int = 0) -> np.ndarray:
    """Commands every 10 ms to an arm that follows at once; the last position."""
    q = None
    for i in range(begin, begin + steps):
        now = 0.01 * i
        q = one.on_command(target, "policy", 10 * i * MS, now)
        assert one.on_state(q, now) is None and one.on_tick(now) is None
    return q


def test_nothing_is_sent_before_the_arm_is_seen() -> None:
    one = PositionGate(LIMITS, 0.1, 0.2)
    assert one.on_tick(5.0) is None and one.stop("end") is None
    assert one.on_command(START, "policy", 0, 5.0) is None
    assert one.stance is Stance.WAITING


def test_it_holds_where_it_was_found_and_then_goes_where_it_is_told_without_a_leap() -> None:
    one, target = gate(), np.array((0.9, -1.0))
    assert one.stance is Stance.HOLDING
    np.testing.assert_array_equal(one.on_command(target, "policy", 0, 0.0), START)
    np.testing.assert_allclose(one.on_command(target, "policy", 10 * MS, 0.01), START + (0.02, -0.02))
    assert one.stance is Stance.FOLLOWING
    np.testing.assert_allclose(follow(one, target, 60, 2), target)


def test_targets_stay_within_the_joint_limits() -> None:
    np.testing.assert_allclose(follow(gate(), np.array((9.0, -9.0)), 150), (1.0, -2.0))


def test_a_target_does_not_run_away_from_a_blocked_arm() -> None:
    one = gate()
    for i in range(100):
        one.on_state(START, 0.01 * i)
        q = one.on_command(np.array((1.0, 2.0)), "policy", 10 * i * MS, 0.01 * i)
    np.testing.assert_allclose(q, START + 0.5)


def test_a_long_pause_allows_no_leap() -> None:
    one = gate()
    one.on_command(START, "policy", 0, 0.0)
    q = one.on_command(np.array((1.0, 2.0)), "policy", 10_000 * MS, 0.05)
    np.testing.assert_allclose(q, START + 0.2)


def test_without_commands_it_holds_where_it_is_and_is_told_so_once() -> None:
    one = gate()
    follow(one, np.array((0.9, -1.0)), 10)
    here = np.array((0.31, -0.41))
    one.on_state(here, 0.19)
    assert one.on_tick(0.18) is None
    np.testing.assert_array_equal(one.on_tick(0.20), here)
    assert (one.stance, one.reason) == (Stance.HOLDING, "no command for 0.1 s")
    assert one.on_tick(0.21) is None
    np.testing.assert_array_equal(one.on_command(np.ones(2), "policy", 300 * MS, 0.30), here)
    assert one.stance is Stance.FOLLOWING


def test_without_states_nothing_is_sent_until_they_come_back_and_then_it_holds() -> None:
    one = gate()
    follow(one, np.array((0.9, -1.0)), 5)
    assert one.on_tick(0.3) is None
    assert (one.stance, one.reason) == (Stance.BLIND, "no state for 0.2 s")
    assert one.on_command(START, "policy", 310 * MS, 0.31) is None and one.stop("end") is None
    elsewhere = np.array((-0.5, 0.5))
    np.testing.assert_array_equal(one.on_state(elsewhere, 0.4), elsewhere)
    assert one.stance is Stance.HOLDING


def test_damping_means_to_stay_and_is_done_once() -> None:
    one = gate()
    follow(one, np.array((0.9, -1.0)), 10)
    here = np.array((0.35, -0.45))
    one.on_state(here, 0.11)
    np.testing.assert_array_equal(one.on_command(np.ones(2), "damping", 110 * MS, 0.11), here)
    one.on_state(here + 0.1, 0.12)  # somebody pushes it
    assert one.on_command(np.ones(2), "damping", 120 * MS, 0.12) is None
    assert one.on_tick(5.0) is None or one.stance is Stance.BLIND


def test_what_is_not_finite_changes_nothing() -> None:
    one = gate()
    assert one.on_command(np.array((np.nan, 0.0)), "policy", 0, 0.0) is None
    assert one.on_state(np.array((np.inf, 0.0)), 0.15) is None
    assert (one.refused, one.stance) == (1, Stance.HOLDING)
    one.on_tick(0.25)
    assert one.stance is Stance.BLIND  # a state that cannot be used is none


def test_stamps_that_go_back_begin_anew() -> None:
    one = gate()
    one.on_command(START, "policy", 900 * MS, 0.0)
    np.testing.assert_array_equal(one.on_command(np.ones(2), "policy", 100 * MS, 0.01), START)
    np.testing.assert_allclose(one.on_command(np.ones(2), "policy", 110 * MS, 0.02), START + 0.02)


EVENT = st.tuples(
    st.sampled_from(["state", "command", "tick", "damp"]),
    st.tuples(*[st.floats(-10.0, 10.0) | st.just(np.nan)] * 2),
    st.floats(0.0, 0.3),
)


@given(st.lists(EVENT, max_size=60))
def test_whatever_comes_the_target_is_finite_bounded_and_never_leaps(events: list) -> None:
    one, now, sent, measured = gate(), 0.0, START, START
    for kind, values, dt in events:
        now, q = now + dt, np.array(values)
        if kind == "state":
            out = one.on_state(q, now)
            measured = q if np.isfinite(q).all() else measured
        elif kind == "tick":
            out = one.on_tick(now)
        else:
            out = one.on_command(q, "damping" if kind == "damp" else "policy", round(now * 1e9), now)
        if out is None:
            continue
        assert np.isfinite(out).all()
        if one.stance is Stance.HOLDING:
            np.testing.assert_array_equal(out, measured)
        else:
            near = np.abs(out - sent) <= 2.0 * 0.1 + 1e-9
            assert (near | (np.abs(out - measured) <= 0.5 + 1e-9)).all()
        sent = out


@pytest.mark.parametrize(
    ("joints", "lower", "upper", "speed", "sentence"),
    [
        ((), [], [], [1.0], "joints are not named"),
        (("a", "a"), [0, 0], [1, 1], [1.0], "joints are a, a; name each once"),
        (JOINTS, [0.0], [1.0, 1.0], [1.0], "2 joints; lower needs a finite number for each"),
        (JOINTS, [0.0, 0.0], [1.0, np.nan], [1.0], "upper needs a finite number"),
        (JOINTS, [0.0, 0.0], [1.0, 1.0], [1.0] * 3, "max_velocity needs"),
        (JOINTS, [0.0, 1.0], [1.0, 1.0], [1.0], "must be below"),
        (JOINTS, [0.0, 0.0], [1.0, 1.0], [0.0], "speeds above 0"),
    ],
)
def test_bounds_that_cannot_be_are_refused(joints, lower, upper, speed, sentence: str) -> None:
    with pytest.raises(ConfigError, match=sentence):
        Limits.of(joints, lower, upper, speed)
