"""When a learner computes beside a control loop: between the answer to a state and the next state.

On a computer with few cores whoever computes slows the others down, even from another process on another
core (caches and memory are shared, and often two cores are two threads of one). A control step leaves most of
its time unused; a gradient step of some milliseconds fits in there. Whoever is still computing shortly before
the next state makes its answer late: of the control steps that came within 4 ms after it one of twenty took
nearly twice as long, of those that came after 8 ms no more than with no learner (``docs/offpolicy.md``).
"""

import threading
from collections import deque
from collections.abc import Callable


class Pauses:
    """Lets one thread go on only in the pauses whose beginning another one hears."""

    def __init__(self, clock: Callable[[], float], step_dt: float, share: float = 0.4):
        """``share`` of a control step of ``step_dt`` s, from the answer on, is a pause; ``clock`` in s."""
        self._clock, self._length, self._patience = clock, share * step_dt, 2.0 * step_dt
        self._begun = self._last = clock()
        self._took: deque[float] = deque(maxlen=5)
        """What was done since this thread went on, the last times, s; parts of a gradient step differ."""
        self._answered = threading.Event()

    def begin(self) -> None:
        """A state was answered."""
        self._begun = self._clock()
        self._answered.set()

    def wait(self) -> None:
        """Return in a pause that is long enough for what was done after the last times, or at its start.

        Without answers there is nobody to be disturbed: it waits for two control steps at most.
        """
        now = self._clock()
        self._took.append(now - self._last)
        if now - self._begun + max(self._took) > self._length:
            self._answered.clear()
            self._answered.wait(self._patience)
        self._last = self._clock()
