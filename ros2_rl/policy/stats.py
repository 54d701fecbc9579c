"""Figures of a periodic computation: how long it took, how often it was missed."""

from collections import deque

import numpy as np


class TickStats:
    """Durations of the latest ticks and counts since the start."""

    def __init__(self, window: int = 3000):
        self._durations: deque[float] = deque(maxlen=window)
        self.ticks = self.missed = 0
        self._last_step: int | None = None

    def add(self, step: int, duration_s: float, consecutive: bool) -> None:
        """One tick; steps left out between two ``consecutive`` ones count as missed."""
        if consecutive and self._last_step is not None and step > self._last_step:
            self.missed += step - self._last_step - 1
        self._last_step = step if consecutive else None
        self.ticks += 1
        self._durations.append(duration_s)

    def percentile_ms(self, percent: float) -> float:
        """Percentile of the latest durations, ms; 0 before the first tick."""
        return 1e3 * float(np.percentile(self._durations, percent)) if self._durations else 0.0
