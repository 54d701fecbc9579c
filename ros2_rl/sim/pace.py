"""How fast robot time runs against the wall: pacing by a steady clock, and the real-time factor.

Pure: the wall time is handed in, seconds of a clock that never jumps.
"""

MAX_LAG_S = 0.1
"""A simulator that is later than this gives the lost time up instead of hurrying after it."""


class Pacer:
    """Says when the next state is due; keeps up on average, within bounds.

    Args:
        period_s: wall time between two states.
        max_lag_s: lateness that is still made up for.
    """

    def __init__(self, period_s: float, max_lag_s: float = MAX_LAG_S):
        self._period_s, self._max_lag_s = period_s, max_lag_s
        self._due = 0.0
        self._running = False
        self.given_up_s = 0.0
        """Wall time that was not made up for, s."""

    def restart(self, now: float) -> None:
        """The next state is due one period from ``now``."""
        self._due, self._running = now + self._period_s, True

    def left(self, now: float) -> float:
        """Wall time until the next state is due, s; not positive: it is due."""
        if not self._running:
            self.restart(now)
        return self._due - now

    def count(self, now: float) -> None:
        """A state has been shown."""
        lag = now - self._due - self._max_lag_s
        if lag > 0.0:
            self.given_up_s += lag
            self._due += lag
        self._due += self._period_s


class RealTimeFactor:
    """Robot time by wall time, between two looks."""

    def __init__(self) -> None:
        self._last: tuple[float, float] | None = None

    def look(self, robot_s: float, now: float) -> float:
        """The factor since the last look; 0 at the first one."""
        last, self._last = self._last, (robot_s, now)
        if last is None or now <= last[1]:
            return 0.0
        return (robot_s - last[0]) / (now - last[1])


class LockstepWait:
    """The wait for the command that answers a state, after which robot time goes on.

    The first command of all is waited for without end. A later wait that takes too long breaks
    the lockstep: robot time goes on by the wall until a command comes.

    Args:
        timeout_s: longest wait, wall time.
        repeat_s: how often the state is shown again meanwhile.
    """

    def __init__(self, timeout_s: float, repeat_s: float = 0.5):
        self._timeout_s, self._repeat_s = timeout_s, repeat_s
        self._asked = self._repeat = 0.0
        self._heard = False
        self.broken = False
        self.breaks = 0

    def asked(self, now: float) -> None:
        """A new state has been shown."""
        self._asked, self._repeat = now, now + self._repeat_s

    def heard(self) -> None:
        """A command has come."""
        self._heard, self.broken = True, False

    def left(self, now: float) -> float:
        """Wall time until :meth:`repeats` has something to say, s."""
        return self._repeat - now

    def repeats(self, now: float) -> bool:
        """Whether the state is to be shown again now; may find that the lockstep is broken."""
        if now < self._repeat:
            return False
        self._repeat = now + self._repeat_s
        if self._heard and now - self._asked >= self._timeout_s:
            self.broken = True
            self.breaks += 1
        return not self.broken
