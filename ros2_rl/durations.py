"""Percentiles of many durations, at a fixed cost for each."""

import numpy as np

_BIN_S, _BINS = 1e-5, 20_000
"""Resolution and reach of the percentiles; the maximum is exact."""


class Durations:
    """A histogram: sorting the durations of an hour would hold up the loop that they measure."""

    def __init__(self) -> None:
        self._counts = np.zeros(_BINS, dtype=np.int64)
        self._longest = 0.0

    def add(self, duration_s: float) -> None:
        self._counts[min(int(duration_s / _BIN_S), _BINS - 1)] += 1
        self._longest = max(self._longest, duration_s)

    def figures_ms(self) -> tuple[float, float, float]:
        """Median, 99th percentile and maximum, ms; zeros before the first one."""
        ranks = np.cumsum(self._counts)
        if not ranks[-1]:
            return 0.0, 0.0, 0.0
        p50, p99 = (np.searchsorted(ranks, (0.5 * ranks[-1], 0.99 * ranks[-1])) + 0.5) * _BIN_S
        most = self._longest
        return 1e3 * min(p50, most), 1e3 * min(p99, most), 1e3 * most


def labelled(name: str, figures_ms: tuple[float, float, float]) -> dict[str, str]:
    """Median, 99th percentile and maximum as values of a diagnostic status, by name."""
    return {
        f"{name}_ms_{which}": f"{ms:.3f}" for which, ms in zip(("p50", "p99", "max"), figures_ms, strict=True)
    }
