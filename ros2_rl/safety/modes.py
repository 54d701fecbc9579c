"""Modes of the supervisor and the record of who acts, why and since when."""

from dataclasses import dataclass
from enum import StrEnum


class Mode(StrEnum):
    """What the robot is told; see ``docs/supervisor.md``."""

    PASSIVE = "PASSIVE"
    """Damped, nobody has asked for anything yet."""
    STAND = "STAND"
    POLICY = "POLICY"
    RECOVERY = "RECOVERY"
    DAMPING = "DAMPING"
    """Damped after a fault or a request; latched until reset."""
    ESTOP = "ESTOP"
    """Damped by a person or a second writer; latched until reset, outranks all."""


DAMPED = frozenset({Mode.PASSIVE, Mode.DAMPING, Mode.ESTOP})
LATCHED = frozenset({Mode.DAMPING, Mode.ESTOP})


class Actor(StrEnum):
    """Whose will the joint commands are."""

    POLICY = "policy"
    HUMAN = "human"
    RECOVERY = "recovery"
    SUPERVISOR = "supervisor"


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What ``supervisor/state`` tells."""

    mode: Mode
    reason: str
    actor: Actor
    since_ns: int
    """Stamp of the first state that was answered in this mode."""
    stamp_ns: int
    """Stamp of the newest state."""
    policy_from_ns: int
    """Stamp from which the policy is to act, announced ahead; 0 while it is not known."""
    human_from_ns: int
    """Stamp from which a person drives the base policy, announced ahead; 0: nobody does."""
    human_until_ns: int
    """Stamp from which the adapted policy is to act again, announced ahead; 0 while not known."""
    falls: int
    overrides: int
    """How often recovery took the robot from the policy."""
    limited: int
    """States whose command was altered by the limiter."""
    guard: str
    """Name of the guard that led into this mode; empty where none did."""
    tripped: tuple[str, ...]
    """Names of all guards that are tripped now."""
    distrusted: int
    """Version of the adapter that must not act any longer; -1 when there is none."""
    events: int
    """How many things have happened that are worth a record; at one state they count as one."""
    event: str
    """The last of them: name of a guard, ``fall``, what a person asked for; joined by "and" at one state."""
    residual_limit_deg: float
    """Largest change of a joint target by a learned residual, deg; 0: the base alone acts."""


class ModeRecord:
    """The present mode and its history in numbers; ``revision`` grows with every change."""

    def __init__(self) -> None:
        self.mode, self.reason, self.actor = Mode.PASSIVE, "started", Actor.SUPERVISOR
        self.since_ns = self.policy_from_ns = 0
        self.human_from_ns = self.human_until_ns = 0
        self.falls = self.overrides = self.limited = 0
        self.guard = ""
        self.tripped: tuple[str, ...] = ()
        self.distrusted = -1
        self.residual_limit_deg = 0.0
        self.events, self.event = 0, ""
        self._told = True
        self.revision = 0
        self._fallen = False

    def enter(self, mode: Mode, reason: str, stamp_ns: int, human: bool = False, guard: str = "") -> None:
        """Change the mode; going from POLICY to RECOVERY counts as an override."""
        self.overrides += self.mode is Mode.POLICY and mode is Mode.RECOVERY
        if mode in (Mode.POLICY, Mode.STAND):
            self._fallen = False
        if mode in DAMPED:
            self.human_from_ns = self.human_until_ns = 0
        driven = mode is Mode.POLICY and 0 < self.human_from_ns <= stamp_ns
        self.actor, self.guard = Actor.HUMAN if driven else _actor(mode, human), guard
        self.mode, self.reason, self.since_ns, self.policy_from_ns = mode, reason, stamp_ns, 0
        self.revision += 1
        if guard or human:
            self._happened(guard or mode.lower())

    def announce_person(self, from_ns: int, until_ns: int) -> None:
        """Say from and until which stamp a person drives; see :class:`Snapshot`."""
        if (from_ns, until_ns) != (self.human_from_ns, self.human_until_ns):
            self.human_from_ns, self.human_until_ns = from_ns, until_ns
            self.revision += 1

    def change_driver(self, actor: Actor, reason: str) -> None:
        """The policy goes on under another driver."""
        self.actor, self.reason = actor, reason
        self.revision += 1

    def announce(self, policy_from_ns: int) -> None:
        """Say from which stamp on the policy is to act; 0 takes it back."""
        if policy_from_ns != self.policy_from_ns:
            self.policy_from_ns = policy_from_ns
            self.revision += 1

    def trip(self, names: tuple[str, ...], distrusted: int) -> None:
        """Say which guards are tripped, and which adapter must not act."""
        if (names, distrusted) == (self.tripped, self.distrusted):
            return
        new = [name for name in names if name not in self.tripped]
        self.tripped, self.distrusted = names, distrusted
        self.revision += 1
        if new and self.guard not in new:
            self._happened(new[0])

    def limit_residual(self, limit_deg: float) -> None:
        """Say how far a learned residual may go, deg."""
        self.residual_limit_deg = limit_deg
        self.revision += 1

    def fall(self) -> None:
        """Count a fall, once until the robot stands again."""
        if not self._fallen:
            self._fallen = True
            self.falls += 1
            self.revision += 1
            self._happened("fall")

    def snapshot(self, stamp_ns: int) -> Snapshot:
        return Snapshot(
            self.mode,
            self.reason,
            self.actor,
            self.since_ns,
            stamp_ns,
            self.policy_from_ns,
            self.human_from_ns,
            self.human_until_ns,
            self.falls,
            self.overrides,
            self.limited,
            self.guard,
            self.tripped,
            self.distrusted,
            self.events,
            self.event,
            self.residual_limit_deg,
        )

    def told(self) -> None:
        """Whoever keeps the events has been asked: what happens from now on is another one."""
        self._told = True

    def _happened(self, what: str) -> None:
        """Two things that happen at one state, a trip and a fall, say, are one event."""
        self.event = what if self._told else f"{self.event} and {what}"
        self.events += self._told
        self._told = False


def _actor(mode: Mode, human: bool) -> Actor:
    if mode is Mode.POLICY:
        return Actor.POLICY
    if mode is Mode.RECOVERY:
        return Actor.RECOVERY
    return Actor.HUMAN if human else Actor.SUPERVISOR
