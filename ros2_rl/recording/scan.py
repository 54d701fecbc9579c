"""Reads an MCAP file record by record, as far as it goes and past what is damaged.

A file whose writer was killed ends in the middle of a record and has no index; everything before
that is whole. A chunk carries a checksum, so that a damaged one is left out and not misread.
"""

import struct
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import IO, Any

import zstandard
from mcap.data_stream import ReadDataStream
from mcap.exceptions import McapError
from mcap.opcode import Opcode
from mcap.records import (
    Attachment,
    Channel,
    Chunk,
    Footer,
    Header,
    McapRecord,
    Message,
    Metadata,
    Schema,
    Statistics,
)
from mcap.stream_reader import breakup_chunk

from ros2_rl.errors import RecordError

MAGIC = b"\x89MCAP0\r\n"
_HEAD = struct.Struct("<BQ")
_KINDS: dict[int, Any] = {
    Opcode.HEADER: Header,
    Opcode.FOOTER: Footer,
    Opcode.SCHEMA: Schema,
    Opcode.CHANNEL: Channel,
    Opcode.CHUNK: Chunk,
    Opcode.METADATA: Metadata,
    Opcode.ATTACHMENT: Attachment,
    Opcode.STATISTICS: Statistics,
}
_UNREADABLE = (
    McapError, ValueError, struct.error, zstandard.ZstdError, RuntimeError, MemoryError, OverflowError,
)  # fmt: skip
"""What the parsers raise when the bytes make no sense (a RuntimeError is that of lz4)."""


class Scan:
    """One pass over a file.

    Attributes:
        unfinished: the file ends without its index: its writer was ended before it could finish.
        lost_bytes: bytes at the end of the file of which nothing can be made.
        damaged: chunks and records in the middle that had to be left out.
    """

    def __init__(self, path: Path):
        self.path = path
        self.unfinished = True
        self.lost_bytes = self.damaged = 0

    def records(self, chunks: bool = True) -> Iterator[McapRecord]:
        """All records in the file's order; without ``chunks`` what is in chunks is passed over.

        Raises:
            RecordError: the file cannot be opened or is no MCAP file.
        """
        self.unfinished, self.lost_bytes, self.damaged = True, 0, 0
        try:
            with self.path.open("rb") as file:
                check_magic(self.path, file.read(len(MAGIC)))
                yield from self._records(file, self.path.stat().st_size, chunks)
        except OSError as error:
            raise RecordError(
                f"The record {self.path} cannot be read ({error.strerror}); "
                "copy it anew from where it was made."
            ) from error

    def _records(self, file: IO[bytes], size: int, chunks: bool) -> Iterator[McapRecord]:
        while True:
            at = file.tell()
            head = file.read(_HEAD.size)
            if len(head) < _HEAD.size:
                self.lost_bytes = size - at
                return
            opcode, length = _HEAD.unpack(head)
            if length > size - file.tell():
                self.lost_bytes = size - at
                return
            if opcode == Opcode.CHUNK and not chunks:
                file.seek(length, 1)
                continue
            yield from self._parsed(opcode, file.read(length))
            if opcode == Opcode.FOOTER:
                self.unfinished = file.read(len(MAGIC)) != MAGIC
                return

    def _parsed(self, opcode: int, payload: bytes) -> Iterator[McapRecord]:
        kind: Any = Message if opcode == Opcode.MESSAGE else _KINDS.get(opcode)
        if kind is None:
            return
        stream = ReadDataStream(BytesIO(payload))
        try:
            record = Message.read(stream, len(payload)) if kind is Message else kind.read(stream)
            found = breakup_chunk(record, validate_crc=True) if isinstance(record, Chunk) else [record]
        except _UNREADABLE:
            self.damaged += 1
            return
        yield from found


def check_magic(path: Path, first: bytes) -> None:
    """Refuse what is no MCAP file.

    Raises:
        RecordError: a sentence that says what it is instead, as far as one can tell.
    """
    if first == MAGIC:
        return
    if not first:
        raise RecordError(f"The record {path} is empty; nothing can be saved from it.")
    if MAGIC.startswith(first):
        raise RecordError(f"The record {path} ends after {len(first)} bytes; nothing can be saved from it.")
    if first.startswith(b"SQLite"):
        raise RecordError(
            f"{path} is a rosbag2 file in SQLite storage; make an MCAP one of it with ros2 bag convert."
        )
    if first.startswith(b"#ROSBAG"):
        raise RecordError(f"{path} is a ROS 1 bag; make a rosbag2 of it with rosbags-convert.")
    raise RecordError(f"{path} is no MCAP file; give the folder that the recorder wrote.")
