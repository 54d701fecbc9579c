"""From a control step's state to the command that it leads to, as the robot itself feels it.

A LowCmd does not say which state it answers. But a policy's target changes once each control step and
is held in between: under the policy, the first command that is not the one before it is the answer.
"""

from collections.abc import Callable, Sequence

import numpy as np

from ros2_rl.durations import Durations
from ros2_rl.robots import GainSet, MotorCommand


class RoundTrip:
    """Durations of all control steps under a policy, and the number of those that were not answered.

    Args:
        gains: gain sets by which the policy's commands are told from others.
        step_ns: control step of the policy.
        told: called with each duration, s.
    """

    def __init__(
        self,
        gains: Sequence[GainSet],
        step_ns: int = 20_000_000,
        told: Callable[[float], None] = lambda _: None,
    ):
        self._stiff, self._step_ns, self._told = [gain.kp for gain in gains], step_ns, told
        self._durations = Durations()
        self._sent: float | None = None
        self._held: np.ndarray | None = None
        self.missed = 0

    def sent(self, stamp_ns: int, now: float) -> None:
        """The state of a stamp (that of the graph) leaves at wall time ``now``, s."""
        if stamp_ns % self._step_ns:
            return
        self.missed += self._sent is not None and self._held is not None
        self._sent = now

    def came(self, command: MotorCommand, now: float) -> None:
        """A command has come."""
        if not any(np.allclose(command.kp, kp) for kp in self._stiff):
            self._sent = self._held = None
            return
        if self._held is None:
            self._held, self._sent = command.q, None  # whatever it answers, that began before
        elif self._sent is not None and (command.q != self._held).any():
            self._durations.add(now - self._sent)
            self._told(now - self._sent)
            self._sent = None
        self._held = command.q

    def figures_ms(self) -> tuple[float, float, float]:
        """Median, 99th percentile and maximum, ms."""
        return self._durations.figures_ms()
