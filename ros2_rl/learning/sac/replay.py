"""Experience that is kept: a ring of transitions, each with a label that says whose step it was.

Of what a transition consists, only ``reward``, ``terminal`` and ``next_...`` are known here: a replay has
named fields of fixed widths, and an identity (robot, task, rate, reward, base policy) that a file carries, so
that only what fits is ever mixed.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save

from ros2_rl.errors import ConfigError
from ros2_rl.policy.onnx_policy import write_bytes

LABELS = ("policy", "human", "recovery")
FORMAT = "ros2_rl.replay.1"
_LABEL, _NEXT = "label", "next_"
_FIRST_ROWS = 4096

Batch = dict[str, torch.Tensor]
"""Fields of some transitions, (N, width) or (N,)."""


class Replay:
    """The newest transitions, at most ``capacity`` of them."""

    def __init__(self, widths: Mapping[str, int], identity: Mapping[str, str], capacity: int):
        """``widths``: numbers of each field; 0 for a single number without an axis of its own."""
        self.widths, self.identity, self.capacity = dict(widths), dict(identity), capacity
        self._table = torch.zeros(0, sum(max(width, 1) for width in self.widths.values()))
        """All fields side by side, so that a batch is gathered at once; ``_rows`` are its columns by name."""
        self._rows: Batch = {}
        self._among: dict[tuple[str, ...], torch.Tensor] = {}
        """Rows of the labels that were asked for since the last were added."""
        self._goes_on = torch.zeros(0, dtype=torch.bool)
        """Whether a row's successor is the one after it, (rows,)."""
        self._size = self._next = 0
        self._reserve(min(_FIRST_ROWS, capacity))

    def __len__(self) -> int:
        return self._size

    @property
    def labels(self) -> torch.Tensor:
        """Whose steps they are, (N,), index of LABELS."""
        return self._rows[_LABEL][: self._size]

    def counts(self) -> dict[str, int]:
        """Transitions of each label."""
        found = np.bincount(self.labels.numpy(), minlength=len(LABELS))
        return dict(zip(LABELS, found.tolist(), strict=True))

    def add(self, fields: Mapping[str, np.ndarray], labels: np.ndarray) -> None:
        """Append transitions, oldest first: labels (N,) index LABELS.

        Raises:
            ValueError: a field is missing, or its shape or a label is wrong.
        """
        count = len(labels)
        if count and not 0 <= np.min(labels) <= np.max(labels) < len(LABELS):
            raise ValueError(f"a label is not within 0 to {len(LABELS) - 1}")
        new = {_LABEL: torch.as_tensor(np.asarray(labels, np.uint8))}
        for name, width in self.widths.items():
            wanted = (count, width) if width else (count,)
            if name not in fields or np.shape(fields[name]) != wanted:
                raise ValueError(f"{name} has the shape {np.shape(fields.get(name, ()))}, not {wanted}")
            new[name] = torch.as_tensor(np.asarray(fields[name], np.float32))
        self._append(new, count)

    def sample(
        self,
        count: int,
        generator: torch.Generator,
        sources: Sequence[str] = LABELS,
        steps: int = 1,
        gamma: float = 1.0,
    ) -> Batch:
        """``count`` transitions drawn with replacement from those of the named labels.

        Each leads ``steps`` steps on, or as far as the same one went on acting: ``reward`` is then the
        discounted sum, what is called ``next_...`` and ``terminal`` are those of the last step, and
        ``discount`` is that of what follows.

        Raises:
            ValueError: there is none.
        """
        among = self._of(tuple(sources))
        if not len(among):
            raise ValueError(f"the replay has no steps of {', '.join(sources)}")
        drawn = among[torch.randint(len(among), (count,), generator=generator)]
        last, reward, discount = self._ahead(drawn, steps, gamma)
        begins, ends = self._columns(self._table[drawn]), self._columns(self._table[last])
        batch = {
            name: (ends if name.startswith(_NEXT) or name == "terminal" else begins)[name]
            for name in self.widths
        }
        return batch | {"reward": reward, "discount": discount}

    def _of(self, sources: tuple[str, ...]) -> torch.Tensor:
        """Numbers of the rows with one of these labels, (M,)."""
        if sources not in self._among:
            wanted = torch.tensor([label in sources for label in LABELS])
            self._among[sources] = torch.nonzero(wanted[self.labels.long()])[:, 0]
        return self._among[sources]

    def _ahead(
        self, drawn: torch.Tensor, steps: int, gamma: float
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """The rows to which so many steps lead, what is earned on the way, and its discount, (N,) each."""
        last = drawn
        reward, discount = self._rows["reward"][drawn], torch.full((len(drawn),), gamma)
        going = torch.ones(len(drawn), dtype=torch.bool)
        for _ in range(steps - 1):
            then = (last + 1) % self._size
            going = going & self._goes_on[last]
            reward = reward + torch.where(going, discount * self._rows["reward"][then], 0.0)
            discount = torch.where(going, discount * gamma, discount)
            last = torch.where(going, then, last)
        return last, reward, discount

    def newest(self, count: int) -> Batch:
        """The last ``count`` transitions, or as many as there are."""
        rows = (self._next - 1 - torch.arange(min(count, self._size))) % self.capacity
        return {name: self._rows[name][rows] for name in self.widths}

    def tensors(self) -> Batch:
        """Everything, the oldest first, with the labels under ``label``."""
        order = (torch.arange(self._size) + (self._next if self._size == self.capacity else 0)) % max(
            self._size, 1
        )
        return {name: rows[order].clone() for name, rows in self._rows.items()}

    def restore(self, tensors: Batch) -> None:
        """Inverse of :meth:`tensors`."""
        self._size = self._next = 0
        self._append(tensors, len(tensors[_LABEL]))

    # ------------------------------------------------------------------- files

    def save(self, path: Path) -> None:
        """Write a safetensors file; it appears whole or not at all.

        Raises:
            ConfigError: it cannot be written.
        """
        metadata = {"format": FORMAT, "identity": json.dumps(self.identity)}
        try:
            write_bytes(path, save(self.tensors(), metadata))
        except OSError as error:
            raise ConfigError(
                f"The replay {path} cannot be written ({error.strerror}); free some space."
            ) from error

    def load(self, path: Path) -> None:
        """Take everything from a file.

        Raises:
            ConfigError: it cannot be read, or its experience is of another robot, task, rate, reward
                or base policy; the sentence says what differs.
        """
        tensors = _read(path, self.identity)
        shapes = {name: (width,) if width else () for name, width in self.widths.items()}
        wrong = [n for n, shape in shapes.items() if n not in tensors or tensors[n].shape[1:] != shape]
        if wrong or len({len(t) for t in tensors.values()} | {len(tensors.get(_LABEL, ()))}) != 1:
            raise ConfigError(
                f"The replay {path} has other fields than this learner's ({', '.join(wrong) or 'lengths'}); "
                "start without it."
            )
        if not all(torch.isfinite(tensor).all() for tensor in tensors.values()):
            raise ConfigError(f"The replay {path} has a number that is not finite; start without it.")
        self.restore({name: tensors[name] for name in (*self.widths, _LABEL)})

    # ------------------------------------------------------------------ storage

    def _append(self, new: Batch, count: int) -> None:
        keep = min(count, self.capacity)
        self._reserve(min(self._size + keep, self.capacity))
        index = (self._next + torch.arange(keep)) % self.capacity
        for name, rows in self._rows.items():
            rows[index] = new[name][count - keep :]
        self._link(index)
        self._among.clear()
        self._next = (self._next + keep) % self.capacity
        self._size = min(self._size + keep, self.capacity)

    def _link(self, index: torch.Tensor) -> None:
        """Say which of the rows before new ones (N,) these continue; the newest has no successor yet.

        A row continues the one before it if it begins as that ends and is of the same label.
        """
        rows, then = self._rows, index if self._size else index[1:]
        last = (then - 1) % self.capacity
        going = (rows["terminal"][last] == 0.0) & (rows[_LABEL][then] == rows[_LABEL][last])
        for name in self.widths:
            if name.startswith(_NEXT):
                follows = rows[name][last] == rows[name.removeprefix(_NEXT)][then]
                going = going & (follows if follows.ndim == 1 else follows.all(-1))
        self._goes_on[last] = going
        self._goes_on[index[-1:]] = False

    def _reserve(self, count: int) -> None:
        """Room for ``count`` transitions; it doubles, so that a short run takes little memory."""
        have = len(self._rows.get(_LABEL, ()))
        if count <= have:
            return
        rows = min(max(count, 2 * have), self.capacity)
        labels = self._rows.get(_LABEL, torch.zeros(0, dtype=torch.uint8))
        self._table, labels, self._goes_on = (
            torch.cat((old, old.new_zeros(rows - have, *old.shape[1:])))
            for old in (self._table, labels, self._goes_on)
        )
        self._rows = {**self._columns(self._table), _LABEL: labels}

    def _columns(self, table: torch.Tensor) -> Batch:
        """Views of rows of the table (N, all) by the fields' names."""
        parts = table.split([max(width, 1) for width in self.widths.values()], dim=1)
        named = zip(self.widths.items(), parts, strict=True)
        return {name: part if width else part[:, 0] for (name, width), part in named}


def differences(theirs: Mapping[str, str], ours: Mapping[str, str]) -> str:
    """What of two identities differs, as a phrase; empty when nothing does."""
    keys = sorted({*theirs, *ours})
    found = [k for k in keys if theirs.get(k) != ours.get(k)]
    return "; ".join(f"its {k} is {theirs.get(k, 'unknown')}, not {ours.get(k, 'unknown')}" for k in found)


def _read(path: Path, identity: Mapping[str, str]) -> Batch:
    """The tensors of a file whose identity is ``identity``."""
    try:
        with safe_open(str(path), "pt") as file:
            metadata = file.metadata() or {}
            if metadata.get("format") != FORMAT:
                raise ValueError(f"its format is {metadata.get('format')}, not {FORMAT}")
            theirs = json.loads(metadata["identity"])
            tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
    except (OSError, ValueError, KeyError, SafetensorError) as error:
        raise ConfigError(f"The replay {path} cannot be read ({error}); start without it.") from error
    if phrase := differences(theirs, identity):
        raise ConfigError(f"The replay {path} does not belong to this run: {phrase}; start without it.")
    return tensors
