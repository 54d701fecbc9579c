"""Exploration noise that is the same for a seed and a control step, whatever was drawn before.

White noise at 50 Hz hardly moves a leg: the drives smooth it away. With a memory it is white noise under a
window that fades with e^(-t / memory), so that a leg is held off its way for some steps and what comes of
it can be seen (Eberhard et al. 2023, "Pink noise is all you need", show the use of it for off-policy
learning). Each number by itself stays standard normal.
"""

import math
from functools import lru_cache

import numpy as np

_REACH = 3
"""The window ends after so many memories; what is left of it there is 5 %."""
LONGEST_MEMORY = 100.0
"""Control steps."""
_KEPT = round(_REACH * LONGEST_MEMORY) + 2
"""Steps whose numbers are kept: those of the longest window."""
_KEYS = 1 << 64


class ExplorationNoise:
    """Standard normal numbers for control steps."""

    def __init__(self, seed: int, size: int):
        self._seed, self._size = seed, size
        self._drawn: dict[int, np.ndarray] = {}

    def __call__(self, step: int, memory: float = 0.0) -> np.ndarray:
        """Of a control step, (size,), float32; ``memory`` in control steps, 0 for white noise."""
        if memory <= 0.0:
            return self._white(step)
        window = _window(memory)
        return window @ np.stack([self._white(step - back) for back in range(len(window))])

    def _white(self, step: int) -> np.ndarray:
        found = self._drawn.get(step)
        if found is None:
            if len(self._drawn) >= _KEPT:
                del self._drawn[next(iter(self._drawn))]
            key = np.array((self._seed, step % _KEYS), dtype=np.uint64)
            generator = np.random.Generator(np.random.Philox(key=key))
            found = self._drawn[step] = generator.standard_normal(self._size, dtype=np.float32)
        return found


@lru_cache
def _window(memory: float) -> np.ndarray:
    """Weights of a step and those before it, float32; the sum of their squares is 1."""
    weights = np.exp(-np.arange(math.ceil(_REACH * memory) + 1) / memory)
    return (weights / np.linalg.norm(weights)).astype(np.float32)
