"""Whose velocity command holds: a person's, as long as there is one, else that of practice.

Steering (the person asks for velocities, the adapted policy acts) and driving (the person has taken
over, the base policy acts) use the same commands; only the latter stands still without them.
"""

import numpy as np

FRESH_NS = 500_000_000
"""A person's command is followed for this long after it came, ns of robot time."""


class Steering:
    """Chooses between a person and practice.

    Args:
        ranges: lowest and highest value of vx, vy (m/s) and wz (rad/s), in this order.
    """

    def __init__(self, ranges: dict[str, tuple[float, float]]):
        self._low, self._high = np.array(list(ranges.values())).T
        self._command = np.zeros(3)
        self._seen_ns = -FRESH_NS - 1

    def put(self, command: np.ndarray, seen_ns: int) -> None:
        """A person asks for (vx, vy, yaw rate), heard at ``seen_ns``; what is not finite counts as 0."""
        finite = np.isfinite(command).all()
        self._command = np.clip(command, self._low, self._high) if finite else np.zeros(3)
        self._seen_ns = seen_ns

    def steered(self, stamp_ns: int) -> bool:
        """Whether a person's command is fresh."""
        return 0 <= stamp_ns - self._seen_ns <= FRESH_NS

    def choose(self, stamp_ns: int, driving: bool, practised: np.ndarray) -> np.ndarray:
        """The command that holds, (3,); ``driving``: a person has taken over."""
        if self.steered(stamp_ns):
            return self._command
        return np.zeros(3) if driving else practised
