"""Which version of an arm's policy did best in practice, and when to go back to it.

Soft actor-critic that goes on learning may get worse again. What counts is how many of the last episodes of
practice succeeded without help, though the policy explores in them and somebody may help.
"""

from enum import Enum

from ros2_rl.manipulation.practice import WINDOW


class Verdict(Enum):
    """About the version that acted last."""

    BEST = "as good as any before"
    FINE = "not the best, but near it"
    WORSE = "to be taken back"


class Promotion:
    """Watches practice, an episode at a time.

    Args:
        margin: share of successes without help by which a window of episodes may be below the best one.
    """

    def __init__(self, margin: float):
        self._margin, self._episodes = margin, 0
        self.best: float | None = None
        """Share of successes without help in the best window; None before the first whole one."""

    def saw(self, alone: float) -> Verdict:
        """An episode is over; ``alone`` is the share over the last :data:`WINDOW` of them."""
        self._episodes += 1
        if self._episodes < WINDOW:  # of the beginning, or partly of what was taken back
            return Verdict.FINE
        if self.best is None or alone >= self.best:
            self.best = alone
            return Verdict.BEST
        if alone < self.best - self._margin:
            self._episodes = 0
            return Verdict.WORSE
        return Verdict.FINE
