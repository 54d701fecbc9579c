"""Checkpoints of the learner: whole or not there, verified when they are read.

A checkpoint is a folder ``update-000012`` with the trainable weights (``weights.safetensors``),
what only training needs (``training.pt``, tensors and plain values) and ``state.json``, which
carries the SHA-256 of both. It is written under another name and renamed when it is complete.
"""

import hashlib
import io
import json
import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import safetensors.torch
import torch
from safetensors import SafetensorError

from ros2_rl.errors import ConfigError
from ros2_rl.policy.adapter import Adapter, merge
from ros2_rl.policy.onnx_policy import OnnxPolicy, write_bytes

FORMAT = "ros2_rl.checkpoint.2"
_WEIGHTS, _TRAINING, _STATE = "weights.safetensors", "training.pt", "state.json"
_PREFIX = "update-"


class Learner(Protocol):
    """What can be kept; both learners are."""

    def state_dict(self) -> dict[str, Any]: ...
    def load_state_dict(self, state: dict[str, Any]) -> None: ...


@dataclass(frozen=True)
class Restored:
    """What was read."""

    path: Path
    counters: dict[str, Any]
    """As given to :meth:`CheckpointStore.save`."""
    notes: tuple[str, ...]
    """One sentence for each newer checkpoint that could not be used."""


class CheckpointStore:
    """The newest checkpoints of a run, in one folder."""

    def __init__(self, folder: str | os.PathLike, keep: int = 3):
        """``keep`` checkpoints are kept, older ones are deleted."""
        self.folder, self.keep = Path(folder), keep

    def save(self, agent: Learner, counters: dict[str, Any] | None = None) -> Path:
        """Write a checkpoint; ``counters`` is anything that JSON can hold.

        Raises:
            ConfigError: the folder cannot be written or the disk is full; nothing is left behind.
        """
        state = agent.state_dict()
        path = self.folder / f"{_PREFIX}{state['updates']:06d}"
        temporary = self.folder / f".{path.name}.{os.getpid()}"
        try:
            temporary.mkdir(parents=True, exist_ok=True)
            _write(temporary, state, counters or {})
            _replace(temporary, path)
        except OSError as error:
            raise ConfigError(
                f"The checkpoint {path} cannot be written ({error.strerror}); "
                "free some space or choose another folder."
            ) from error
        finally:
            shutil.rmtree(temporary, ignore_errors=True)
        self._prune()
        return path

    def load_latest(self, agent: Learner) -> Restored | None:
        """Restore the newest checkpoint that is intact; None when the folder holds none.

        Raises:
            ConfigError: there are checkpoints, but none is intact, or it belongs to another base.
        """
        notes: list[str] = []
        for path in reversed(self.paths()):
            try:
                state, counters = _read(path)
            except (OSError, ValueError, KeyError, RuntimeError, EOFError, SafetensorError) as error:
                notes.append(f"The checkpoint {path.name} is damaged ({_line(error)}); it was left out.")
                continue
            agent.load_state_dict(state)
            return Restored(path, counters, tuple(notes))
        if notes:
            raise ConfigError(f"No checkpoint in {self.folder} is intact; start without it. {notes[0]}")
        return None

    def paths(self) -> list[Path]:
        """The complete checkpoints, the newest last."""
        return sorted(p for p in self.folder.glob(f"{_PREFIX}*") if p.is_dir())

    def _prune(self) -> None:
        for path in self.paths()[: -self.keep]:
            shutil.rmtree(path, ignore_errors=True)


def export_merged(path: str | os.PathLike, policy: OnnxPolicy, adapter: Adapter) -> None:
    """Write the base policy with an adapter merged into it as an ONNX file with its contract.

    Raises:
        ConfigError: the file cannot be written.
    """
    try:
        write_bytes(path, merge(policy.model, adapter))
    except OSError as error:
        raise ConfigError(
            f"The policy {path} cannot be written ({error.strerror}); free some space or choose another path."
        ) from error


def _write(folder: Path, state: dict[str, Any], counters: dict[str, Any]) -> None:
    weights = {f"{part}.{name}": t for part in ("actor", "critic") for name, t in state[part].items()}
    training = {k: v for k, v in state.items() if k not in ("actor", "critic", "config")}
    buffer = io.BytesIO()
    torch.save(training, buffer)
    files = {_WEIGHTS: safetensors.torch.save(weights), _TRAINING: buffer.getvalue()}
    about = {
        "format": FORMAT,
        "base_sha256": state["base_sha256"],
        "updates": state["updates"],
        "config": state["config"],
        "counters": counters,
        "sha256": {name: hashlib.sha256(data).hexdigest() for name, data in files.items()},
    }
    for name, data in (*files.items(), (_STATE, json.dumps(about, indent=2).encode())):
        _write_synced(folder / name, data)


def _read(path: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    about = json.loads((path / _STATE).read_text())
    if about["format"] != FORMAT:
        raise ValueError(f"its format is {about['format']}, not {FORMAT}")
    files = {name: (path / name).read_bytes() for name in (_WEIGHTS, _TRAINING)}
    for name, data in files.items():
        if hashlib.sha256(data).hexdigest() != about["sha256"][name]:
            raise ValueError(f"{name} is not what was written")
    state = torch.load(io.BytesIO(files[_TRAINING]), weights_only=True)
    state |= {"config": about["config"], "actor": {}, "critic": {}}
    for key, tensor in safetensors.torch.load(files[_WEIGHTS]).items():
        part, name = key.split(".", 1)
        state[part][name] = tensor
    return state, about["counters"]


def _write_synced(path: Path, data: bytes) -> None:
    with path.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def _replace(temporary: Path, path: Path) -> None:
    """Move a complete folder to its name; one that is there already is what a resumed run repeats."""
    if path.exists():
        shutil.rmtree(path)
    temporary.rename(path)
    for folder in (path, path.parent):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _line(error: Exception) -> str:
    return str(error).splitlines()[0] if str(error) else type(error).__name__
