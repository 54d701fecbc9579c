"""The process of all nodes: what is asked of it is served, however late it is with the robot's states."""

from typing import Any

import pytest

from ros2_rl.nodes import stack


class Late:
    """A simulator whose next state is always overdue."""

    def left_s(self, now: float) -> float:
        return -0.1


class Counting:
    """An executor that counts its turns."""

    turns = 0

    def spin_once(self, timeout_sec: float) -> None:
        self.turns += 1


def test_a_machine_that_does_not_keep_up_still_serves_what_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [0.0]

    def passing() -> float:
        clock[0] += 1e-3
        assert clock[0] < 10.0, "the turn never ends"
        return clock[0]

    monkeypatch.setattr(stack.time, "monotonic", passing)
    monkeypatch.setattr(stack.time, "sleep", lambda _: None)
    poller: Any = stack.Poller()
    supervisor, other = Counting(), Counting()
    poller._first, poller._paced = supervisor, [Late()]
    poller._others.append(other)
    for _ in range(3):
        poller.turn([], None)
    assert supervisor.turns == other.turns == 3
