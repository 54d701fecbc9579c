"""Reads a record: a folder that the recorder (or ``ros2 bag record``) wrote, whole or not.

Opening looks through the file once; messages come one after the other, in the order in which they
were published, and are not kept.
"""

from collections.abc import Collection, Iterator
from heapq import heappop, heappush
from pathlib import Path

import yaml
from mcap.records import Attachment, Channel, Header, McapRecord, Metadata, Schema, Statistics
from mcap.records import Message as McapMessage

from ros2_rl.errors import RecordError
from ros2_rl.recording.scan import Scan
from ros2_rl.recording.topics import Topic, resolve
from ros2_rl.recording.writer import PROFILE, Message
from ros2_rl.robots import NS_PER_S

ABOUT = "ros2_rl"
"""Name of the note that tells of the run as a whole."""
_LATE_NS = 3 * NS_PER_S
"""A message was written at most this long after others that were published later, ns."""
FOLDER = "bag"
"""Where a run's folder has its record."""


class Bag:
    """An opened record.

    Attributes:
        topics: those in it, by full name.
        counts: messages of each topic.
        definitions: text of each message type.
        encodings: language of each definition, ``ros2msg`` or ``ros2idl``.
        notes: tables of facts, by name.
        files: attached files, by name.
    """

    def __init__(self, path: str | Path):
        """Open a run's folder, a record's folder or an MCAP file.

        Raises:
            RecordError: there is none, or nothing in it can be read.
        """
        self.path = Path(path).expanduser()
        self.topics: dict[str, Topic] = {}
        self.counts: dict[str, int] = {}
        self.definitions: dict[str, str] = {}
        self.encodings: dict[str, str] = {}
        self.notes: dict[str, dict[str, str]] = {}
        self.files: dict[str, bytes] = {}
        self._scans = [Scan(file) for file in find_files(self.path)]
        self._names: list[dict[int, str]] = [{} for _ in self._scans]
        self._schemas: dict[int, Schema] = {}
        for index, scan in enumerate(self._scans):
            self._look_through(index, scan)
        if not sum(self.counts.values()):
            raise RecordError(
                f"The record {self.path} has no messages: "
                "the recorder ended before its first second was over."
            )

    @property
    def damage(self) -> str:
        """A sentence that says what is missing and what can be saved; empty for a whole record."""
        unfinished = any(scan.unfinished for scan in self._scans)
        damaged = sum(scan.damaged for scan in self._scans)
        lost = sum(scan.lost_bytes for scan in self._scans)
        if not unfinished and not damaged:
            return ""
        reasons = ["its writer was ended before it could finish"] if unfinished else []
        reasons += [f"the last {lost} bytes are half a chunk"] if lost else []
        reasons += [f"{damaged} parts in the middle are damaged"] if damaged else []
        whole = sum(self.counts.values())
        return (
            f"The record {self.path} is not whole ({', '.join(reasons)}); {whole} messages can be read, and "
            f" ros2 run ros2_rl recover {self.path} makes a whole record of them."
        )

    @property
    def namespace(self) -> str:
        """Namespace of the robot; empty for none."""
        return self.notes.get(ABOUT, {}).get("namespace", "")

    def has(self, name: str) -> bool:
        """Whether there is a message of a topic, named as in the architecture."""
        return self.counts.get(resolve(name, self.namespace), 0) > 0

    def full_name(self, name: str) -> str:
        """Full name of a topic that must be there.

        Raises:
            RecordError: it has no messages.
        """
        if not self.has(name):
            there = ", ".join(sorted(name for name, count in self.counts.items() if count))
            raise RecordError(f"The record {self.path} has no {name}; it has {there}.")
        return resolve(name, self.namespace)

    def messages(self, topics: Collection[str] | None = None) -> Iterator[Message]:
        """Messages of these topics (full names), or of all, in the order of publication."""
        return _sorted(self._as_written(set(self.topics) if topics is None else set(topics)))

    def _as_written(self, wanted: set[str]) -> Iterator[Message]:
        for scan, names in zip(self._scans, self._names, strict=True):
            for record in scan.records():
                if isinstance(record, Channel):
                    names[record.id] = record.topic
                elif isinstance(record, McapMessage) and names.get(record.channel_id) in wanted:
                    name, data = names[record.channel_id], record.data
                    yield Message(name, record.log_time, record.publish_time, data, record.sequence)

    def span_s(self) -> tuple[float, float]:
        """Robot time of the first and the last message, s."""
        times = [message.log_ns for message in self.messages()]
        return min(times) / NS_PER_S, max(times) / NS_PER_S

    def _look_through(self, index: int, scan: Scan) -> None:
        """What is in a file: from its index, or by reading all of it where that is missing."""
        counted = False
        for record in scan.records(chunks=False):
            self._learn(index, record)
            if isinstance(record, Statistics):
                counted = True
                for channel, count in record.channel_message_counts.items():
                    name = self._names[index].get(channel)
                    if name is not None:
                        self.counts[name] += count
        if not counted:
            for record in scan.records():
                self._learn(index, record)
                if isinstance(record, McapMessage) and record.channel_id in self._names[index]:
                    self.counts[self._names[index][record.channel_id]] += 1

    def _learn(self, index: int, record: McapRecord) -> None:
        if isinstance(record, Header):
            self._check_profile(record)
        elif isinstance(record, Schema):
            self._schemas[record.id] = record
        elif isinstance(record, Channel):
            self._learn_channel(index, record)
        elif isinstance(record, Metadata):
            self.notes[record.name] = dict(record.metadata)
        elif isinstance(record, Attachment):
            self.files[record.name] = record.data

    def _learn_channel(self, index: int, channel: Channel) -> None:
        schema = self._schemas.get(channel.schema_id)
        if schema is None or channel.message_encoding != "cdr":
            return  # not a message of ROS 2
        self._names[index][channel.id] = channel.topic
        self.definitions[schema.name] = schema.data.decode(errors="replace")
        self.encodings[schema.name] = schema.encoding
        reliable, latched = _qos(channel.metadata.get("offered_qos_profiles", ""))
        self.topics[channel.topic] = Topic(channel.topic, schema.name, reliable, latched)
        self.counts.setdefault(channel.topic, 0)

    def _check_profile(self, header: Header) -> None:
        if header.profile not in (PROFILE, ""):
            raise RecordError(
                f"The record {self.path} was not made by ROS 2 but for '{header.profile}'; "
                "nothing in it can be used."
            )


