"""Velocity commands for a robot that practises on its own.

What is asked follows from the phase, its seed and the control step, whatever was asked before; only
the way back into the geofence looks at where the robot is.
"""

import math

import numpy as np

from ros2_rl.learning.phase import EVALUATE, IDLE, TRAIN, Phase
from ros2_rl.tasks.clock import STEP_NS

STANDING_SHARE = 0.1
"""Share of the random commands that ask to stand still."""
INNER = 0.7
"""The robot has come back when it is within this share of the geofence's radius."""
_RETURN_SHARE = 0.5
"""Forward speed of the way back, as a share of the highest."""
_TURN_GAIN = 1.5
"""Yaw rate of the way back for each radian that the robot looks past the centre, 1/s."""
_GOLDEN = (math.sqrt(5.0) - 1.0) / 2.0
_KINDS = 4

Pose = tuple[float, float, float]
"""x, y (m) and yaw (rad) in the odom frame."""


class PhaseSchedule:
    """Which phase holds at a stamp, from announcements of phases to come."""

    def __init__(self, default: str, seed: int):
        self._phases = [Phase(default, start_ns=0, seed=seed)]

    def announce(self, phase: Phase) -> None:
        """From ``phase.start_ns`` on; takes the place of what was announced for then or later."""
        first, *others = self._phases
        self._phases = [first, *(p for p in others if p.start_ns < phase.start_ns), phase]

    def at(self, stamp_ns: int) -> Phase:
        """The phase of a stamp; the default one before the first that was announced."""
        return next((p for p in reversed(self._phases) if p.start_ns <= stamp_ns), self._phases[0])


class PracticeCommands:
    """Commands (vx, vy, yaw rate) by control step."""

    def __init__(
        self,
        ranges: dict[str, tuple[float, float]],
        geofence_radius_m: float = 3.0,
        resample_s: float = 4.0,
        seed: int = 0,
    ):
        """Take the command ranges (``vx``, ``vy``, ``wz``), m/s and rad/s.

        The geofence is a circle around the origin of the odom frame, where the robot started.
        ``seed`` is mixed with that of each phase.
        """
        self._low, self._high = np.array([ranges[name] for name in ("vx", "vy", "wz")], dtype=float).T
        self._radius = geofence_radius_m
        self._resample = max(round(resample_s * 1e9) // STEP_NS, 1)
        self._seed = seed
        self._returning = False
        self._zero = np.zeros(3)
        self._drawn: tuple[tuple, np.ndarray] = ((), self._zero)

    def command(self, step: int, phase: Phase, pose: Pose) -> np.ndarray:
        """The command of control step ``step``, (3,); ``pose`` is where the robot believes to be."""
        since = step - phase.start_step
        if phase.name == TRAIN and since >= 0:
            return self._train(phase, since // self._resample, pose)
        self._returning = False
        over = phase.episodes > 0 and step >= phase.end_step
        if phase.name == EVALUATE and since >= 0 and not over:
            return self._remember((phase, since // phase.episode_steps), self._episode)
        return self._zero

    def _train(self, phase: Phase, index: int, pose: Pose) -> np.ndarray:
        """A random command, or the way back while the robot is outside."""
        distance = math.hypot(pose[0], pose[1])
        limit = self._radius * (INNER if self._returning else 1.0)
        self._returning = distance > limit
        return self._back(pose) if self._returning else self._remember((phase, index), self._random)

    def _back(self, pose: Pose) -> np.ndarray:
        """Turn towards the centre, and go as far as the robot looks that way."""
        x, y, yaw = pose
        error = math.remainder(math.atan2(-y, -x) - yaw, math.tau)
        forward = _RETURN_SHARE * self._high[0] * max(math.cos(error), 0.0)
        return np.clip((forward, 0.0, _TURN_GAIN * error), self._low, self._high)

    def _remember(self, key: tuple, draw) -> np.ndarray:
        """``draw(*key)``, worked out once for as long as it holds."""
        if self._drawn[0] != key:
            self._drawn = key, draw(*key)
        return self._drawn[1]

    def _random(self, phase: Phase, index: int) -> np.ndarray:
        numbers = self._generator(phase, index)
        drawn = numbers.uniform(self._low, self._high)
        return self._zero if numbers.random() < STANDING_SHARE else drawn

    def _episode(self, phase: Phase, index: int) -> np.ndarray:
        """Forward, turning, sideways, everything at once, in turn; speeds spread over their ranges.

        A golden-ratio sequence spreads them evenly however many episodes there are. Turns and
        sidesteps change sides each time.
        """
        cycle, kind = divmod(index, _KINDS)
        start = self._generator(phase, 0).random(3)
        share = np.mod(start + _GOLDEN * cycle, 1.0)
        side = 1 if cycle % 2 == 0 else -1
        vx = float(self._low[0] + share[0] * (self._high[0] - self._low[0]))
        fast = self._side(0, 1, share[0])
        vy, wz = self._side(1, side, share[1]), self._side(2, side, share[2])
        command = (
            (fast, 0.0, 0.0), (vx, 0.0, wz), (0.0, vy, 0.0),
            (vx, self._side(1, -side, share[1]), self._side(2, -side, share[2])),
        )[kind]  # fmt: skip
        return np.clip(command, self._low, self._high)

    def _side(self, axis: int, side: int, share: float) -> float:
        """A command in the outer half of one side of an axis."""
        end = self._high[axis] if side > 0 else self._low[axis]
        return float(end * (0.5 + 0.5 * share))

    def _generator(self, phase: Phase, index: int) -> np.random.Generator:
        """Random numbers that depend on nothing but their key."""
        return np.random.Generator(np.random.Philox(key=[(self._seed << 32) + phase.seed, index]))


PHASES = (TRAIN, EVALUATE, IDLE)
