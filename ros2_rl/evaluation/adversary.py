"""An adversarial pusher: looks for the weakest shove that fells a policy.

A random search that only goes down: each try is weaker than the weakest shove that was enough, half
of the tries near that one in direction and moment, half anywhere. What it finds is an upper bound
of what the policy withstands, the same number of tries for each policy and each drawn from the seed.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from ros2_rl.sim.trial import Push

_WEAKER = 0.85
"""Strength of a try by the weakest shove that was enough."""
_NEAR_RAD, _NEAR_S = 0.4, 0.1
"""Standard deviations of the tries near that one."""


@dataclass
class Adversary:
    """Proposes shoves; tell it with :meth:`saw` what each of them did."""

    strength_m_s: float
    """Of the first try, m/s."""
    moments: tuple[float, float]
    """Earliest and latest moment of a shove, s since the trial began."""
    seed: int = 0

    def __post_init__(self) -> None:
        self._rng = np.random.default_rng(self.seed)
        self.weakest: Push | None = None
        """The weakest shove that felled the robot so far."""

    def tries(self, count: int) -> Iterator[Push]:
        """Shoves, each drawn when the one before has been seen."""
        for number in range(count):
            # Drawn in any case, so that the tries of two policies stay comparable.
            moment, heading = self._rng.uniform(*self.moments), self._rng.uniform(-np.pi, np.pi)
            near = self._rng.normal(0.0, (_NEAR_S, _NEAR_RAD))
            push = Push(float(moment), float(heading), self.strength_m_s)
            if self.weakest is not None:
                push = replace(push, speed=_WEAKER * self.weakest.speed)
                if number % 2:
                    moment = np.clip(self.weakest.at_s + near[0], *self.moments)
                    push = replace(push, at_s=float(moment), heading=self.weakest.heading + float(near[1]))
            yield push

    def saw(self, push: Push, lost: bool) -> None:
        """What a shove did."""
        if lost:
            self.weakest = push

    @property
    def margin_m_s(self) -> float:
        """The weakest shove that was enough; the first strength where none was, m/s."""
        return self.strength_m_s if self.weakest is None else self.weakest.speed
