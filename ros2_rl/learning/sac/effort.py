"""How many gradient steps a window of control steps gets: what is wished for, or what the machine can do."""


class Effort:
    """Adapts the update-to-data ratio.

    In lockstep the robot waits, so the ratio is what is wished for and a run is repeatable. In real time
    a learner that cannot keep up lowers its ratio instead of lagging behind.
    """

    def __init__(self, wished: float, least: float, share: float, step_dt: float, real_time: bool):
        """``share``: of robot time, for gradient steps; ``step_dt``: a control step, s."""
        self._wished, self._least, self._share, self._dt = wished, least, share, step_dt
        self._real_time = real_time
        self._seconds = 0.0
        self._credit = 0.0

    @property
    def ratio(self) -> float:
        """Gradient steps a control step."""
        if not self._real_time or not self._seconds:
            return self._wished
        return min(self._wished, max(self._least, self._share * self._dt / self._seconds))

    @property
    def behind(self) -> bool:
        """Whether the machine cannot do what is wished for."""
        return self.ratio < self._wished

    def steps(self, control_steps: int) -> int:
        """Gradient steps for so many new control steps; fractions are kept for the next time."""
        self._credit += self.ratio * control_steps
        whole = int(self._credit)
        self._credit -= whole
        return whole

    def took(self, steps: int, seconds: float) -> None:
        """So many gradient steps took so long, wall time."""
        if steps:
            now = seconds / steps
            self._seconds = now if not self._seconds else 0.7 * self._seconds + 0.3 * now
