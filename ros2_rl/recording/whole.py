"""Where a recorder puts what it hears: everything into one record.

The other way, the seconds around events alone, is in ``ring.py``.
"""

from pathlib import Path
from typing import Protocol

from ros2_rl.recording.about import Description
from ros2_rl.recording.topics import Topic
from ros2_rl.recording.writer import BagWriter, Message


class Sink(Protocol):
    """What a recorder writes to. All but ``size`` and ``count`` raise RecordError when it cannot be done."""

    @property
    def size(self) -> int:
        """Bytes on the disk so far."""

    @property
    def count(self) -> int:
        """Messages written so far."""

    def add_topic(self, topic: Topic) -> None:
        """A topic is recorded from now on."""

    def add(self, messages: list[Message]) -> None:
        """Take messages in their order."""

    def flush(self) -> None:
        """Make safe what was taken."""

    def note(self, name: str, values: dict[str, str]) -> None:
        """Keep a table of facts."""

    def keep(self, what: str) -> str:
        """Something has happened; says where its seconds are kept."""

    def finish(self, figures: dict[str, str]) -> None:
        """End the record with the recorder's own figures."""


class WholeRecord:
    """Everything, into one record."""

    def __init__(self, folder: Path, about: Description):
        """Begin the record.

        Raises:
            RecordError: it cannot be written, or there is one already.
        """
        self._writer = BagWriter(folder)
        about.write(self._writer)
        self._writer.flush()

    @property
    def size(self) -> int:
        return self._writer.size

    @property
    def count(self) -> int:
        return self._writer.span.count

    def add_topic(self, topic: Topic) -> None:
        self._writer.add_topic(topic)

    def add(self, messages: list[Message]) -> None:
        for message in messages:
            self._writer.write(message)

    def flush(self) -> None:
        self._writer.flush()

    def note(self, name: str, values: dict[str, str]) -> None:
        self._writer.note(name, values)

    def keep(self, what: str) -> str:
        return f"everything is recorded anyway, in {self._writer.folder}"

    def finish(self, figures: dict[str, str]) -> None:
        self._writer.note("recorder", figures)
        self._writer.close()
