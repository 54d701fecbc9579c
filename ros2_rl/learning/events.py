"""What goes into a session and what it asks for in return."""

from dataclasses import dataclass

from ros2_rl.learning.phase import Phase


@dataclass(frozen=True, slots=True)
class Label:
    """Who acts from a stamp on, as ``supervisor/state`` says."""

    stamp_ns: int
    actor: str
    """``policy``, ``human``, ``recovery`` or ``supervisor``."""
    falls: int
    """Falls since the start."""


@dataclass(slots=True)
class Announce:
    """Tell everybody about a phase."""

    phase: Phase
    why_again: str = ""
    """Why what was announced before is measured once more; empty where it is not."""


@dataclass(slots=True)
class Learn:
    """Make an update from what was collected; its adapter acts at ``activate_at_step``."""

    activate_at_step: int
    next_at_step: int
    window: int


@dataclass(slots=True)
class Restore:
    """Make the adapter of an earlier version act again (it gets a new version number)."""

    version: int
    activate_at_step: int


@dataclass(slots=True)
class Report:
    """A line of progress, or the result of an evaluation."""

    kind: str
    values: dict[str, float]


@dataclass(slots=True)
class Finish:
    """The session is over; ``reason`` is ``goal``, ``budget`` or ``stopped``."""

    reason: str


Event = Announce | Learn | Restore | Report | Finish
