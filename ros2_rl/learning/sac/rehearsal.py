"""What the off-policy learner does with a replica: fits it, window by window, then practises in it."""

from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING

import numpy as np

from ros2_rl.learning.sac.effort import Effort
from ros2_rl.learning.sac.networks import LoraActor
from ros2_rl.learning.sac.replay import Batch
from ros2_rl.learning.sac.stats import OffPolicyStats
from ros2_rl.learning.sac.update import SoftActorCritic

if TYPE_CHECKING:
    from ros2_rl.learning.replica.replica import Replica

CALM = np.float32(np.log(0.05))
"""Logarithm of the noise, raw action, on a robot whose steps nobody needs to learn from."""
_RATIO = 1.0
"""Control steps in the replica, of all its robots at once, to one of the robot's."""
_SHARE = 0.9
"""Of robot time, what practice may take, with waiting for pauses of the control loop."""
_AVERAGE = 0.2
"""Pace of the averaged actor with every window of practice: single updates there are good or bad by luck."""


class Hurried(Exception):
    """The run ends; whatever is under way is left as it is."""


class Rehearsal:
    """Changes the actor of a :class:`SoftActorCritic` by practice in a replica."""

    def __init__(
        self,
        replica: "Replica",
        sac: SoftActorCritic,
        reach: np.ndarray,
        step_dt: float,
        clock: Callable[[], float] | None,
    ):
        """``reach``: (J,), raw action; ``clock``: s, in real time."""
        self.replica, self._sac, self._reach, self._clock = replica, sac, reach, clock
        self.effort = Effort(_RATIO, _RATIO / 100, _SHARE, step_dt, clock is not None)
        """Control steps in the replica to one of the robot's."""

    @property
    def leads(self) -> bool:
        """Whether what the robot does was practised in its replica."""
        return self.replica.wanted and bool(self.replica.fitted)

    def __call__(
        self, control_steps: int, rows: Callable[[], Batch], go_on: Callable[[], None], stats: OffPolicyStats
    ) -> bool:
        """Fit the replica to ``rows``, or walk in it once it is fitted; False where that is of no use.

        ``go_on`` is called between any two steps and raises :class:`Hurried` when the run ends.
        """
        if not self.replica.wanted:
            return False
        begin, steps = self._clock() if self._clock else 0.0, self.effort.steps(control_steps)
        with suppress(Hurried):
            if self.replica.fitted:
                self._practise(steps, go_on, stats)
            elif not self._fit(rows, steps, go_on, stats):
                return False
            if self._clock:
                self.effort.took(steps, self._clock() - begin)
        stats.actor_held = 1.0
        return True

    def describe(self, stats: OffPolicyStats) -> None:
        """Tell how it goes."""
        stats.replica_updates, stats.replica_reward = self.replica.updates, self.replica.reward
        stats.replica_ratio = self.effort.ratio
        if self.leads:
            stats.std = float((np.exp(CALM) / self._reach).mean())

    def _fit(
        self, rows: Callable[[], Batch], steps: int, go_on: Callable[[], None], stats: OffPolicyStats
    ) -> bool:
        stats.note = self.replica.fit(rows, self._reach, steps, go_on)
        return self.replica.wanted and bool(stats.note or self.replica.looking)

    def _practise(self, steps: int, go_on: Callable[[], None], stats: OffPolicyStats) -> None:
        """Let what was practised act, unless it is broken: then the replica has had its day."""
        sac = self._sac
        assert isinstance(sac.actor, LoraActor)
        if not self.replica.practise(sac.actor, steps, go_on):
            return
        if sac.finite():
            sac.follow_actor(_AVERAGE)
            return
        sac.set_actor(sac.actor_parameters())
        self.replica.give_up()
        stats.reason = "a weight is no longer finite after practice in the replica, which is given up"
