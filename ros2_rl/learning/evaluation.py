"""Returns of evaluation episodes from the stream of control steps.

Episodes are fixed slots of stamps. A step counts when the policy itself acted; the rest of an
episode after a fall counts nothing. So a robot that needs its recovery policy loses return, and
two evaluations of equal length ask for exactly the same.
"""

from dataclasses import dataclass, field

import numpy as np

from ros2_rl.learning.phase import Phase


@dataclass
class Evaluation:
    """Accumulates the returns of one evaluation phase."""

    phase: Phase
    returns: np.ndarray = field(init=False)
    """Return of each episode, shape (episodes,)."""
    falls: int = 0
    overridden: int = 0
    steps: int = 0
    _fallen: set[int] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.returns = np.zeros(self.phase.episodes)

    def add(self, step: int, reward: float, by_policy: bool, fell: bool) -> None:
        """Count the outcome of control step ``step``; steps outside the phase are ignored."""
        if not self.phase.start_step <= step < self.phase.end_step:
            return
        episode = (step - self.phase.start_step) // self.phase.episode_steps
        self.steps += 1
        if fell and episode not in self._fallen:
            self._fallen.add(episode)
            self.falls += 1
        if not by_policy:
            self.overridden += 1
        elif episode not in self._fallen:
            self.returns[episode] += reward

    @property
    def missing_share(self) -> float:
        """Share of the control steps that nobody has heard of."""
        total = self.phase.episodes * self.phase.episode_steps
        return 1.0 - self.steps / total

    @property
    def mean_return(self) -> float:
        return float(self.returns.mean()) if self.returns.size else 0.0
