"""When a LowCmd goes out: with each new command at once, and never later than a period after the last.

Pure: the wall time is handed in, seconds of a clock that never jumps.
"""

from ros2_rl.durations import Durations

PERIOD_S = 0.002
_GRACE_S = 0.0002
"""A command that is a little late goes out as it comes; sending the last one again would only double it."""


class Cadence:
    """Due times of the frames, and how long the periods really were.

    Args:
        period_s: nominal distance of two frames, wall time.
    """

    def __init__(self, period_s: float = PERIOD_S):
        self._longest_s = period_s + _GRACE_S
        self._sent: float | None = None
        self._periods = Durations()
        self.frames = 0

    def left(self, now: float) -> float:
        """Wall time until a frame has to go out, s; not positive: now."""
        return 0.0 if self._sent is None else self._sent + self._longest_s - now

    def sent(self, now: float) -> None:
        """A frame has gone out."""
        if self._sent is not None:
            self._periods.add(now - self._sent)
        self._sent = now
        self.frames += 1

    def figures_ms(self) -> tuple[float, float, float]:
        """Median, 99th percentile and maximum of the distance of two frames, ms."""
        return self._periods.figures_ms()
