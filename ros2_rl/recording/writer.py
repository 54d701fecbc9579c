"""Writes a record: a rosbag2 folder with one MCAP file and its ``metadata.yaml``.

What was flushed is on the disk as a whole chunk and can be read even if nothing follows it.
"""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from mcap.writer import CompressionType, Writer

from ros2_rl.errors import RecordError
from ros2_rl.recording.definitions import definition, type_hash
from ros2_rl.recording.metadata import Span, metadata_yaml, offered_qos
from ros2_rl.recording.topics import Topic

_ONE_CHUNK_A_FLUSH = 2**40
PROFILE = "ros2"


@dataclass(slots=True)
class Message:
    """A message as it is kept."""

    topic: str
    """Full name of its topic."""
    log_ns: int
    """Robot time at which it was published, ns."""
    publish_ns: int
    """Wall time at which it was published, ns since the epoch."""
    data: bytes
    """Serialised (CDR)."""
    sequence: int = 0
    """Number that its writer gave it; 0 where none is known."""


class BagWriter:
    """One record. Topics are added first, then messages, which a flush makes safe."""

    def __init__(self, folder: Path):
        """Make the folder.

        Raises:
            RecordError: it holds a record already, or cannot be made.
        """
        self.folder = folder
        self.file = folder / f"{folder.name}_0.mcap"
        self.span = Span()
        self._topics: dict[str, Topic] = {}
        self._spans: dict[str, Span] = {}
        self._channels: dict[str, int] = {}
        self._schemas: dict[str, int] = {}
        self._custom: dict[str, str] = {}
        if self.file.exists():
            raise RecordError(f"The folder {folder} holds a record already; choose another one.")
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._stream = self.file.open("xb")
            self._writer = Writer(self._stream, _ONE_CHUNK_A_FLUSH, CompressionType.ZSTD)
            self._writer.start(PROFILE, "ros2_rl")
            self._stream.flush()
        except OSError as error:
            raise self._failed(error) from error

    @property
    def size(self) -> int:
        """Size of the file so far, bytes."""
        return self.file.stat().st_size if self._stream.closed else self._stream.tell()

    @property
    def counts(self) -> dict[str, int]:
        """Messages of each topic."""
        return {name: span.count for name, span in self._spans.items()}

    def add_topic(self, topic: Topic, text: str | None = None) -> None:
        """Make a topic known; ``text`` is its definition where that is not installed here."""
        if topic.name in self._channels:
            return
        if topic.type not in self._schemas:
            text = definition(topic.type) if text is None else text
            self._schemas[topic.type] = self._writer.register_schema(topic.type, "ros2msg", text.encode())
        about = {
            "offered_qos_profiles": yaml.safe_dump(offered_qos(topic), sort_keys=False),
            "topic_type_hash": type_hash(topic.type),
        }
        channel = self._writer.register_channel(topic.name, "cdr", self._schemas[topic.type], about)
        self._channels[topic.name], self._topics[topic.name] = channel, topic
        self._spans[topic.name] = Span()

    def write(self, message: Message) -> None:
        """Keep a message of a topic that was added; it is safe after the next flush."""
        self._writer.add_message(
            self._channels[message.topic], message.log_ns, message.data, message.publish_ns, message.sequence
        )
        self.span.add(message.log_ns)
        self._spans[message.topic].add(message.log_ns)

    def note(self, name: str, values: dict[str, str]) -> None:
        """Keep a table of facts under a name.

        Raises:
            RecordError: the disk is full or gone.
        """
        self._custom |= {f"{name}/{key}": value for key, value in values.items() if len(value) < 200}
        self._try(lambda: self._writer.add_metadata(name, values))

    def attach(self, name: str, media_type: str, data: bytes) -> None:
        """Keep a file.

        Raises:
            RecordError: the disk is full or gone.
        """
        self._try(lambda: self._writer.add_attachment(0, self.span.last_ns, name, media_type, data))

    def flush(self) -> None:
        """Bring everything to the disk, safe even from a power cut.

        Raises:
            RecordError: the disk is full or gone.
        """
        self._try(self._flush)

    def close(self) -> None:
        """Finish the file with its index, then write ``metadata.yaml``.

        Raises:
            RecordError: the disk is full or gone; what was flushed before can be read all the same.
        """
        self._try(self._finish)

    def _flush(self) -> None:
        self._writer.flush()
        os.fdatasync(self._stream.fileno())

    def _finish(self) -> None:
        self._writer.finish()
        self._flush()
        self._stream.close()
        counts = self.counts
        topics = [(topic, type_hash(topic.type), counts[name]) for name, topic in self._topics.items()]
        text = metadata_yaml(self.file.name, self.span, topics, self._custom)
        temporary = self.folder / ".metadata.yaml"
        temporary.write_text(text)
        temporary.replace(self.folder / "metadata.yaml")

    def _try(self, action: Any) -> None:
        try:
            action()
        except OSError as error:
            raise self._failed(error) from error

    def _failed(self, error: OSError) -> RecordError:
        return RecordError(
            f"The record {self.folder} cannot be written ({error.strerror}); free some space or "
            "choose another folder."
        )
