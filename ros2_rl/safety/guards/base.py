"""What a guard is: it watches one thing, and says by name how strongly to react and why.

A guard knows nothing of modes. Its threshold, debounce, release and reaction are its entry of
``guards`` in ``config/safety/<robot>.yaml``.
"""

import math
from abc import ABC, abstractmethod
from typing import ClassVar

import numpy as np

from ros2_rl.robots import NS_PER_S
from ros2_rl.safety.reaction import OK, Verdict
from ros2_rl.safety.rules import Settings
from ros2_rl.safety.senses import Sample, Tick


class Rule:
    """Debounce and release: tripped once a condition has held for ``after_s`` without a break.

    It stays tripped until the condition has been false for ``release_s`` without a break.
    """

    __slots__ = ("_after_ns", "_clear_ns", "_release_ns", "_since_ns", "tripped")

    def __init__(self, after_s: float, release_s: float):
        self._after_ns, self._release_ns = round(after_s * NS_PER_S), round(release_s * NS_PER_S)
        self.reset()

    def reset(self) -> None:
        self.tripped = False
        self._since_ns: int | None = None
        self._clear_ns: int | None = None

    def update(self, condition: bool, now_ns: int) -> bool:
        """Whether it is tripped at a stamp; stamps that go back begin anew."""
        if condition:
            self._clear_ns = None
            if self._since_ns is None or self._since_ns > now_ns:
                self._since_ns = now_ns
            self.tripped = self.tripped or now_ns - self._since_ns >= self._after_ns
        else:
            self._since_ns = None
            if self.tripped:
                self._clear_ns = now_ns if self._clear_ns is None else self._clear_ns
                self.tripped = now_ns - self._clear_ns < self._release_ns
        return self.tripped


class Guard(ABC):
    """Watches states; a further guard adds a name, :meth:`sees` and :meth:`cause`."""

    name: ClassVar[str]
    """How it is called in ``supervisor/state`` and in the records of events."""

    def __init__(self, settings: Settings):
        self._rule = Rule(settings.after_s, settings.release_s)
        self._reaction = settings.reaction
        self._verdict = OK

    @abstractmethod
    def sees(self, sample: Sample) -> bool:
        """Whether what it watches for is there now."""

    @abstractmethod
    def cause(self, sample: Sample) -> str:
        """The sentence for a sample at which it has tripped."""

    def update(self, sample: Sample) -> Verdict:
        """The verdict now: from its trip on the same one until it is released."""
        if not self._rule.update(self.sees(sample), sample.state.stamp_ns):
            self._verdict = OK
        elif self._verdict is OK:
            self._verdict = Verdict(self._reaction, self.cause(sample), self.name)
        return self._verdict

    def reset(self) -> None:
        """Forget what was seen."""
        self._rule.reset()
        self._verdict = OK


class LeakySum:
    """Gathers a residual that should be zero on average; a bias leaves bias times ``mean_s``.

    What a single step adds is bounded, for one leap (a robot that is put somewhere else) is no bias.
    """

    def __init__(self, mean_s: float, most: float):
        self._mean_s, self._most2 = mean_s, most**2
        self.reset()

    def reset(self) -> None:
        self.value = np.zeros(3)

    def add(self, residual: np.ndarray, dt_s: float) -> None:
        """Take the residual of a step of so many seconds, (3,)."""
        size2 = float(residual.dot(residual))
        if size2 > self._most2:
            residual = residual * math.sqrt(self._most2 / size2)
        self.value = math.exp(-dt_s / self._mean_s) * (self.value + residual)

    def above(self, limit: float) -> bool:
        return float(self.value.dot(self.value)) > limit**2

    @property
    def size(self) -> float:
        return float(np.linalg.norm(self.value))


class TickGuard(Guard):
    """A guard that looks once a control step."""

    def sees(self, sample: Sample) -> bool:
        assert sample.tick is not None
        return self.sees_tick(sample, sample.tick)

    @abstractmethod
    def sees_tick(self, sample: Sample, tick: Tick) -> bool:
        """As :meth:`sees`, for a sample with its tick."""
