"""A scripted person at the pad: watches, takes over when the policy strays or stalls, shows, gives back.

Like a person it needs a moment from seeing trouble to acting, is not exact, slips now and then, and lets
the policy try for a while. What it wants comes as an :class:`Intent`, as from a pad: velocities and requests,
through the same topics and services.
"""

from collections import deque
from dataclasses import dataclass

import numpy as np

from ros2_rl.manipulation.expert import expert_for
from ros2_rl.manipulation.observation import Observation
from ros2_rl.manipulation.task import ArmTask
from ros2_rl.robots import NS_PER_S
from ros2_rl.teleop.intent import Intent

_NEARER_M = 0.005
"""Less is not seen as progress."""
_REMEMBERED = 10
"""Episodes by which it judges what the policy can do."""


@dataclass(frozen=True)
class Character:
    """What kind of person it is."""

    reaction_s: float = 0.3
    """From a sight that calls for it to taking over or giving back."""
    noise: float = 0.15
    """Standard deviation of the hand, share of full deflection."""
    slip: float = 0.02
    """Share of answers that go the wrong way."""
    patience_s: float = 2.0
    """A policy that gets no nearer for so long has stalled."""
    trust_s: float = 5.0
    """The same once it did without help in most of the last episodes: it may have to feel for the goal."""
    stray_m: float = 0.04
    """A policy has strayed when so much more is left than there was once."""
    help_s: float = 1.5
    """It drives for at least so long."""
    always: bool = False
    """It drives from the first step to the last: a demonstration."""


class ScriptedOperator:
    """One person in front of one task; explicit time by the observations' stamps."""

    def __init__(self, task: ArmTask, seed: int, character: Character | None = None):
        self._task, self._expert = task, expert_for(task)
        self.character = character or Character()
        self._rng = np.random.default_rng((seed, 5))
        self.driving = self._helped = False
        self.interventions = 0
        self._alone: deque[bool] = deque(maxlen=_REMEMBERED)
        self._least_ns = -1
        self.begin()

    def begin(self) -> None:
        """A new episode begins."""
        if self._least_ns >= 0:
            self._alone.append(not self._helped)
        self._helped = False
        self._expert.reset()
        self._least, self._least_ns = np.inf, -1
        self._since_ns = 0
        self._noticed_ns: int | None = None

    def watch(self, seen: Observation) -> Intent:
        """What it wants, now that the arm is at work and this is seen; called once an action."""
        requests = self._requests(seen)
        return Intent(self._velocity(seen) if self.driving else None, requests=requests)

    def rest(self) -> Intent:
        """What it wants while the arm goes back to its start: nobody need drive that."""
        if self.driving and not self.character.always:
            self.driving = False
            return Intent(requests=["give_back"])
        return Intent()

    def _requests(self, seen: Observation) -> list[str]:
        left, now_ns = self._expert.left(seen), seen.stamp_ns
        if left < self._least - _NEARER_M or self._least_ns < 0:
            self._least, self._least_ns = left, now_ns
        wants = not self._enough(left, now_ns) if self.driving else self._in_trouble(left, now_ns)
        if wants == self.driving:
            self._noticed_ns = None
            return []
        if self._noticed_ns is None:
            self._noticed_ns = now_ns
        if now_ns - self._noticed_ns < self.character.reaction_s * NS_PER_S:
            return []
        self._noticed_ns, self.driving = None, wants
        self._since_ns = self._least_ns = now_ns
        self._least = left
        self.interventions += wants
        self._helped |= wants
        return ["take_over" if wants else "give_back"]

    def _enough(self, left: float, now_ns: int) -> bool:
        """Whether the policy may go on: it has been helped for a while, and nothing is worse than it was."""
        helped = now_ns - self._since_ns >= self.character.help_s * NS_PER_S
        return helped and not self.character.always and left <= self._least + _NEARER_M

    def _in_trouble(self, left: float, now_ns: int) -> bool:
        if self.character.always:
            return True
        trusts = sum(self._alone) > _REMEMBERED // 2
        patience_s = self.character.trust_s if trusts else self.character.patience_s
        stalled = now_ns - self._least_ns > patience_s * NS_PER_S
        return stalled or left > self._least + self.character.stray_m

    def _velocity(self, seen: Observation) -> np.ndarray:
        """Of the tool, (3,), m/s, with an unsteady hand."""
        full = self._task.reach / self._task.step_dt
        wanted = np.clip(self._expert.move(seen) / self._task.reach, -1.0, 1.0)
        if self._rng.random() < self.character.slip:
            wanted = -wanted
        # The hand is as unsteady as the movement is large: who aims for a millimetre is careful.
        size = 0.1 + 0.9 * min(1.0, float(np.linalg.norm(wanted)))
        hand = wanted + self.character.noise * size * self._rng.standard_normal(3)
        return full * np.clip(hand, -1.0, 1.0)
