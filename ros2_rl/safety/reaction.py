"""How strongly a guard reacts, and the verdict that carries it."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import IntEnum


class Reaction(IntEnum):
    """What a verdict asks for; the order is the precedence."""

    NONE = 0
    NOTE = 1
    """Told and recorded; the robot goes on."""
    LIMIT = 2
    """The command is taken, but not all of it."""
    HOLD = 3
    """The policy is let go; the robot is brought to a stand."""
    LIE_DOWN = 4
    """The robot lies down by itself, then its joints are damped."""
    RECOVERY = 5
    DAMPING = 6
    ESTOP = 7


@dataclass(frozen=True, slots=True)
class Verdict:
    """A reaction, the sentence that says why, and the name of the guard whose sentence it is."""

    reaction: Reaction
    cause: str = ""
    guard: str = ""


OK = Verdict(Reaction.NONE)


def strongest(verdicts: Iterable[Verdict]) -> Verdict:
    """The verdict with the strongest reaction; the first of equals."""
    worst = OK
    for verdict in verdicts:
        if verdict.reaction > worst.reaction:
            worst = verdict
    return worst
