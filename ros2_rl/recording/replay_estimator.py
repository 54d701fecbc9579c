"""A record through the estimator: the same states, the same stamps, in this process."""

from collections.abc import Iterable, Iterator

import numpy as np

from ros2_rl.estimation import Estimator, EstimatorParams
from ros2_rl.messages import base_estimate
from ros2_rl.recording.compare import Comparison, stack
from ros2_rl.recording.decode import Decoder
from ros2_rl.recording.inputs import States
from ros2_rl.recording.reader import Bag
from ros2_rl.recording.settings import RunSettings
from ros2_rl.robots import BaseEstimate

_AXES = ("x", "y", "z")
_RECENT = 64
"""Estimates that are kept: an ``odom`` may come after the state that follows its own."""
_QUANTITIES = {
    "position": _AXES,
    "quat": ("w", "x", "y", "z"),
    "lin_vel": _AXES,
    "ang_vel": _AXES,
}


def replay_estimator(bag: Bag, params: EstimatorParams | None = None) -> list[Comparison]:
    """Estimate anew; with the recorded parameters everything is equal bit for bit.

    Raises:
        RecordError: the record has no states or no ``odom``.
    """
    settings = RunSettings(bag)
    robot = settings.robot()
    return compare_estimates(_pairs(bag, Estimator(robot, params or settings.estimator())), robot.feet)


def compare_estimates(
    pairs: Iterable[tuple[BaseEstimate, BaseEstimate | None]], feet: tuple[str, ...]
) -> list[Comparison]:
    """One comparison a quantity, of recorded and replayed estimates; None where there is none."""
    labels = _QUANTITIES | {"contacts": feet}
    rows: dict[str, list] = {name: [] for name in labels}
    for recorded, replayed in pairs:
        for name in labels:
            value = getattr(replayed, name) if replayed is not None else np.full(len(labels[name]), np.nan)
            # Contacts travel as float32.
            value = value.astype(np.float32) if name == "contacts" else value
            rows[name].append((recorded.stamp_ns, getattr(recorded, name), value))
    return [stack(name, labels[name], rows[name]) for name in labels]


def _pairs(bag: Bag, estimator: Estimator) -> Iterator[tuple[BaseEstimate, BaseEstimate | None]]:
    """Recorded and replayed estimate of every ``odom``; None where its state is not in the record."""
    join, decoder = States(bag, RunSettings(bag).robot()), Decoder(bag)
    odom, contacts = bag.full_name("odom"), bag.full_name("contacts")
    recent: dict[int, BaseEstimate] = {}
    last = np.zeros(len(RunSettings(bag).robot().feet))
    for message in bag.messages([*join.topics, odom, contacts]):
        if message.topic == contacts:
            last = np.asarray(decoder.decode(message).data, dtype=np.float32)
        elif message.topic == odom:
            recorded = base_estimate(decoder.decode(message), last)
            yield recorded, recent.pop(recorded.stamp_ns, None)
        elif (state := join.take(message)) is not None:
            estimate = estimator.update(state)
            recent[estimate.stamp_ns] = estimate
            if len(recent) > _RECENT:
                del recent[next(iter(recent))]
