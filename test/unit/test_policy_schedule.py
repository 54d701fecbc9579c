"""What holds at a control step follows from stamps, in whatever order the messages came."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ros2_rl.policy.schedule import PUNCTUAL_NS, CommandInbox, MemoryGuard, NoiseSchedule, PunctualPhases
from ros2_rl.policy.stats import TickStats

STEP = 20_000_000
LIMIT = np.array((1.0, 0.3, 0.8))
FORWARD = np.array((0.5, 0.0, 0.0))


@pytest.fixture
def inbox() -> CommandInbox:
    return CommandInbox(-LIMIT, LIMIT, STEP, timeout_ns=25 * STEP)


def numbered(i: int) -> np.ndarray:
    return np.array((0.01 * i, 0.0, 0.0))


@given(st.permutations(range(3, 8)))
def test_lockstep_takes_the_answer_to_the_step_before_in_any_order(order: list[int]) -> None:
    inbox = CommandInbox(-LIMIT, LIMIT, STEP, 25 * STEP)
    for i in order:
        inbox.put(i * STEP, numbered(i), seen_ns=5 * STEP)
    for step in (5, 6, 7, 8):
        np.testing.assert_array_equal(inbox.answering(step * STEP), numbered(step - 1))
    assert inbox.answering(9 * STEP) is None
    np.testing.assert_array_equal(inbox.newest(9 * STEP), numbered(7))


def test_lockstep_takes_a_later_command_where_there_is_no_earlier_one(inbox: CommandInbox) -> None:
    assert inbox.answering(5 * STEP) is None
    inbox.put(5 * STEP, FORWARD, 5 * STEP)
    np.testing.assert_array_equal(inbox.answering(5 * STEP), FORWARD)


def test_a_command_times_out(inbox: CommandInbox) -> None:
    inbox.put(10 * STEP, FORWARD, 10 * STEP)
    np.testing.assert_array_equal(inbox.newest(35 * STEP), FORWARD)
    np.testing.assert_array_equal(inbox.newest(36 * STEP), 0.0)


def test_a_sender_whose_clock_runs_ahead_times_out_like_any_other(inbox: CommandInbox) -> None:
    inbox.put(10**18, FORWARD, seen_ns=10 * STEP)
    np.testing.assert_array_equal(inbox.newest(35 * STEP), FORWARD)
    np.testing.assert_array_equal(inbox.newest(36 * STEP), 0.0)


def test_a_command_without_a_stamp_counts_from_its_arrival(inbox: CommandInbox) -> None:
    inbox.put(0, FORWARD, seen_ns=10 * STEP)
    np.testing.assert_array_equal(inbox.newest(35 * STEP), FORWARD)
    np.testing.assert_array_equal(inbox.newest(36 * STEP), 0.0)


def test_commands_are_limited_and_nonsense_is_zero(inbox: CommandInbox) -> None:
    inbox.put(STEP, np.array((9.0, -9.0, 0.1)), STEP)
    np.testing.assert_allclose(inbox.newest(STEP), (1.0, -0.3, 0.1))
    inbox.put(2 * STEP, np.array((np.nan, 0.0, 0.0)), 2 * STEP)
    np.testing.assert_array_equal(inbox.newest(2 * STEP), 0.0)
    inbox.clear()
    np.testing.assert_array_equal(inbox.newest(2 * STEP), 0.0)


def test_noise_follows_the_announcements_by_stamp() -> None:
    noise = NoiseSchedule()
    assert not noise.at(5)
    noise.announce(10, True)
    noise.announce(20, False)
    assert [noise.at(t) for t in (9, 10, 19, 20, 30)] == [False, True, True, False, False]


def test_a_new_announcement_replaces_what_was_planned_for_later() -> None:
    noise = NoiseSchedule()
    noise.announce(10, False)
    noise.announce(40, True)
    noise.announce(30, False)
    assert [noise.at(t) for t in (15, 30, 50)] == [False, False, False]


def test_a_step_belongs_to_a_phase_once_everybody_has_heard_of_it() -> None:
    phases, ahead = PunctualPhases(), PUNCTUAL_NS
    assert phases.at(5) == 0
    phases.announce(10 * ahead, heard_ns=5 * ahead)
    assert [phases.at(t * ahead) for t in (9, 10, 30)] == [0, 10 * ahead, 10 * ahead]
    phases.announce(40 * ahead, heard_ns=42 * ahead)
    assert [phases.at(t * ahead) for t in (42, 43, 50)] == [0, 40 * ahead, 40 * ahead]
    phases.announce(70 * ahead, heard_ns=51 * ahead)
    phases.announce(60 * ahead, heard_ns=52 * ahead)
    assert [phases.at(t * ahead) for t in (59, 60, 70)] == [40 * ahead, 60 * ahead, 60 * ahead]


def test_memory_begins_at_the_announced_step_however_late_the_mode_is_told() -> None:
    guard = MemoryGuard()
    guard.on_mode("STAND", policy_from_ns=100)
    assert [guard.resets_at(t) for t in (60, 80, 100, 120)] == [True, True, True, False]
    guard.on_mode("STAND", policy_from_ns=100)  # the supervisor repeats itself once a second
    assert not guard.resets_at(140)
    guard.on_mode("POLICY")
    assert not guard.resets_at(160)
    assert guard.running


def test_memory_begins_anew_after_another_actor_however_short() -> None:
    guard = MemoryGuard()
    guard.on_mode("POLICY")
    assert [guard.resets_at(t) for t in (20, 40)] == [True, False]
    guard.on_mode("RECOVERY")
    guard.on_mode("POLICY")
    assert [guard.resets_at(t) for t in (60, 80)] == [True, False]
    guard.on_mode("RECOVERY")
    assert [guard.resets_at(t) for t in (100, 120)] == [True, True]
    assert not guard.running


def test_nothing_is_remembered_while_nobody_says_that_the_policy_acts() -> None:
    guard = MemoryGuard()
    assert [guard.resets_at(t) for t in (20, 40)] == [True, True]


def test_missed_ticks_are_counted_where_they_should_be_consecutive() -> None:
    stats = TickStats()
    assert stats.percentile_ms(99) == 0.0
    for step, acting in ((1, True), (2, True), (5, True), (9, False), (20, True)):
        stats.add(step, 0.001 * step, acting)
    assert (stats.ticks, stats.missed) == (5, 2)
    assert stats.percentile_ms(50) == pytest.approx(5.0)  # ms
