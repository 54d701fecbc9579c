"""What the page shows, as plain values: filled from messages by the node, drawn by the page.

Times are wall times of the console's own clock, given by the caller.
"""

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from ros2_rl.health import HealthBoard

_POINTS = 1000
"""Points of a curve; beyond that every second one is dropped."""


class Curve:
    """A series that never grows beyond a bound: when full, every second point is forgotten."""

    def __init__(self) -> None:
        self._points: list[tuple[float, float]] = []

    def add(self, x: float, y: float) -> None:
        if not (np.isfinite(x) and np.isfinite(y)):
            return
        self._points.append((x, y))
        if len(self._points) > _POINTS:
            del self._points[1:-1:2]

    @property
    def points(self) -> np.ndarray:
        """Shape (N, 2)."""
        return np.array(self._points, dtype=float).reshape(-1, 2)


@dataclass
class Supervision:
    """The mode machine, as ``supervisor/state`` tells it."""

    mode: str = "unknown"
    reason: str = ""
    actor: str = ""
    falls: int = 0
    since_ns: int = 0
    stamp_ns: int = 0
    heard_s: float = -np.inf


@dataclass
class View:
    """Everything on the page.

    Attributes:
        q: joint positions, (J,), rad, robot order.
        position: base in ``odom``, (3,), m; ``quat`` its orientation, wxyz.
        velocity: estimated velocity of the base in its own frame, (3,), m/s.
        command: commanded (vx, vy, yaw rate), m/s and rad/s.
        contacts: contact probability of each foot, (F,).
    """

    q: np.ndarray
    contacts: np.ndarray
    position: np.ndarray = field(default_factory=lambda: np.zeros(3))
    quat: np.ndarray = field(default_factory=lambda: np.array((1.0, 0.0, 0.0, 0.0)))
    velocity: np.ndarray = field(default_factory=lambda: np.zeros(3))
    command: np.ndarray = field(default_factory=lambda: np.zeros(3))
    supervision: Supervision = field(default_factory=Supervision)
    health: HealthBoard = field(default_factory=HealthBoard)
    curves: dict[str, Curve] = field(default_factory=dict)
    levels: dict[str, float] = field(default_factory=dict)
    """Horizontal lines among the curves: ``pretrained`` and ``zero_shot`` return."""
    phase: str = ""
    reports: int = 0
    """Counts what was heard of the learner, so that a page knows when to draw its curves anew."""
    notes: deque[str] = field(default_factory=lambda: deque(maxlen=8))
    """What the operator's requests were answered, newest last."""

    def on_supervisor(self, message: str, values: Mapping[str, str], now_s: float) -> None:
        """News of the supervisor; numbers that are missing or malformed count as zero."""
        self.supervision = Supervision(
            message, values.get("reason", ""), values.get("actor", ""), _whole(values.get("falls")),
            _whole(values.get("since_ns")), _whole(values.get("stamp_ns")), now_s,
        )  # fmt: skip

    def on_diagnostics(
        self, name: str, level: int, message: str, values: Mapping[str, str], now_s: float
    ) -> None:
        """A node's word on ``diagnostics``; latencies become curves over robot time."""
        self.health.heard(name, level, message, values, now_s)
        minutes = self.supervision.stamp_ns / 60e9
        for key in ("state_to_command_ms_p50", "state_to_command_ms_p99"):
            if key in values:
                self.curve(key).add(minutes, _number(values[key]))

    def on_report(self, kind: str, values: Mapping[str, str]) -> None:
        """A report of the learner: progress, an update, or the result of an evaluation."""
        self.reports += 1
        minutes = _number(values.get("robot_minutes"))
        if kind in ("pretrained", "zero_shot"):
            self.levels[kind] = _number(values.get("return"))
            return
        for key, text in values.items():
            if key != "robot_minutes":
                self.curve(f"{kind}/{key}").add(minutes, _number(text))

    def curve(self, name: str) -> Curve:
        return self.curves.setdefault(name, Curve())


def _number(text: str | None) -> float:
    try:
        return float(text or "nan")
    except ValueError:
        return float("nan")


def _whole(text: str | None) -> int:
    try:
        return int(text or 0)
    except ValueError:
        return 0
