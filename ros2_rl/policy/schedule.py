"""What others tell the executor, ordered by stamp: commands, exploration, and who acts.

Messages arrive when they arrive; what holds at a control step follows from stamps alone, so that
a lockstep run is repeatable.
"""

import numpy as np

POLICY_MODE = "POLICY"
PUNCTUAL_NS = 500_000_000
"""So long after one node has heard of a phase, all have; robot time."""


class CommandInbox:
    """Velocity commands by stamp, limited to what the policy was trained for.

    A command is as old as its stamp, or as the control step that first saw it where that is
    earlier: a sender whose clock runs ahead times out like any other.
    """

    def __init__(self, lower: np.ndarray, upper: np.ndarray, step_ns: int, timeout_ns: int):
        self._lower, self._upper = lower, upper
        self._step_ns, self._timeout_ns = step_ns, timeout_ns
        self._kept: dict[int, tuple[int, np.ndarray]] = {}
        self._zero = np.zeros(3)

    def clear(self) -> None:
        self._kept.clear()

    def put(self, stamp_ns: int, command: np.ndarray, seen_ns: int) -> None:
        """Take a command (vx, vy, yaw rate); one that is not finite counts as zero.

        ``seen_ns`` is the stamp of the control step at which it was there; a sender that does
        not stamp (0) counts as stamped then.
        """
        command = np.clip(command, self._lower, self._upper) if np.isfinite(command).all() else self._zero
        self._kept[stamp_ns or seen_ns] = (min(stamp_ns or seen_ns, seen_ns), command)

    def newest(self, stamp_ns: int) -> np.ndarray:
        """The newest command, zero when it is too old, for the control step ``stamp_ns``."""
        if not self._kept:
            return self._zero
        newest = max(self._kept)
        self._kept = {newest: self._kept[newest]}
        since, command = self._kept[newest]
        return command if stamp_ns - since <= self._timeout_ns else self._zero

    def answering(self, stamp_ns: int) -> np.ndarray | None:
        """The first command stamped at the control step before ``stamp_ns`` or later, if there."""
        first = min(stamp_ns - self._step_ns, max(self._kept, default=0))
        self._kept = {stamp: kept for stamp, kept in self._kept.items() if stamp >= first}
        stamp = min(self._kept, default=None)
        return None if stamp is None or stamp < stamp_ns - self._step_ns else self._kept[stamp][1]


class NoiseSchedule:
    """Whether to explore, by stamp, as ``learner/phase`` announces it."""

    def __init__(self) -> None:
        self._changes: list[tuple[int, bool]] = []

    def announce(self, start_ns: int, noise: bool) -> None:
        """From ``start_ns`` on; takes the place of what was announced for later."""
        self._changes = [change for change in self._changes if change[0] < start_ns]
        self._changes.append((start_ns, noise))

    def at(self, stamp_ns: int) -> bool:
        """Whether the step ``stamp_ns`` explores; off before the first announcement."""
        while len(self._changes) > 1 and self._changes[1][0] <= stamp_ns:
            self._changes.pop(0)
        return bool(self._changes) and self._changes[0][0] <= stamp_ns and self._changes[0][1]


class PunctualPhases:
    """Which phase of the learner a control step belongs to, for sure.

    A phase is followed from its start or from when it was heard, but others may hear it a little later: a
    step belongs to it for sure once it was heard :data:`PUNCTUAL_NS` ago.
    """

    def __init__(self) -> None:
        self._phases: list[tuple[int, int]] = []

    def announce(self, start_ns: int, heard_ns: int) -> None:
        """A phase was heard of at the stamp ``heard_ns``; takes the place of what was to begin later."""
        self._phases = [phase for phase in self._phases if phase[0] < start_ns]
        self._phases.append((start_ns, heard_ns + PUNCTUAL_NS))

    def at(self, stamp_ns: int) -> int:
        """Start of the phase that the step ``stamp_ns`` belongs to; 0: of none, or of one heard just now."""
        while len(self._phases) > 1 and self._phases[1][0] <= stamp_ns:
            self._phases.pop(0)
        start_ns, sure_ns = self._phases[0] if self._phases else (0, 0)
        return start_ns if max(start_ns, sure_ns) <= stamp_ns else 0


class DriverSchedule:
    """Whether a person drives, by stamp, as the supervisor announces it ahead."""

    def __init__(self) -> None:
        self._from_ns = self._until_ns = 0

    def announce(self, from_ns: int, until_ns: int) -> None:
        """A person drives from ``from_ns`` on (0: nobody does) until ``until_ns`` (0: not known yet)."""
        self._from_ns, self._until_ns = from_ns, until_ns

    def at(self, stamp_ns: int) -> bool:
        return 0 < self._from_ns <= stamp_ns and not 0 < self._until_ns <= stamp_ns


class MemoryGuard:
    """When the policy's memory starts: at the step from which the policy acts.

    While it does not act every step is proposed from an empty memory, hence it does not matter
    whether the news of the mode comes shortly before or after the first step in it.
    """

    def __init__(self) -> None:
        self._acting = self._begun = False
        self._from_ns = 0

    @property
    def running(self) -> bool:
        """Whether the last step counted as one in which the policy acts."""
        return self._begun

    def on_mode(self, mode: str, policy_from_ns: int = 0) -> None:
        """News of the supervisor: the mode, and from which stamp on the policy will act (0: unknown)."""
        self._acting = mode == POLICY_MODE
        if not self._acting and (policy_from_ns == 0 or policy_from_ns != self._from_ns):
            self._begun = False
        self._from_ns = policy_from_ns

    def resets_at(self, stamp_ns: int) -> bool:
        """Whether the memory must be cleared before the step ``stamp_ns``."""
        if self._acting or 0 < self._from_ns <= stamp_ns:
            first, self._begun = not self._begun, True
            return first
        self._begun = False
        return True
