"""A guard against values that run away: what the critics say against what was then measured.

The measured value of a step is the discounted sum of the rewards of the policy's own steps after it, until
the discount leaves less than a twentieth (Monte Carlo); a step that is cut off earlier is not compared, one
before a fall is.
"""

import math
from collections import deque

import numpy as np

_TAIL = 0.05
_LEAST = 32
"""Fewest comparisons that say anything."""


class ValueGuard:
    """Compares values and returns of the newest steps; trips while values are too high."""

    def __init__(self, gamma: float, limit: float, kept: int = 1500):
        """``limit``: overestimation allowed, in standard deviations of the measured returns."""
        self._gamma, self._limit = gamma, limit
        self._horizon = math.ceil(math.log(_TAIL) / math.log(gamma))
        self._rows: deque[tuple[int, float, float, bool]] = deque(maxlen=kept)
        self.bias = 0.0
        """Mean of value minus return, in standard deviations of the returns; 0 while nothing is known."""

    @property
    def tripped(self) -> bool:
        """Whether the actor is not to follow these values."""
        return self.bias > self._limit

    def add(self, steps: np.ndarray, values: np.ndarray, rewards: np.ndarray, terminal: np.ndarray) -> None:
        """The policy's own steps, (T,) each, as the critics saw them when they came in."""
        self._rows.extend(zip(steps.tolist(), values.tolist(), rewards.tolist(), terminal > 0.5, strict=True))
        returns, said = self._compare()
        if len(returns) >= _LEAST:
            self.bias = float((said - returns).mean() / max(returns.std(), 1e-6))

    def _compare(self) -> tuple[np.ndarray, np.ndarray]:
        """Returns that are complete, and what was said of them."""
        rows, horizon = list(self._rows), self._horizon
        found = []
        for i, (step, value, _, _) in enumerate(rows):
            total, weight, complete = 0.0, 1.0, False
            for k, (later, _, reward, end) in enumerate(rows[i : i + horizon]):
                if later != step + k:
                    break
                total += weight * reward
                weight *= self._gamma
                complete = end or k == horizon - 1
                if end:
                    break
            if complete:
                found.append((total, value))
        array = np.array(found).reshape(-1, 2)
        return array[:, 0], array[:, 1]

    def rows(self) -> list[tuple[int, float, float, bool]]:
        """For a checkpoint."""
        return list(self._rows)

    def restore(self, rows: list[tuple[int, float, float, bool]]) -> None:
        """Inverse of :meth:`rows`."""
        self._rows.clear()
        self._rows.extend(tuple(row) for row in rows)  # type: ignore[misc]
