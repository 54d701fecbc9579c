"""The learner's thread: what is taken on is done in turn, and a failure reaches the owner."""

import threading
import time

import pytest

from ros2_rl.learning.events import Learn, Restore
from ros2_rl.learning.worker import Worker


class Tuning:
    """Stands for a FineTuning; an update waits until it is let go."""

    def __init__(self):
        self.go, self.made, self.batches = threading.Event(), [], iter("abcdef")
        self.fails = False

    def drain(self):
        return next(self.batches)

    def learn(self, event, batch):
        self.go.wait(10.0)
        if self.fails:
            raise ValueError("the disk is full")
        self.made.append((event.window, batch))
        return type("Update", (), {"adapter": f"adapter {batch}"})()

    def restore(self, event):
        self.made.append(("restore", event.version))
        return f"version {event.version}"

    def hurry(self):
        self.go.set()


def finished(worker, count):
    found, end = [], time.monotonic() + 10.0
    while len(found) < count and time.monotonic() < end:
        found += worker.done()
        time.sleep(0.001)
    return found


def test_takes_on_work_in_turn_with_the_batch_of_its_moment():
    tuning = Tuning()
    worker = Worker(tuning)
    worker.take_on(Learn(0, 0, 1))
    worker.take_on(Restore(7, 0))
    worker.take_on(Learn(0, 0, 2))
    assert worker.waiting == 3 and not list(worker.done())
    tuning.go.set()
    worker.start()
    adapters = [adapter for adapter, _ in finished(worker, 3)]
    assert adapters == ["adapter a", "version 7", "adapter b"]
    assert tuning.made == [(1, "a"), ("restore", 7), (2, "b")]
    worker.close()


def test_a_failed_update_is_raised_where_its_result_is_asked_for():
    tuning = Tuning()
    tuning.fails = True
    worker = Worker(tuning)
    worker.start()
    worker.take_on(Learn(0, 0, 1))
    tuning.go.set()
    with pytest.raises(ValueError, match="disk is full"):
        finished(worker, 1)
    worker.close()


def test_closing_ends_the_update_under_way_and_leaves_out_what_waits():
    tuning = Tuning()
    worker = Worker(tuning)
    worker.start()
    worker.take_on(Learn(0, 0, 1))
    worker.take_on(Learn(0, 0, 2))
    while worker.waiting > 1:  # the first one is under way
        time.sleep(0.001)
    worker.close()
    assert tuning.made == [(1, "a")]
