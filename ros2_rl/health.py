"""Health of the nodes: how well each one's loop runs against its thresholds, and all in one line.

What is counted belongs to the time between two looks (nodes look once a second). Rates are by the
stamps of the robot, so that a lockstep run is judged as one in real time; execution times and
latencies are wall times, and judged only where the robot does not wait.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

OK, WARN, ERROR, STALE = range(4)
LEVELS = ("ok", "warning", "error", "stale")
"""Levels of diagnostic_msgs/DiagnosticStatus."""
STALE_S = 3.0
"""A node that has said nothing on ``diagnostics`` for this long counts as silent (they speak at 1 Hz)."""


@dataclass(frozen=True)
class LoopLimits:
    """Thresholds of a loop; 0: not judged."""

    min_rate_hz: float = 0.0
    max_execution_ms: float = 0.0
    max_latency_ms: float = 0.0


class LoopStats:
    """Rate, execution time and latency of a loop since the last look; the loop may have a thread of its own.

    Args:
        limits: thresholds.
        timed: whether wall times are judged.
    """

    def __init__(self, limits: LoopLimits, timed: bool = True):
        self._limits, self._timed = limits, timed
        self._first_ns = self._last_ns = -1
        self._passes = 0
        self._executions: list[float] = []
        self._latencies: list[float] = []

    def ran(self, stamp_ns: int, execution_s: float) -> None:
        """One pass of the loop, for the state of a stamp."""
        if self._first_ns < 0 or stamp_ns < self._last_ns:  # the first one, or time began anew
            self._first_ns, self._passes = stamp_ns, 0
        elif stamp_ns > self._last_ns:
            self._passes += 1
        self._last_ns = stamp_ns
        self._executions.append(execution_s)

    def delayed(self, latency_s: float) -> None:
        """Time from an input to the answer to it."""
        self._latencies.append(latency_s)

    def look(self) -> tuple[int, str, dict[str, str]]:
        """Level, what is wrong (empty: nothing), and the figures; then it begins anew."""
        span_s = (self._last_ns - self._first_ns) * 1e-9
        rate = self._passes / span_s if self._passes and span_s > 0.0 else 0.0
        executions, self._executions = self._executions, []
        latencies, self._latencies = self._latencies, []
        execution, latency = _p99_ms(executions), _p99_ms(latencies)
        found = self._complaints(rate, execution, latency)
        values = {"loop_rate_hz": f"{rate:.1f}", "execution_ms_p99": f"{execution:.3f}"}
        if latencies:
            values["latency_ms_p99"] = f"{latency:.3f}"
        self._first_ns, self._passes = self._last_ns, 0
        return (WARN if found else OK), ", ".join(found), values

    def _complaints(self, rate: float, execution: float, latency: float) -> list[str]:
        limits, found = self._limits, []
        if 0.0 < rate < limits.min_rate_hz:
            found.append(f"runs at {rate:.1f} Hz, below {limits.min_rate_hz:g}")
        if self._timed and execution > limits.max_execution_ms > 0.0:
            found.append(f"takes {execution:.1f} ms, above {limits.max_execution_ms:g}")
        if self._timed and latency > limits.max_latency_ms > 0.0:
            found.append(f"answers after {latency:.1f} ms, above {limits.max_latency_ms:g}")
        return found


def _p99_ms(seconds: list[float]) -> float:
    return 1e3 * float(np.percentile(seconds, 99)) if seconds else 0.0


@dataclass
class Health:
    """The last word of one node on ``diagnostics``."""

    level: int
    message: str
    heard_s: float
    values: Mapping[str, str]


@dataclass
class HealthBoard:
    """All nodes that have been heard; times are wall times, given by the caller."""

    nodes: dict[str, Health] = field(default_factory=dict)

    def heard(self, name: str, level: int, message: str, values: Mapping[str, str], now_s: float) -> None:
        """A node's word on ``diagnostics``."""
        self.nodes[name] = Health(min(level, STALE), message, now_s, values)

    def level_of(self, name: str, now_s: float) -> int:
        """Level of a node; one that has fallen silent is stale."""
        item = self.nodes[name]
        return STALE if now_s - item.heard_s > STALE_S else item.level

    def line(self, now_s: float) -> tuple[int, str]:
        """The worst of all nodes in one line: level and text."""
        if not self.nodes:
            return STALE, "no node has been heard yet"
        levels = {name: self.level_of(name, now_s) for name in sorted(self.nodes)}
        texts = [self._say(name, level, now_s) for name, level in levels.items() if level]
        return max(levels.values()), "; ".join(texts) or f"{len(levels)} nodes are well"

    def _say(self, name: str, level: int, now_s: float) -> str:
        item = self.nodes[name]
        silent = now_s - item.heard_s
        return f"{name}: " + (f"silent for {silent:.0f} s" if silent > STALE_S else item.message)
