"""From subscriptions to a record: order of publication, robot time, and what was lost.

Subscriptions are emptied one after the other, so their messages come out of order across topics.
They wait here until everything published before them must have come, and go on in the order in
which they were published.
"""

from collections.abc import Callable, Iterable
from operator import itemgetter

from ros2_rl.cdr import header_stamp, layout_stamp
from ros2_rl.recording.topics import TIMED, Topic, resolve
from ros2_rl.recording.writer import Message

_PUBLISHED = itemgetter(0, 1)


class Losses:
    """Counts what did not come, by the numbers that a topic's only writer gives its messages.

    With several writers on a topic the numbers cannot be told apart, and nothing is counted. Writers are
    looked at now and then only: a gap counts for good once a look has found one writer, and not at all
    where it finds a second, whose numbers they may have been.
    """

    def __init__(self) -> None:
        self._sure: dict[str, int] = {}
        self._since: dict[str, int] = {}
        """Found since the last look at the writers."""
        self._last: dict[str, int] = {}
        self._several: set[str] = set()

    @property
    def lost(self) -> dict[str, int]:
        """Messages by topic, as far as is known."""
        topics = sorted({*self._sure, *self._since})
        return {topic: self._sure.get(topic, 0) + self._since.get(topic, 0) for topic in topics}

    @property
    def total(self) -> int:
        return sum(self.lost.values())

    def writers(self, topic: str, count: int) -> None:
        """How many writers the topic has now."""
        found = self._since.pop(topic, 0)
        if count > 1:
            self._several.add(topic)
        elif topic in self._several:
            self._several.discard(topic)
            self._last.pop(topic, None)  # it may be of one that has left
        elif found:
            self._sure[topic] = self._sure.get(topic, 0) + found

    def heard(self, topic: str, sequence: int) -> None:
        """A message came; a number that is not larger than the last is that of a new writer."""
        last = self._last.get(topic)
        self._last[topic] = sequence
        if last is not None and sequence > last + 1 and topic not in self._several:
            self._since[topic] = self._since.get(topic, 0) + sequence - last - 1


class Stream:
    """Takes messages as they come and hands them on as they were published.

    Args:
        namespace: that of the robot whose time counts.
        start_ns: robot time until a state says otherwise, ns.
        sink: gets the messages of a flush, in order.
    """

    def __init__(self, namespace: str, start_ns: int, sink: Callable[[list[Message]], None]):
        self.losses = Losses()
        self.robot_ns = start_ns
        self._stamps = {resolve(name, namespace): header_stamp for name in TIMED}
        self._stamps[resolve("foot_forces", namespace)] = layout_stamp
        self._sink = sink
        self._waiting: list[tuple[int, int, str, int, bytes]] = []
        self._count = 0

    @property
    def waiting_bytes(self) -> int:
        return sum(len(entry[4]) for entry in self._waiting)

    def take(self, topic: str, data: bytes, publish_ns: int, sequence: int) -> None:
        """A message came; ``publish_ns`` is the wall time of its publication."""
        self._count += 1
        self.losses.heard(topic, sequence)
        self._waiting.append((publish_ns, self._count, topic, sequence, data))

    def flush(self, until_ns: int | None = None) -> None:
        """Hand on what was published before ``until_ns`` (wall time); everything without one."""
        self._waiting.sort(key=_PUBLISHED)
        ready = self._waiting
        if until_ns is not None:
            ready = [entry for entry in self._waiting if entry[0] < until_ns]
        self._waiting = self._waiting[len(ready) :]
        self._sink([self._stamped(*entry) for entry in ready])

    def _stamped(self, publish_ns: int, _: int, topic: str, sequence: int, data: bytes) -> Message:
        stamp_of = self._stamps.get(topic)
        if stamp_of is not None:
            self.robot_ns = stamp_of(data) or self.robot_ns
        return Message(topic, self.robot_ns, publish_ns, data, sequence)


def as_topics(topics: Iterable[Topic], namespace: str) -> dict[str, Topic]:
    """Topics with their full names, by name."""
    full = (Topic(resolve(t.name, namespace), t.type, t.reliable, t.latched) for t in topics)
    return {topic.name: topic for topic in full}
