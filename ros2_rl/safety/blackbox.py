"""What happened in the second before an event, kept in memory and written as one small file an event.

A file is a numpy archive: arrays over the states of that second, and ``about``, a JSON text that says what
happened. Writing is a thread's work; nothing on the way to a command waits for a disk.
"""

import json
import os
import queue
import threading
from collections import deque
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ros2_rl.robots import NS_PER_S, JointCommand, RobotState
from ros2_rl.safety.modes import Mode, Snapshot

MOST_FILES = 500
"""A guard that chatters must not fill the disk."""
_OF_STATE = ("stamp_ns", "q", "dq", "tau", "quat", "gyro", "accel")
_OF_COMMAND = ("q", "dq", "tau", "gains")


@dataclass(frozen=True, slots=True)
class Entry:
    """A state, its answer, and the mode in which it was answered."""

    state: RobotState
    command: JointCommand | None
    mode: Mode


class BlackBox:
    """Holds the entries of the last ``seconds`` of robot time."""

    def __init__(self, seconds: float = 1.0):
        self._length_ns = round(seconds * NS_PER_S)
        self._held: deque[Entry] = deque()

    def add(self, entry: Entry) -> None:
        """Take an entry; one whose stamp goes back begins anew."""
        held, now_ns = self._held, entry.state.stamp_ns
        held.append(entry)
        while not 0 <= now_ns - held[0].state.stamp_ns <= self._length_ns:
            held.popleft()

    def contents(self) -> tuple[Entry, ...]:
        """Oldest first."""
        return tuple(self._held)


def write_event(path: Path, about: Snapshot, entries: tuple[Entry, ...]) -> None:
    """Write a file that is whole or not there.

    Raises:
        OSError: it cannot be written.
    """
    arrays: dict[str, Any] = {n: np.array([getattr(e.state, n) for e in entries]) for n in _OF_STATE}
    answered = [e.command for e in entries if e.command is not None]
    if len(answered) == len(entries):
        arrays |= {f"command_{name}": np.array([getattr(c, name) for c in answered]) for name in _OF_COMMAND}
    arrays["mode"] = np.array([str(e.mode) for e in entries])
    arrays["about"] = np.array(json.dumps(asdict(about)))
    part = path.with_suffix(".part")
    try:
        with part.open("wb") as file:
            np.savez(file, **arrays)
            file.flush()
            os.fsync(file.fileno())
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)


def read_event(path: Path) -> tuple[dict, dict[str, np.ndarray]]:
    """What happened, and the arrays of the second before it; see :func:`write_event`."""
    with np.load(path) as archive:
        arrays = {name: archive[name] for name in archive.files}
    return json.loads(str(arrays.pop("about"))), arrays


class EventWriter:
    """Writes events into a folder, from a thread of its own.

    Attributes:
        written: files that are whole.
        lost: events of which there is no file.
        fault: why the last one was lost; empty when none was.
    """

    def __init__(self, folder: Path):
        self._folder, self._number = folder, len(list(folder.glob("*.npz")))
        self.written = self.lost = 0
        self.fault = ""
        self._queue: queue.SimpleQueue[tuple[Snapshot, tuple[Entry, ...]] | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._work, name="events", daemon=True)
        self._thread.start()

    def keep(self, about: Snapshot, entries: tuple[Entry, ...]) -> None:
        """Take an event; returns at once."""
        self._queue.put((about, entries))

    def close(self) -> None:
        """Write what has been taken, and end."""
        self._queue.put(None)
        self._thread.join(timeout=2.0)

    def _work(self) -> None:
        while (event := self._queue.get()) is not None:
            self._write(*event)

    def _write(self, about: Snapshot, entries: tuple[Entry, ...]) -> None:
        self._number += 1
        what = (about.event or about.mode).lower().replace(" ", "-")
        name = f"{self._number:04d}-{about.stamp_ns / NS_PER_S:.3f}s-{what}.npz"
        try:
            if self._number > MOST_FILES:
                raise OSError(0, f"there are {MOST_FILES} files already")
            self._folder.mkdir(parents=True, exist_ok=True)
            write_event(self._folder / name, about, entries)
            self.written += 1
        except OSError as error:
            self.lost += 1
            self.fault = f"{name} could not be written: {error.strerror or error}"
