"""When a LowCmd goes out: with each new command at once, and never later than a period after the last.

A thread that waits wakes up a little late, always; the wait is shortened by what that usually is, so that
the distance of two frames has the period as its median. Pure: the wall time is handed in, seconds of a
clock that never jumps.
"""

from ros2_rl.durations import Durations

PERIOD_S = 0.002
_GRACE_S = 0.0001
"""A command that is a little late goes out as it comes; sending the last one again would only double it.
The repetition before it comes as much later, in the middle between two commands."""
_LEARN_S, _MOST_EARLY_S = 2e-6, 0.0003
"""Change of the lead by one frame, and the most that it becomes."""


class Cadence:
    """Due times of the frames, and how long the periods really were.

    Args:
        period_s: nominal distance of two frames, wall time.
        per_command: frames for each command that is expected; between two commands the last one goes out
            again, on time.
    """

    def __init__(self, period_s: float = PERIOD_S, per_command: int = 1):
        self._period_s, self._per_command = period_s, per_command
        self._sent: float | None = None
        self._repeated, self._lead_s = 0, 0.0
        self._periods = Durations()
        self.frames = 0

    def left(self, now: float) -> float:
        """Wall time until a frame has to go out, s; not positive: now."""
        if self._sent is None:
            return 0.0
        return self._sent + self._target_s() - self._lead_s - now

    def sent(self, now: float, fresh: bool = True) -> None:
        """A frame has gone out; ``fresh``: with a new command."""
        if self._sent is not None:
            period_s = now - self._sent
            self._periods.add(period_s)
            if not fresh:
                step_s = _LEARN_S if period_s > self._target_s() else -_LEARN_S
                self._lead_s = min(max(self._lead_s + step_s, 0.0), _MOST_EARLY_S)
        self._repeated = 0 if fresh else self._repeated + 1
        self._sent = now
        self.frames += 1

    def _target_s(self) -> float:
        """Distance from the last frame to the next, unless a command comes before."""
        return self._period_s + (_GRACE_S if self._repeated < self._per_command else 0.0)

    def figures_ms(self) -> tuple[float, float, float]:
        """Median, 99th percentile and maximum of the distance of two frames, ms."""
        return self._periods.figures_ms()
