"""What an arm's position controller is told, from commands that may be late, wild or missing.

A position controller holds what it was told last, so silence is safe where the arm is and unsafe where
it is not. Hence: nothing before the first state; from there every target moves at a bounded speed within
the joint limits; and where commands end, the arm is told once to stay where it was measured.
"""

import enum
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ros2_rl.errors import ConfigError
from ros2_rl.robots import NS_PER_S

_LONGEST_DT = 0.1
"""A pause does not allow a leap: no more movement than in so many seconds."""
_LEAD = 0.5
"""Farthest that a target may run ahead of the measured position, rad: a blocked joint does not wind up."""
DAMPING = "damping"


class Stance(enum.StrEnum):
    """What the arm is doing."""

    WAITING = "waiting"
    """No state has come yet; nothing is sent."""
    HOLDING = "holding"
    """It stays where it was when this began."""
    FOLLOWING = "following"
    """It goes where the commands say."""
    BLIND = "blind"
    """Its states have ended; nothing is sent, the controller holds its last target."""


@dataclass(frozen=True)
class Limits:
    """Bounds of each joint, (J,) each, in the controller's order."""

    lower: np.ndarray
    """rad."""
    upper: np.ndarray
    """rad."""
    speed: np.ndarray
    """rad/s."""

    @classmethod
    def of(
        cls, joints: Sequence[str], lower: Sequence[float], upper: Sequence[float], speed: Sequence[float]
    ) -> "Limits":
        """Check the bounds of named joints; a single speed stands for all.

        Raises:
            ConfigError: no joints, one of them twice, or bounds that cannot be.
        """
        if not joints or len(set(joints)) != len(joints):
            raise ConfigError(
                f"The arm's joints are {', '.join(joints) or 'not named'}; "
                "name each once, in the controller's order."
            )
        speed = list(speed) * len(joints) if len(speed) == 1 else speed
        for key, values in (("lower", lower), ("upper", upper), ("max_velocity", speed)):
            if len(values) != len(joints) or not np.isfinite(values).all():
                raise ConfigError(f"The arm has {len(joints)} joints; {key} needs a finite number for each.")
        limits = cls(np.array(lower), np.array(upper), np.array(speed))
        if (limits.lower >= limits.upper).any() or (limits.speed <= 0.0).any():
            raise ConfigError("The arm's lower bounds must be below the upper ones, and its speeds above 0.")
        return limits


class PositionGate:
    """Between commands and the controller; pure, with the time of each call given.

    Args:
        limits: bounds of the joints.
        command_timeout_s: without a command for so long the arm holds.
        state_timeout_s: without a state for so long nothing is sent.
    """

    def __init__(self, limits: Limits, command_timeout_s: float, state_timeout_s: float):
        self._limits = limits
        self._command_timeout_s, self._state_timeout_s = command_timeout_s, state_timeout_s
        self.stance, self.reason = Stance.WAITING, "no state has come"
        self.limited = self.refused = 0
        """Targets that were changed, and commands that could not be used."""
        self._q: np.ndarray | None = None
        self._sent: np.ndarray | None = None
        self._stamp_ns = -1
        self._state_at = self._command_at = 0.0

    def on_state(self, q: np.ndarray, now: float) -> np.ndarray | None:
        """A measured position (J,), rad, at time ``now``, s; what to send because of it.

        Not finite positions count as no state.
        """
        if not np.isfinite(q).all():
            return None
        self._q, self._state_at = q, now
        if self.stance in (Stance.WAITING, Stance.BLIND):
            return self._hold("the arm is where it was found")
        return None

    def on_command(self, q: np.ndarray, gains: str, stamp_ns: int, now: float) -> np.ndarray | None:
        """A command (J,), rad, its gain set and stamp; what to send, None if nothing may be sent."""
        if not np.isfinite(q).all() or stamp_ns < 0:
            self.refused += 1
            return None
        if self._q is None or self.stance is Stance.BLIND:
            return None
        self._command_at, dt = now, self._since(stamp_ns)
        if gains == DAMPING:
            return None if self.reason == DAMPING else self._hold(DAMPING)
        self.stance, self.reason = Stance.FOLLOWING, ""
        return self._send(q, dt)

    def on_tick(self, now: float) -> np.ndarray | None:
        """Look at the watchdogs; what to send because of them."""
        if self.stance is Stance.WAITING:
            return None
        if now - self._state_at > self._state_timeout_s:
            self.stance = Stance.BLIND
            self.reason = f"no state for {self._state_timeout_s:g} s"
            return None
        if self.stance is Stance.FOLLOWING and now - self._command_at > self._command_timeout_s:
            return self._hold(f"no command for {self._command_timeout_s:g} s")
        return None

    def stop(self, reason: str) -> np.ndarray | None:
        """Hold now; None where nobody knows where the arm is."""
        return None if self._q is None or self.stance is Stance.BLIND else self._hold(reason)

    def _hold(self, reason: str) -> np.ndarray:
        """Stay where the arm was measured; a position beyond a limit is left as it is."""
        assert self._q is not None
        self.stance, self.reason, self._stamp_ns = Stance.HOLDING, reason, -1
        self._sent = self._q.copy()
        return self._sent

    def _since(self, stamp_ns: int) -> float:
        """Time since the command before, s; a stamp that goes back begins anew."""
        before, self._stamp_ns = self._stamp_ns, stamp_ns
        if before < 0 or stamp_ns < before:
            return 0.0
        return min((stamp_ns - before) / NS_PER_S, _LONGEST_DT)

    def _send(self, wanted: np.ndarray, dt: float) -> np.ndarray:
        assert self._q is not None and self._sent is not None
        step = self._limits.speed * dt
        q = np.clip(wanted, self._limits.lower, self._limits.upper)
        q = np.clip(q, self._sent - step, self._sent + step)
        q = np.clip(q, self._q - _LEAD, self._q + _LEAD)
        self.limited += bool((q != wanted).any())
        self._sent = q
        return q
