"""Records of events alone: the seconds before something happened, and those after it.

A ring holds the newest messages in memory; an event writes them, and what follows for a while,
into a record of its own.
"""

from collections import deque
from collections.abc import Iterable
from pathlib import Path

from ros2_rl.recording.about import Description
from ros2_rl.recording.topics import Topic
from ros2_rl.recording.writer import BagWriter, Message
from ros2_rl.robots import NS_PER_S

RING_BYTES = 256 * 1024**2
"""Most that a ring holds, whatever its length in seconds."""


class Ring:
    """The messages of the last ``seconds`` of robot time, and the last one of every latched topic."""

    def __init__(self, seconds: float, max_bytes: int = RING_BYTES):
        self._length_ns, self._max_bytes = round(seconds * NS_PER_S), max_bytes
        self._held: deque[Message] = deque()
        self._bytes = 0
        self._latched: dict[str, Message] = {}

    def add(self, messages: Iterable[Message], latched: set[str]) -> None:
        """Take messages in their order; ``latched``: topics whose last message is kept for good."""
        for message in messages:
            self._held.append(message)
            self._bytes += len(message.data)
        while self._held and self._too_long():
            oldest = self._held.popleft()
            self._bytes -= len(oldest.data)
            if oldest.topic in latched:
                self._latched[oldest.topic] = oldest

    def contents(self) -> list[Message]:
        """What is held: first the last words of the latched topics from before, then the rest."""
        return [*self._latched.values(), *self._held]

    def _too_long(self) -> bool:
        # A robot whose time began anew has older messages with later stamps.
        age_ns = abs(self._held[-1].log_ns - self._held[0].log_ns)
        return age_ns > self._length_ns or self._bytes > self._max_bytes


class EventDetector:
    """Says when ``supervisor/state`` tells of something worth keeping."""

    _MODES = ("RECOVERY", "DAMPING", "ESTOP")
    _FAREWELL = "shutting down"

    def __init__(self) -> None:
        self._mode = ""

    def on_state(self, mode: str, values: dict[str, str]) -> str:
        """What has happened, as in ``recovery``; empty when nothing has."""
        before, self._mode = self._mode, mode
        if mode == before or mode not in self._MODES or values.get("reason") == self._FAREWELL:
            return ""
        return mode.lower()


class EventRecords:
    """Keeps a ring, and writes a record ``<number>-<stamp>-<what>`` for each event."""

    def __init__(self, folder: Path, about: Description, before_s: float, after_s: float):
        """``before_s`` and ``after_s`` of robot time around an event are kept.

        An event within the time after another makes that record longer.
        """
        self.count = 0
        self._folder, self._about = folder, about
        self._ring, self._after_ns = Ring(before_s), round(after_s * NS_PER_S)
        self._topics: dict[str, Topic] = {}
        self._records = 0
        self._writer: BagWriter | None = None
        self._until_ns = 0
        self._finished_bytes = 0

    @property
    def size(self) -> int:
        return self._finished_bytes + (self._writer.size if self._writer else 0)

    def add_topic(self, topic: Topic) -> None:
        self._topics[topic.name] = topic

    def add(self, messages: list[Message]) -> None:
        self._ring.add(messages, {name for name, topic in self._topics.items() if topic.latched})
        if self._writer is not None and messages:
            self._write(self._writer, messages)
            if not 0 <= self._until_ns - messages[-1].log_ns <= self._after_ns:
                self._end()

    def flush(self) -> None:
        if self._writer is not None:
            self._writer.flush()

    def note(self, name: str, values: dict[str, str]) -> None:
        """Kept for the records to come."""
        self._about.notes[name] = values

    def keep(self, what: str) -> str:
        held = self._ring.contents()
        now_ns = held[-1].log_ns if held else 0
        self._until_ns = now_ns + self._after_ns
        if self._writer is None:
            self._records += 1
            name = f"{self._records:03d}-{now_ns / NS_PER_S:.2f}s-{what}"
            self._writer = BagWriter(self._folder / name)
            self._about.write(self._writer)
            self._write(self._writer, held)
        return f"the seconds around it are kept in {self._writer.folder}"

    def finish(self, figures: dict[str, str]) -> None:
        if self._writer is not None:
            self._writer.note("recorder", figures)
            self._end()

    def _write(self, writer: BagWriter, messages: list[Message]) -> None:
        for message in messages:
            writer.add_topic(self._topics[message.topic])
            writer.write(message)
        self.count += len(messages)

    def _end(self) -> None:
        assert self._writer is not None
        self._writer.close()
        self._finished_bytes += self._writer.size
        self._writer = None
