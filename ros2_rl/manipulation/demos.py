"""Demonstrations on disk: one file an episode, with what it takes to know whose and which they are."""

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ros2_rl.errors import RecordError
from ros2_rl.manipulation.episode import Transition
from ros2_rl.manipulation.observation import WIDTH
from ros2_rl.manipulation.task import ArmTask

_SUFFIX = ".demo.npz"


@dataclass(frozen=True)
class Demos:
    """Transitions of all episodes in a row, float32 unless said otherwise."""

    obs: np.ndarray
    """(N, 21)."""
    actions: np.ndarray
    """Executed, (N, A), -1 to 1."""
    rewards: np.ndarray
    """(N,)."""
    next_obs: np.ndarray
    """(N, 21)."""
    terminals: np.ndarray
    """Nothing follows, (N,), bool."""
    truncated: np.ndarray
    """The last before a time limit, (N,), bool; what would have followed has a value."""
    labels: tuple[str, ...]
    """Whose action each was."""
    episodes: int

    def __len__(self) -> int:
        return len(self.rewards)


class DemoWriter:
    """Gathers an episode's transitions and writes it when it ends."""

    def __init__(self, folder: Path, task: ArmTask, successes_only: bool = True):
        """``successes_only``: an episode without success shows nothing and is left out."""
        self._folder, self._task, self._only = folder, task, successes_only
        self._open: list[Transition] = []
        self.written = self.left_out = 0

    def add(self, transition: Transition) -> Path | None:
        """Take a transition; the file of the episode that ended with it, if it is kept.

        An episode of which a transition is missing is left out.

        Raises:
            RecordError: the file cannot be written.
        """
        if self._open and transition.episode != self._open[0].episode:
            self._open, self.left_out = [], self.left_out + 1
        self._open.append(transition)
        if not (transition.terminal or transition.truncated):
            return None
        episode, self._open = self._open, []
        whole = [t.index for t in episode] == list(range(len(episode)))
        if not whole or (self._only and not transition.reward):
            self.left_out += 1
            return None
        return self._write(episode)

    def _write(self, episode: Sequence[Transition]) -> Path:
        path = self._folder / f"{self.written + 1:04d}{_SUFFIX}"
        partial = path.with_suffix(".partial")
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            with partial.open("wb") as file:
                columns: dict[str, Any] = {"about": json.dumps(_about(self._task)), **_columns(episode)}
                np.savez(file, **columns)
                os.fsync(file.fileno())
            partial.rename(path)
        except OSError as error:
            partial.unlink(missing_ok=True)
            raise RecordError(f"The demonstration {path} cannot be written ({error}); make room.") from None
        self.written += 1
        return path


def load_demos(folder: Path, task: ArmTask) -> Demos:
    """All demonstrations in a folder.

    Raises:
        RecordError: there are none, one is damaged, or of another robot, task or rate.
    """
    paths = sorted(folder.glob(f"*{_SUFFIX}"))
    if not paths:
        raise RecordError(f"There are no demonstrations in {folder}; record some first.")
    found = [_read(path, task) for path in paths]
    columns = {key: np.concatenate([one[key] for one in found]) for key in found[0]}
    labels = tuple(str(label) for label in columns.pop("labels"))
    return Demos(**columns, labels=labels, episodes=len(paths))


def _read(path: Path, task: ArmTask) -> dict[str, np.ndarray]:
    try:
        with np.load(path, allow_pickle=False) as data:
            about, columns = (
                json.loads(str(data["about"])),
                {key: data[key] for key in data if key != "about"},
            )
    except Exception as error:  # numpy, zip and JSON each have their own for a damaged file
        raise RecordError(f"The demonstration {path.name} is damaged ({error}); remove it.") from None
    for key, expected in _about(task).items():
        if about.get(key) != expected:
            raise RecordError(
                f"The demonstration {path.name} has the {key} {about.get(key)}, not {expected}; record anew."
            )
    if set(columns) != set(_columns([])) or not _sound(columns):
        raise RecordError(f"The demonstration {path.name} is damaged (its columns do not fit); remove it.")
    return columns


def _about(task: ArmTask) -> dict[str, object]:
    return {
        "robot": task.robot,
        "task": task.name,
        "step": task.step_dt,
        "actions": list(task.moves),
        "observation": WIDTH,
    }


def _columns(episode: Sequence[Transition]) -> dict[str, np.ndarray]:
    return {
        "obs": np.array([t.obs for t in episode], dtype=np.float32),
        "actions": np.array([t.action for t in episode], dtype=np.float32),
        "rewards": np.array([t.reward for t in episode], dtype=np.float32),
        "next_obs": np.array([t.next_obs for t in episode], dtype=np.float32),
        "terminals": np.array([t.terminal for t in episode], dtype=bool),
        "truncated": np.array([t.truncated for t in episode], dtype=bool),
        "labels": np.array([t.label for t in episode], dtype="U16"),
    }


def _sound(columns: dict[str, np.ndarray]) -> bool:
    counts = {len(column) for column in columns.values()}
    numbers = (columns[key] for key in ("obs", "actions", "rewards", "next_obs"))
    return len(counts) == 1 and 0 not in counts and all(bool(np.isfinite(n).all()) for n in numbers)
