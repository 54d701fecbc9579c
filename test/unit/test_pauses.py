"""Gradient steps are made between an answer and the next state, and go on should nobody answer any more."""

import threading
import time

import pytest

from ros2_rl.learning.sac.pauses import Pauses


class Answers(threading.Event):
    """Counts how often somebody waits for an answer."""

    waits = 0

    def wait(self, timeout=None):
        self.waits += 1
        return True


@pytest.fixture
def hour():
    return [0.0]


@pytest.fixture
def pauses(hour):
    found = Pauses(lambda: hour[0], step_dt=0.02, share=0.7)
    found._answered = Answers()
    return found


def test_what_fits_into_a_pause_is_done_in_it_and_what_does_not_waits_for_the_next(pauses, hour):
    pauses.begin()
    for now, waits in ((0.001, 0), (0.005, 0), (0.009, 0), (0.0105, 1), (0.0120, 2), (0.0130, 3)):
        hour[0] = now  # a pause lasts 14 ms; the longest of the last five steps is expected, here 4 ms
        pauses.wait()
        assert pauses._answered.waits == waits
    hour[0] = 0.020
    pauses.begin()
    pauses.wait()
    assert pauses._answered.waits == 3


def test_a_long_part_is_expected_again_for_the_next_four(pauses, hour):
    hour[0] = 0.010
    pauses.wait()
    for parts in range(1, 6):
        pauses.begin()
        hour[0] += 0.005
        pauses.wait()
        assert pauses._answered.waits == 1 + min(parts, 4)


def test_what_is_longer_than_a_pause_begins_with_one(pauses, hour):
    for step in range(1, 5):
        hour[0] += 0.03
        pauses.wait()
        assert pauses._answered.waits == step
        pauses.begin()


def test_an_answer_lets_it_go_on_from_another_thread():
    pauses, passed = Pauses(lambda: 0.0, step_dt=600.0, share=-1.0), threading.Event()

    def compute():
        pauses.wait()
        passed.set()

    thread = threading.Thread(target=compute, daemon=True)
    thread.start()
    while not passed.wait(0.01):
        pauses.begin()
    thread.join()


def test_it_goes_on_where_nobody_answers():
    pauses = Pauses(time.monotonic, step_dt=0.001, share=0.7)
    for _ in range(5):
        pauses.wait()
