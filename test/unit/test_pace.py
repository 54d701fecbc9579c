"""Robot time against wall time, on a clock made up by the test."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ros2_rl.sim.pace import LockstepWait, Pacer, RealTimeFactor


def run(pacer: Pacer, looks: list[float]) -> int:
    """States shown by somebody who looks at these times and shows what is due by then."""
    shown = 0
    for now in looks:
        while pacer.left(now) <= 0.0:
            pacer.count(now)
            shown += 1
    return shown


@given(st.lists(st.floats(0.0, 0.009), min_size=1, max_size=60))
def test_small_delays_are_made_up_for(delays):
    pacer = Pacer(0.005)
    pacer.restart(0.0)
    looks = [0.01 * i + delay for i, delay in enumerate(delays)]
    end = 0.01 * len(delays)
    shown = run(pacer, sorted(looks) + [end])
    assert abs(shown - 2 * len(delays)) <= 1  # the very last one may be due an instant later
    assert pacer.given_up_s == 0.0


def test_a_long_pause_is_given_up_and_not_hurried_after():
    pacer = Pacer(0.005, max_lag_s=0.1)
    pacer.restart(0.0)
    late = [10.0 + 1e-6 * i for i in range(1000)]
    assert run(pacer, late) == 21
    assert pacer.given_up_s == pytest.approx(9.895, abs=1e-3)


def test_a_pacer_that_was_never_started_waits_one_period():
    pacer = Pacer(0.005)
    assert pacer.left(100.0) == pytest.approx(0.005)
    assert pacer.left(100.005) <= 1e-9


def test_real_time_factor():
    factor = RealTimeFactor()
    assert factor.look(5.0, 100.0) == 0.0
    assert factor.look(15.0, 102.0) == pytest.approx(5.0)
    assert factor.look(15.0, 103.0) == 0.0


def test_before_the_first_command_the_wait_has_no_end():
    wait = LockstepWait(timeout_s=2.0)
    wait.asked(0.0)
    shown = [now / 10 for now in range(1000) if wait.repeats(now / 10)]
    assert not wait.broken and shown[:3] == [0.5, 1.0, 1.5] and len(shown) == 199


def test_later_it_breaks_until_a_command_comes():
    wait = LockstepWait(timeout_s=2.0)
    wait.heard()
    wait.asked(10.0)
    assert [wait.repeats(t) for t in (10.4, 10.5, 10.6, 11.0, 11.5)] == [False, True, False, True, True]
    assert not wait.repeats(12.0) and wait.broken and wait.breaks == 1
    wait.heard()
    wait.asked(12.1)
    assert not wait.broken and wait.left(12.1) == pytest.approx(0.5)
    assert wait.repeats(12.7) and not wait.broken
