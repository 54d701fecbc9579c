"""The clock: right, kept right, and punctual timers."""

import ctypes
import time
from collections.abc import Callable

import numpy as np

from ros2_rl.doctor.finding import Finding, Level, judged

_TIME_ERROR = 5
_EARLIEST = 1_735_689_600
"""Start of 2025: before this package existed."""
_NAPS, _NAP_S = 200, 0.002
_LATE_MS, _VERY_LATE_MS = 1.0, 10.0


def check_clock(
    now: Callable[[], float] = time.time,
    synchronised: Callable[[], bool | None] | None = None,
    lateness: Callable[[], np.ndarray] | None = None,
    on_robot: bool = False,
) -> list[Finding]:
    """Findings about the clocks; takes half a second of naps.

    ``on_robot``: whether a robot hangs on its punctuality, not only a simulation.
    """
    late = (lateness or naps)()
    return [_date(now()), _kept_right((synchronised or kernel_says)()), _punctual(late, on_robot)]


def kernel_says() -> bool | None:
    """Whether the kernel's clock is disciplined by NTP or PTP; None where nobody can say."""
    try:
        state = ctypes.CDLL(None).adjtimex(ctypes.create_string_buffer(512))
    except (OSError, AttributeError):
        return None
    return None if state < 0 else state != _TIME_ERROR


def naps() -> np.ndarray:
    """How much later than asked for short naps ended, s, (N,)."""
    late = []
    for _ in range(_NAPS):
        begin = time.perf_counter()
        time.sleep(_NAP_S)
        late.append(time.perf_counter() - begin - _NAP_S)
    return np.array(late)


def _date(now: float) -> Finding:
    text = time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(now))
    return judged("date", text, now < _EARLIEST, "set the clock: date -s, or start chrony", Level.FAIL)


def _kept_right(synchronised: bool | None) -> Finding:
    text = {True: "kept by NTP or PTP", False: "runs freely", None: "not known"}[synchronised]
    remedy = "start chrony or systemd-timesyncd on all computers, or logs of two of them do not fit together"
    return judged("synchronisation", text, synchronised is not True, remedy)


def _punctual(late: np.ndarray, on_robot: bool) -> Finding:
    p99, worst = 1e3 * np.percentile(late, 99), 1e3 * late.max()
    level = Level.FAIL if on_robot and p99 > _VERY_LATE_MS else Level.WARN
    text = f"p99 {p99:.2f} ms late, worst {worst:.2f} ms"
    remedy = "end other programs; then see docs/realtime.md"
    return judged("timers", text, p99 > _LATE_MS, remedy, level)
