"""Practice commands: in range, repeatable, spread over an evaluation, and home again from outside."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ros2_rl.learning.phase import EVALUATE, IDLE, TRAIN, Phase
from ros2_rl.robots import BaseEstimate
from ros2_rl.tasks.clock import STEP_NS
from ros2_rl.tasks.practice import STAND_SHARE, PhaseSchedule, PracticeCommands

RANGES = {"vx": (-0.3, 1.0), "vy": (-0.3, 0.3), "wz": (-0.8, 0.8)}
LOW, HIGH = np.array(list(RANGES.values())).T
TRAINING = Phase(TRAIN, 0)
SECOND_NS = 1_000_000_000


def at(x: float, y: float, yaw: float = 0.0) -> BaseEstimate:
    zero = np.zeros(3)
    quat = np.array((np.cos(yaw / 2), 0.0, 0.0, np.sin(yaw / 2)))
    return BaseEstimate(0, np.array((x, y, 0.28)), quat, zero, zero, np.ones(4), np.zeros((3, 3)))


def evaluation(seed: int, episodes: int = 20, start_ns: int = 3 * SECOND_NS) -> Phase:
    return Phase(EVALUATE, start_ns, seed=seed, episodes=episodes)


@settings(max_examples=200, deadline=None)
@given(
    step=st.integers(0, 10**7),
    start=st.integers(0, 10**7),
    name=st.sampled_from((EVALUATE, TRAIN, IDLE)),
    seed=st.integers(0, 2**31),
    place=st.tuples(*[st.floats(-50, 50)] * 2, st.floats(-4, 4)),
)
def test_every_command_lies_in_the_ranges_of_the_task(step, start, name, seed, place):
    phase = Phase(name, start * STEP_NS, seed=seed, episodes=7)
    practice = PracticeCommands(RANGES)
    practice.command(0, TRAINING, at(0.0, 0.0))
    command = practice.command(step, phase, at(*place))
    assert (command >= LOW - 1e-12).all() and (command <= HIGH + 1e-12).all()


def test_commands_follow_from_phase_seed_and_step_alone():
    one, other = PracticeCommands(RANGES, seed=3), PracticeCommands(RANGES, seed=3)
    for phase in (TRAINING, evaluation(5)):
        forwards = [one.command(step, phase, None) for step in range(0, 9000, 130)]
        backwards = [other.command(step, phase, None) for step in reversed(range(0, 9000, 130))]
        np.testing.assert_array_equal(forwards, backwards[::-1])


def test_a_skipped_command_is_followed_by_the_one_that_was_to_come():
    practice, other = PracticeCommands(RANGES), PracticeCommands(RANGES)
    present, coming = (practice.command(step, TRAINING, None) for step in (0, 200))
    other.skip()
    assert (other.command(0, TRAINING, None) == coming).all() and (coming != present).any()
    same = evaluation(2)
    assert (other.command(400, same, None) == practice.command(400, same, None)).all()


def test_another_seed_asks_for_something_else():
    ask = [PracticeCommands(RANGES, seed=seed).command(0, TRAINING, None) for seed in range(8)]
    assert len({tuple(command) for command in ask}) > 4


def test_two_evaluations_of_one_seed_ask_for_the_same_wherever_they_begin():
    practice = PracticeCommands(RANGES, seed=1)
    early, late = evaluation(9), evaluation(9, start_ns=71 * SECOND_NS)
    for i in range(0, 20 * 500, 97):
        first = practice.command(early.start_step + i, early, at(0, 0))
        second = PracticeCommands(RANGES, seed=2).command(late.start_step + i, late, at(30, 0))
        np.testing.assert_array_equal(first, second)


def test_an_evaluation_covers_the_forward_speeds_evenly_and_turns_both_ways():
    phase = evaluation(4, episodes=10)
    practice = PracticeCommands(RANGES)
    asked = np.array([practice.command(phase.start_step + 500 * i, phase, None) for i in range(10)])
    strata = np.floor((asked[:, 0] - LOW[0]) / (HIGH[0] - LOW[0]) * 10).astype(int)
    assert sorted(strata) == list(range(10))
    assert (asked[::2, 2] <= 0).all() and (asked[1::2, 2] >= 0).all()


def test_a_command_holds_for_its_time_and_some_ask_to_stand():
    practice = PracticeCommands(RANGES, resample_s=2.0)
    asked = np.array([practice.command(step, TRAINING, None) for step in range(0, 60_000, 50)])
    np.testing.assert_array_equal(asked[::2], asked[1::2])
    standing = (asked == 0).all(axis=1).mean()
    assert 0.5 * STAND_SHARE < standing < 1.6 * STAND_SHARE


def test_idle_asks_to_stand():
    assert not PracticeCommands(RANGES).command(50, Phase(IDLE, 0), at(9, 9)).any()


def test_before_its_start_a_phase_asks_for_its_first_command():
    practice, phase = PracticeCommands(RANGES), Phase(TRAIN, 10 * SECOND_NS)
    np.testing.assert_array_equal(practice.command(3, phase, None), practice.command(500, phase, None))


@pytest.mark.parametrize("heading", [0.0, 1.3, np.pi, -2.0])
def test_a_robot_outside_the_fence_comes_back(heading):
    """A robot that does as it is told, integrated; it starts 4 m away, looking anywhere."""
    practice = PracticeCommands(RANGES, geofence_radius_m=3.0)
    practice.command(0, TRAINING, at(1.0, 2.0))
    pose = np.array((5.0, 2.0, heading))
    for step in range(1, 2000):
        command = practice.command(step, TRAINING, at(*pose))
        if not practice.returning:
            break
        vx, vy, rate = 0.02 * command
        cos, sin = np.cos(pose[2]), np.sin(pose[2])
        pose += (cos * vx - sin * vy, sin * vx + cos * vy, rate)
    assert np.hypot(pose[0] - 1.0, pose[1] - 2.0) <= 1.5


def test_the_fence_lies_around_where_practice_began_and_is_off_in_an_evaluation():
    practice = PracticeCommands(RANGES, geofence_radius_m=3.0)
    free = PracticeCommands(RANGES).command(0, TRAINING, None)
    np.testing.assert_array_equal(practice.command(0, TRAINING, at(100.0, 0.0)), free)
    np.testing.assert_array_equal(practice.command(1, TRAINING, at(102.9, 0.0)), free)
    np.testing.assert_allclose(practice.command(2, TRAINING, at(103.1, 0.0)), (0.0, 0.0, 0.8), atol=1e-6)
    phase = evaluation(1)
    asked = practice.command(phase.start_step, phase, at(103.1, 0.0))
    np.testing.assert_array_equal(asked, PracticeCommands(RANGES).command(phase.start_step, phase, None))


def test_phases_hold_from_their_start_on():
    schedule = PhaseSchedule(TRAIN)
    assert schedule.at(7 * STEP_NS) == Phase(TRAIN, 7 * STEP_NS)
    assert schedule.at(8 * STEP_NS).start_ns == 7 * STEP_NS, "the default began with the first stamp"
    schedule.announce(evaluation(1, start_ns=SECOND_NS))
    schedule.announce(Phase(IDLE, 2 * SECOND_NS))
    names = [schedule.at(t).name for t in (SECOND_NS - 1, SECOND_NS, 2 * SECOND_NS - 1, 2 * SECOND_NS)]
    assert names == [TRAIN, EVALUATE, EVALUATE, IDLE]


def test_a_later_announcement_replaces_what_was_planned_for_its_time():
    schedule = PhaseSchedule()
    schedule.announce(evaluation(1, start_ns=SECOND_NS))
    schedule.announce(evaluation(2, start_ns=3 * SECOND_NS))
    schedule.announce(Phase(TRAIN, 2 * SECOND_NS))
    assert [schedule.at(t * SECOND_NS).name for t in (0, 1, 2, 3, 4)] == [IDLE, EVALUATE, TRAIN, TRAIN, TRAIN]


def test_a_phase_that_has_begun_already_holds_at_once():
    schedule = PhaseSchedule(TRAIN)
    schedule.at(10 * SECOND_NS)
    schedule.announce(Phase(IDLE, 2 * SECOND_NS))
    assert schedule.at(11 * SECOND_NS) == Phase(IDLE, 2 * SECOND_NS)
