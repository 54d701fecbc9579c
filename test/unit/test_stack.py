"""The process of all nodes: what is asked of it is served, however late it is with the robot's states."""

from functools import partial
from typing import Any, cast

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


class Inbox:
    """A subscription with messages in it; ``hear`` may put one into another's."""

    callback_group, msg_type, raw = None, object, False

    def __init__(self, name: str, log: list[str], *messages: str):
        self.name, self.log, self.waiting, self.fills = name, log, list(messages), None

    handle = property(lambda self: self)

    def __enter__(self) -> None: ...

    def __exit__(self, *_: object) -> None: ...

    def take_message(self, *_: object) -> tuple[str] | None:
        return (self.waiting.pop(0),) if self.waiting else None

    def callback(self, message: str) -> None:
        self.log.append(f"{self.name} {message}")
        if self.fills is not None:
            self.fills.waiting.append(message)


class Reader:
    """A node as the poller sees it."""

    def __init__(self, *subscriptions: Inbox):
        self.subscriptions = subscriptions


@pytest.mark.parametrize("needs_estimate", [True, False])
def test_a_target_is_served_before_anything_that_is_not_on_its_way(
    monkeypatch: pytest.MonkeyPatch, needs_estimate: bool
) -> None:
    class Estimator(Reader): ...

    class Pilot(Reader):
        def __init__(self, *subscriptions: Inbox):
            super().__init__(*subscriptions)
            self.needs_estimate = needs_estimate

        def tell(self) -> None:
            log.append("told")

    monkeypatch.setattr(stack, "PolicyExecutor", Pilot)
    monkeypatch.setattr(stack, "StateEstimator", Estimator)
    log: list[str] = []
    targets, states = Inbox("targets", log), Inbox("states", log, "1", "2")
    at_pilot, at_practice = Inbox("pilot", log, "1"), Inbox("practice", log, "1")
    at_estimator = Estimator(Inbox("estimator", log, "1"))
    at_pilot.fills = targets
    nodes: list[Any] = [Reader(targets, states), at_estimator, Pilot(at_pilot), Reader(at_practice)]
    poller = stack.Poller()
    poller._errands = poller._in_order(nodes)
    assert poller._round() and not poller._round()
    before, after = (["estimator 1"], []) if needs_estimate else ([], ["estimator 1"])
    way = ["states 1", "states 2", *before, "pilot 1", "targets 1", *after]
    assert log == [*way, "told", "practice 1", "told"]
    assert len(poller._in_order([nodes[0]])) > 0, "a process may hold only some of the nodes"


def test_a_late_simulator_shows_no_state_before_the_one_before_is_answered() -> None:
    log: list[str] = []
    states = Inbox("states", log)

    class Simulator(Reader):
        lockstep, due = False, ["1", "2"]

        def poll(self) -> None:
            states.waiting.append(self.due.pop(0))

        def listen(self) -> None:
            log.append("listens")

    simulator: Any = Simulator()
    poller = stack.Poller()
    poller._simulators = [simulator]
    poller._errands = poller._in_order([Reader(states), simulator])
    poller._round(), poller._round()
    assert log == ["states 1", "listens", "states 2", "listens"]


def test_between_two_states_of_a_robot_elsewhere_only_the_next_one_is_looked_for() -> None:
    log: list[str] = []
    states, other = Inbox("states", log, "1"), Inbox("other", log, "1")
    poller = stack.Poller()
    poller._errands = poller._in_order([Reader(states), Reader(other)])
    poller._state = partial(stack._serve, cast(Any, states))
    assert poller._look(0.0) and log == ["states 1", "other 1"]
    other.waiting.append("2")
    assert not poller._look(0.001) and len(log) == 2
    states.waiting.append("2")
    assert poller._look(0.0015) and log[2:] == ["states 2", "other 2"]
    other.waiting.append("3")
    assert poller._look(0.004) and log[4:] == ["other 3"], "it is not left alone for long"
