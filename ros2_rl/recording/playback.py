"""What to play to a node, and when to wait for its answer: the record says both.

An answer that the record holds at some point of its order must have been possible by then, so the
replayed node is waited for at that very point. Nothing depends on how fast either is.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from ros2_rl.cdr import header_stamp, layout_stamp
from ros2_rl.messages import JointOrder, base_estimate
from ros2_rl.policy.adapter import Adapter
from ros2_rl.recording.compare import Comparison, stack
from ros2_rl.recording.decode import Decoder
from ros2_rl.recording.reader import Bag
from ros2_rl.recording.replay_estimator import compare_estimates
from ros2_rl.recording.replay_learner import compare_adapters
from ros2_rl.recording.settings import RunSettings
from ros2_rl.recording.writer import Message
from ros2_rl.robots import BaseEstimate

_SENSORS = ("imu/data", "foot_forces", "joint_states")


@dataclass(frozen=True)
class Feed:
    """A node with what it is given and what it answers; the last answer is the one that is waited for."""

    node: str
    inputs: tuple[str, ...]
    answers: tuple[str, ...]


FEEDS = {
    "estimator": Feed("state_estimator", _SENSORS, ("contacts", "odom")),
    "executor": Feed(
        "policy_executor",
        (
            *_SENSORS[::2],
            "contacts",
            "odom",
            "cmd_vel",
            "learner/phase",
            "supervisor/state",
            "policy/adapter",
        ),
        ("policy/targets",),
    ),
    "learner": Feed("learner", ("supervisor/state", "policy/step"), ("policy/adapter",)),
}


@dataclass(frozen=True)
class Publish:
    """Send this message on the topic of that name."""

    name: str
    data: bytes


@dataclass(frozen=True)
class Await:
    """Wait for the answer with this number: a stamp in ns, or an adapter's version."""

    number: int


class Playback:
    """The script of a feed, and the comparison of what came back."""

    def __init__(self, bag: Bag, feed: str):
        """Raises RecordError when the record lacks an input or an answer."""
        self.feed, self._bag, self._decoder = FEEDS[feed], bag, Decoder(bag)
        self._awaited = self.feed.answers[-1]
        for name in (*self.feed.inputs[:1], *self.feed.answers):
            bag.full_name(name)

    def script(self) -> Iterator[Publish | Await]:
        """What to do, in order."""
        names = {self._bag.full_name(n): n for n in self.feed.inputs if self._bag.has(n)}
        awaited = self._bag.full_name(self._awaited)
        for message in self._bag.messages([*names, awaited]):
            if message.topic in names:
                yield Publish(names[message.topic], message.data)
            if message.topic == awaited and self._awaited not in self.feed.inputs:
                yield Await(self.number(self._awaited, message.data))

    def number(self, name: str, data: bytes) -> int:
        """What tells the answers of a topic apart."""
        if name == "policy/adapter":
            return self._adapter(data).version
        return layout_stamp(data) if name == "contacts" else header_stamp(data)

    def compare(self, answers: Mapping[str, Mapping[int, bytes]]) -> list[Comparison]:
        """Recorded and replayed answers; ``answers``: by topic and number."""
        if self.feed.node == "state_estimator":
            return self._compare_estimates(answers)
        if self.feed.node == "policy_executor":
            return self._compare_targets(answers["policy/targets"])
        recorded = {}
        for message in self._bag.messages([self._bag.full_name("policy/adapter")]):
            adapter = self._adapter(message.data)
            recorded[adapter.version] = (message.log_ns, adapter)
        replayed = {n: self._adapter(data) for n, data in answers["policy/adapter"].items()}
        return compare_adapters(recorded, replayed)

    def _recorded(self, name: str) -> dict[int, bytes]:
        found = self._bag.messages([self._bag.full_name(name)])
        return {self.number(name, message.data): message.data for message in found}

    def _compare_estimates(self, answers: Mapping[str, Mapping[int, bytes]]) -> list[Comparison]:
        recorded = {name: self._recorded(name) for name in self.feed.answers}
        pairs = []
        for number in recorded["odom"]:
            before = self._estimate(recorded, number)
            if before is not None:
                pairs.append((before, self._estimate(answers, number)))
        return compare_estimates(pairs, RunSettings(self._bag).robot().feet)

    def _estimate(self, answers: Mapping[str, Mapping[int, bytes]], number: int) -> BaseEstimate | None:
        odom, contacts = answers["odom"].get(number), answers["contacts"].get(number)
        if odom is None or contacts is None:
            return None
        probability = np.asarray(self._decode("contacts", contacts).data, dtype=np.float32)
        return base_estimate(self._decode("odom", odom), probability)

    def _compare_targets(self, answers: Mapping[int, bytes]) -> list[Comparison]:
        joints = RunSettings(self._bag).robot().joints
        order, rows = JointOrder(joints), []
        for number, data in self._recorded("policy/targets").items():
            then, now = order.command(self._decode("policy/targets", data)).q, np.full(len(joints), np.nan)
            if number in answers:
                now = order.command(self._decode("policy/targets", answers[number])).q
            rows.append((number, then, now))
        return [stack("targets", joints, rows)]

    def _adapter(self, data: bytes) -> Adapter:
        return Adapter.from_bytes(bytes(self._decode("policy/adapter", data).data))

    def _decode(self, name: str, data: bytes) -> Any:
        return self._decoder.decode(Message(self._bag.full_name(name), 0, 0, data))
