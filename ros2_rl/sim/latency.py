"""From a state to the command that answers it, as the robot feels it, in real time.

For each control step the time from the state's departure to the arrival of the last command
with its stamp that holds a target of the policy. A control step is missed when none such came
before the next one, although the robot was under the policy from the one to the other.
"""

from collections.abc import Callable

from ros2_rl.durations import Durations

POLICY = "policy"


class TickLatency:
    """Latencies of all control steps so far and the number of missed ones.

    Args:
        step_ns: control step of the policy.
        told: called with each latency, s.
    """

    def __init__(self, step_ns: int = 20_000_000, told: Callable[[float], None] = lambda _: None):
        self._step_ns, self._told = step_ns, told
        self._durations = Durations()
        self._tick, self._sent, self._came = -1, 0.0, 0.0
        self._gains = ""
        self._expected = False
        self.missed = 0

    def sent(self, stamp_ns: int, now: float) -> None:
        """The state of a stamp has left at wall time ``now``, s; sent again, the first time counts."""
        if stamp_ns % self._step_ns or stamp_ns == self._tick:
            return
        self._close()
        self._tick, self._sent, self._came = stamp_ns, now, 0.0
        self._expected = self._gains.startswith(POLICY)

    def came(self, stamp_ns: int, gains: str, now: float) -> None:
        """A command has come."""
        self._gains = gains
        if stamp_ns == self._tick and gains.startswith(POLICY):
            self._came = now

    def restart(self) -> None:
        """Time begins anew: what has not been answered is not missed."""
        self._tick, self._came, self._gains = -1, 0.0, ""

    def figures_ms(self) -> tuple[float, float, float]:
        """Median, 99th percentile and maximum, ms; zeros before the first control step."""
        return self._durations.figures_ms()

    def _close(self) -> None:
        if self._came:
            self._durations.add(self._came - self._sent)
            self._told(self._came - self._sent)
        elif self._expected and self._gains.startswith(POLICY):
            self.missed += 1