def find_files(path: Path) -> list[Path]:
    """The MCAP files that belong to a path, in their order.

    Raises:
        RecordError: there are none.
    """
    if path.is_file():
        return [path]
    if not path.exists():
        raise RecordError(f"There is no record {path}; give the folder of a run or of its record.")
    folder = path / FOLDER if (path / FOLDER).is_dir() else path
    files = _listed(folder) or sorted(folder.glob("*.mcap"))
    if files:
        return files
    if list(folder.glob("*.db3")):
        raise RecordError(
            f"{folder} is a rosbag2 in SQLite storage; make an MCAP one of it with ros2 bag convert."
        )
    raise RecordError(f"The folder {path} holds no record; runs are recorded with record:=true.")


def _sorted(messages: Iterator[Message]) -> Iterator[Message]:
    """In the order of publication: a recorder that was held up has written some messages late."""
    held: list[tuple[int, int, Message]] = []
    for number, message in enumerate(messages):
        heappush(held, (message.publish_ns, number, message))
        while held[0][0] < message.publish_ns - _LATE_NS:
            yield heappop(held)[2]
    while held:
        yield heappop(held)[2]


def _listed(folder: Path) -> list[Path]:
    """The files that ``metadata.yaml`` names, where that can be read and they are there."""
    try:
        content = yaml.safe_load((folder / "metadata.yaml").read_text())
        names = content["rosbag2_bagfile_information"]["relative_file_paths"]
        files = [folder / str(name) for name in names]
    except (OSError, UnicodeDecodeError, yaml.YAMLError, KeyError, TypeError):
        return []
    return files if all(file.is_file() and file.suffix == ".mcap" for file in files) else []


def _qos(text: str) -> tuple[bool, bool]:
    """(reliable, latched) as a rosbag2 channel tells it; reliable and volatile where it does not."""
    try:
        (profile, *_) = yaml.safe_load(text)
        reliability, durability = str(profile["reliability"]), str(profile["durability"])
    except (yaml.YAMLError, KeyError, TypeError, ValueError):
        return True, False
    # By name, or by the numbers that older versions of rosbag2 write.
    return reliability in ("reliable", "1"), durability in ("transient_local", "1")
