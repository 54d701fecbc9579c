"""Velocity commands for unattended practice, inside a geofence, and for evaluations.

A pure function of phase, control step and position: the random numbers are keyed by seed and
index, so that what was asked before does not matter and two evaluations with one seed ask for
the same.
"""

import numpy as np

from ros2_rl.learning.phase import EVALUATE, IDLE, TRAIN, Phase
from ros2_rl.robots import BaseEstimate
from ros2_rl.tasks.clock import STEP_NS

STAND_SHARE = 0.1
"""Share of practice commands that ask to stand still."""


class PhaseSchedule:
    """Which of the announced phases holds at a stamp.

    Args:
        default: name of the phase that holds, from the first stamp asked for, until one is announced.
    """

    def __init__(self, default: str = IDLE):
        self._default = default
        self._phases: list[Phase] = []

    def announce(self, phase: Phase) -> None:
        """Take a phase; it replaces what was announced for its start and later."""
        self._phases = [p for p in self._phases if p.start_ns < phase.start_ns]
        self._phases.append(phase)

    @property
    def latest(self) -> Phase | None:
        """The phase that is to hold last, as far as is known."""
        return self._phases[-1] if self._phases else None

    def at(self, stamp_ns: int) -> Phase:
        """The phase that holds at ``stamp_ns``; before the first one's start, the default."""
        while len(self._phases) > 1 and self._phases[1].start_ns <= stamp_ns:
            self._phases.pop(0)
        if not self._phases or self._phases[0].start_ns > stamp_ns:
            self._phases.insert(0, Phase(self._default, stamp_ns))
        return self._phases[0]


class PracticeCommands:
    """Commands (vx, vy, yaw rate) of one robot.

    Args:
        ranges: lowest and highest value of vx, vy (m/s) and wz (rad/s), in this order.
        geofence_radius_m: distance from where practice began beyond which it is steered back.
        resample_s: time between two practice commands, s.
        seed: seed of practice; evaluations bring their own.
    """

    def __init__(
        self,
        ranges: dict[str, tuple[float, float]],
        geofence_radius_m: float = 3.0,
        resample_s: float = 4.0,
        seed: int = 0,
    ):
        self._low, self._high = np.array(list(ranges.values())).T
        self._radius = geofence_radius_m
        self._resample_steps = max(round(resample_s * 1e9) // STEP_NS, 1)
        self._seed = seed
        self._centre: np.ndarray | None = None
        self._outside = False
        self._skipped = 0

    def skip(self) -> None:
        """Leave the present practice command for the next one."""
        self._skipped += 1

    @property
    def returning(self) -> bool:
        """Whether the robot is being steered back inside."""
        return self._outside

    def command(self, step: int, phase: Phase, estimate: BaseEstimate | None) -> np.ndarray:
        """The command for control step ``step``, shape (3,); zero in phase ``idle``.

        ``estimate`` says where the robot is; without one the geofence is off for this step. A step
        before the phase's start counts as its first.
        """
        since = max(step - phase.start_step, 0)
        if phase.name == EVALUATE:
            return self._episode(phase, since // phase.episode_steps)
        if phase.name != TRAIN:
            return np.zeros(3)
        if estimate is not None and self._must_return(estimate):
            return self._homeward(estimate)
        return self._practice(phase.seed, since // self._resample_steps + self._skipped)

    def _practice(self, seed: int, index: int) -> np.ndarray:
        rng = np.random.default_rng((self._seed, seed, index))
        if rng.random() < STAND_SHARE:
            return np.zeros(3)
        return rng.uniform(self._low, self._high)

    def _episode(self, phase: Phase, index: int) -> np.ndarray:
        """One command an episode: stratified in forward speed, turning left and right in turn."""
        rng = np.random.default_rng((phase.seed, index))
        count = max(phase.episodes, 1)
        # A fixed permutation spreads the strata, so that the first half covers the range as well.
        place = np.random.default_rng(phase.seed).permutation(count)[index % count]
        share = np.array((place + rng.random(), 0.0, 0.0)) / count
        command = self._low + (self._high - self._low) * share
        command[1] = rng.uniform(self._low[1], self._high[1])
        turn = rng.uniform(0.0, self._high[2])
        command[2] = turn if index % 2 else max(-turn, self._low[2])
        return command

    def _must_return(self, estimate: BaseEstimate) -> bool:
        """Whether the robot is outside, or on its way back (until half the radius)."""
        here = estimate.position[:2]
        if self._centre is None:
            self._centre = here.copy()
        distance = float(np.linalg.norm(here - self._centre))
        self._outside = distance > (0.5 * self._radius if self._outside else self._radius)
        return self._outside

    def _homeward(self, estimate: BaseEstimate) -> np.ndarray:
        """Turn towards the centre, and walk when facing it."""
        assert self._centre is not None
        away = self._centre - estimate.position[:2]
        w, x, y, z = estimate.quat
        yaw = np.arctan2(2 * (w * z + x * y), 1 - 2 * (y * y + z * z))
        error = np.arctan2(away[1], away[0]) - yaw
        error = np.arctan2(np.sin(error), np.cos(error))
        forward = 0.6 * self._high[0] * max(np.cos(error), 0.0)
        return np.clip((forward, 0.0, 1.5 * error), self._low, self._high)
