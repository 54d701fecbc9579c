"""Loops against their thresholds, and all nodes in one line."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ros2_rl.health import ERROR, OK, STALE, STALE_S, WARN, HealthBoard, LoopLimits, LoopStats

LIMITS = LoopLimits(min_rate_hz=45.0, max_execution_ms=4.0, max_latency_ms=15.0)
STEP_NS = 20_000_000


def run(
    loop: LoopStats, count: int, step_ns: int = STEP_NS, execution_s: float = 1e-3, begin: int = 0
) -> int:
    for number in range(count):
        loop.ran(begin + number * step_ns, execution_s)
    return begin + count * step_ns


def test_a_loop_within_its_limits_is_well():
    loop = LoopStats(LIMITS)
    run(loop, 51)
    loop.delayed(0.010)
    level, text, values = loop.look()
    assert (level, text) == (OK, "")
    assert values == {"loop_rate_hz": "50.0", "execution_ms_p99": "1.000", "latency_ms_p99": "10.000"}


@pytest.mark.parametrize(
    ("step_ns", "execution_s", "latency_s", "words"),
    [
        (25_000_000, 1e-3, 0.01, "runs at 40.0 Hz, below 45"),
        (STEP_NS, 5e-3, 0.01, "takes 5.0 ms, above 4"),
        (STEP_NS, 1e-3, 0.02, "answers after 20.0 ms, above 15"),
    ],
)
def test_what_is_beyond_a_limit_is_a_warning_that_names_both(step_ns, execution_s, latency_s, words):
    loop = LoopStats(LIMITS)
    run(loop, 50, step_ns, execution_s)
    loop.delayed(latency_s)
    level, text, _ = loop.look()
    assert level == WARN and text == words


def test_where_the_robot_waits_wall_times_are_told_but_not_judged():
    loop = LoopStats(LIMITS, timed=False)
    run(loop, 50, execution_s=1.0)
    loop.delayed(9.0)
    assert loop.look()[0] == OK
    run(loop, 50, 2 * STEP_NS, begin=10**10)
    assert loop.look()[0] == WARN


def test_each_look_begins_anew_without_losing_the_rate_between():
    loop = LoopStats(LIMITS)
    begin = run(loop, 50, 10 * STEP_NS)
    assert loop.look()[0] == WARN
    run(loop, 50, begin=begin - 9 * STEP_NS)
    level, _, values = loop.look()
    assert level == OK and values["loop_rate_hz"] == "50.0"


def test_limits_of_zero_are_off_and_a_loop_that_never_ran_is_not_judged():
    loop = LoopStats(LoopLimits())
    run(loop, 10, 10**9, 10.0)
    assert loop.look()[0] == OK
    assert LoopStats(LIMITS).look()[:2] == (OK, "")


def test_time_that_begins_anew_and_states_seen_twice_do_not_count():
    loop = LoopStats(LIMITS)
    run(loop, 50, begin=10**12)
    end = run(loop, 51)
    loop.ran(end - STEP_NS, 1e-3)
    assert loop.look()[2]["loop_rate_hz"] == "50.0"


@given(st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 9), st.floats(0, 10)), max_size=20))
def test_the_line_has_the_worst_level_and_names_who_is_not_well(words):
    board = HealthBoard()
    for name, level, now in words:
        board.heard(name, level, f"says {level}", {}, now)
    worst, text = board.line(10.0)
    levels = [board.level_of(name, 10.0) for name in board.nodes]
    assert worst == max(levels, default=STALE)
    assert all((f"{n}: " in text) == (board.level_of(n, 10.0) > OK) for n in board.nodes)


def test_silence_is_stale():
    board = HealthBoard()
    assert board.line(0.0) == (STALE, "no node has been heard yet")
    board.heard("supervisor", OK, "POLICY", {}, 0.0)
    board.heard("learner", ERROR, "fell over", {}, 5.0)
    assert board.line(5.0) == (STALE, "learner: fell over; supervisor: silent for 5 s")
    assert board.level_of("learner", 5.0 + STALE_S + 0.1) == STALE
