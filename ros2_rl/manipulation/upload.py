"""What an arm's executor tells the learner, on ``policy/step``: each transition, and how an episode ended.

Both on one topic, so that they come in the order in which they happened.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ros2_rl.manipulation.episode import Note, Stage, Transition
from ros2_rl.robots import NS_PER_S

OUTCOMES = ("success", "time limit", "failure")
_LABELS = ("policy", "human")
_ARRAYS = ("obs", "action", "reward", "next_obs")
_FLAGS = ("terminal", "truncated")
_INTEGERS = ("sec", "nanosec", "episode", "index", "label", *_FLAGS)
_END = ("sec", "nanosec", "episode", "steps", "outcome")

Dims = list[tuple[str, int]]
"""Label and size of each dimension of a multi-array."""


@dataclass(frozen=True, slots=True)
class EpisodeEnd:
    """An episode is over."""

    number: int
    outcome: str
    """One of OUTCOMES."""
    steps: int
    """Transitions that were sent of it."""
    stamp_ns: int


class Uploads:
    """Puts what an executor experienced and announced into the order in which the learner is to hear it."""

    def __init__(self) -> None:
        self._sent = 0

    def of(self, transitions: Sequence[Transition], notes: Sequence[Note]) -> list[Transition | EpisodeEnd]:
        """Of one control step."""
        items: list[Transition | EpisodeEnd] = [*transitions]
        self._sent += len(transitions)
        for note in notes:
            if note.stage is Stage.LIFT and note.outcome:
                items.append(EpisodeEnd(note.number - 1, note.outcome, self._sent, note.stamp_ns))
                self._sent = 0
        return items


def pack(item: Transition | EpisodeEnd) -> tuple[np.ndarray, Dims]:
    """Flat float32 data and the dimensions of a multi-array; integers are sizes of dimensions."""
    sec, nanosec = divmod(item.stamp_ns, NS_PER_S)
    if isinstance(item, EpisodeEnd):
        end = (sec, nanosec, item.number, item.steps, OUTCOMES.index(item.outcome))
        return np.zeros(0, np.float32), list(zip(_END, end, strict=True))
    numbers = (
        sec, nanosec, item.episode, item.index, _LABELS.index(item.label), item.terminal, item.truncated
    )  # fmt: skip
    parts = [np.atleast_1d(np.asarray(getattr(item, name), np.float32)) for name in _ARRAYS]
    dims = [(name, int(number)) for name, number in zip(_INTEGERS, numbers, strict=True)]
    dims += [(name, part.size) for name, part in zip(_ARRAYS, parts, strict=True)]
    return np.concatenate(parts), dims


def unpack(data: Sequence[float] | np.ndarray, dims: Dims) -> Transition | EpisodeEnd:
    """Inverse of :func:`pack`.

    Raises:
        ValueError: a part is missing, a number is no index, or the sizes do not add up.
    """
    sizes = dict(dims)
    ends = "outcome" in sizes
    names = _END if ends else (*_INTEGERS, *_ARRAYS)
    missing = [name for name in names if name not in sizes]
    if missing:
        raise ValueError(f"policy/step lacks {', '.join(missing)}")
    stamp_ns = sizes["sec"] * NS_PER_S + sizes["nanosec"]
    if ends:
        outcome = _at(OUTCOMES, sizes["outcome"])
        return EpisodeEnd(sizes["episode"], outcome, sizes["steps"], stamp_ns)
    parts = _split(np.asarray(data, np.float32), [sizes[name] for name in _ARRAYS])
    obs, action, reward, next_obs = parts
    if reward.size != 1 or obs.size != next_obs.size or not all(np.isfinite(part).all() for part in parts):
        raise ValueError("policy/step has parts that do not fit or are not finite")
    return Transition(
        sizes["episode"], sizes["index"], stamp_ns, obs, action, _at(_LABELS, sizes["label"]),
        float(reward[0]), next_obs, bool(sizes["terminal"]), bool(sizes["truncated"]),
    )  # fmt: skip


def _split(data: np.ndarray, sizes: list[int]) -> list[np.ndarray]:
    if sum(sizes) != data.size:
        raise ValueError(f"policy/step has {data.size} numbers, its layout says {sum(sizes)}")
    return np.split(data, np.cumsum(sizes)[:-1])


def _at(names: tuple[str, ...], index: int) -> str:
    if not 0 <= index < len(names):
        raise ValueError(f"policy/step has the index {index} where there are {len(names)}")
    return names[index]
