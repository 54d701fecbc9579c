"""One thing that was looked at, and what to do about it."""

import enum
from dataclasses import dataclass


class Level(enum.Enum):
    """How bad it is."""

    OK = "ok"
    WARN = "warn"
    """It works, but not as well as it could."""
    FAIL = "fail"
    """A run will not begin, or not end well."""


@dataclass(frozen=True)
class Finding:
    """What was looked at, what was found and, unless all is well, what to do."""

    level: Level
    what: str
    found: str
    remedy: str = ""


def judged(what: str, found: str, bad: bool, remedy: str, level: Level = Level.WARN) -> Finding:
    """A finding with a remedy if it is bad, without one if not."""
    return Finding(level, what, found, remedy) if bad else Finding(Level.OK, what, found)
