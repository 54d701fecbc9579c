"""The clock of a jump and the command that is held for a cycle."""

import numpy as np
import pytest

from ros2_rl.tasks.clock import Clock, CommandLatch, ContactPlan

JUMP = Clock(0.02, 1.6, 0.03, ContactPlan(1.0, 0.44, 0.68))
TROT = Clock(0.02, 0.5, 0.1)
FORWARD, SIDEWAYS, NOTHING = np.array([0.3, 0.0, 0.0]), np.array([0.0, 0.1, 0.0]), np.zeros(3)


def test_the_contact_clock_follows_the_plan():
    clock = JUMP.at(np.arange(80), np.tile(FORWARD, (80, 1)))
    flying = np.flatnonzero(clock[:, 2] == 0.0)
    assert (flying[0], flying[-1]) == (22, 33)  # 0.44 s to before 0.68 s
    np.testing.assert_allclose(np.linalg.norm(clock[:50, :2], axis=1), 1.0)
    assert clock[50:].tolist() == [[0.0, 0.0, 1.0]] * 30
    np.testing.assert_array_equal(JUMP.at(7, FORWARD), JUMP.at(7 + 80 * 10**9, FORWARD))


@pytest.mark.parametrize("step", [0, 25, 79])
def test_the_contact_clock_rests_without_a_command(step):
    assert JUMP.at(step, NOTHING).tolist() == [0.0, 0.0, 1.0]


def test_no_period_no_clock():
    assert Clock(0.02, 0.0).at(5, FORWARD).tolist() == [0.0, 0.0]


def test_a_jump_once_begun_is_finished():
    latch = CommandLatch(JUMP)
    assert latch.follow(160, FORWARD).tolist() == FORWARD.tolist()
    for step in range(161, 240):
        assert latch.follow(step, SIDEWAYS).tolist() == FORWARD.tolist()
    assert latch.follow(240, SIDEWAYS).tolist() == SIDEWAYS.tolist()


def test_a_policy_that_comes_within_a_cycle_stands_until_the_next():
    latch = CommandLatch(JUMP)
    assert latch.follow(165, FORWARD).tolist() == [0.0, 0.0, 0.0]
    assert latch.follow(239, FORWARD).tolist() == [0.0, 0.0, 0.0]
    assert latch.follow(240, FORWARD).tolist() == FORWARD.tolist()
    latch.reset()
    assert latch.follow(241, FORWARD).tolist() == [0.0, 0.0, 0.0]


def test_a_lost_first_step_does_not_lose_the_cycle():
    latch = CommandLatch(JUMP)
    latch.follow(239, NOTHING)
    assert latch.follow(241, FORWARD).tolist() == FORWARD.tolist()


def test_a_gait_follows_at_once_and_may_start_anywhere():
    latch = CommandLatch(TROT)
    assert latch.follow(3, FORWARD) is FORWARD
    assert latch.follow(4, SIDEWAYS) is SIDEWAYS
    assert TROT.next_start(123) == 123


@pytest.mark.parametrize(("step", "start"), [(0, 79), (79, 79), (80, 159), (250, 319)])
def test_the_first_command_of_a_phase_comes_with_a_cycle(step, start):
    assert JUMP.next_start(step) == start  # its command acts in start + 1, a multiple of 80
