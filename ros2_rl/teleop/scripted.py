"""A scripted person beside a robot with legs, for tests and benchmarks: steers, takes over, marks failures.

Everything follows from a seed and the robot time of training, so that two runs have the same person. It does
not see how the robot walks; whether its company helps is what ``bench/corrections.py`` measures.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from ros2_rl.robots import NS_PER_S
from ros2_rl.teleop.intent import Intent

_ASK_AGAIN_S = 1.0
"""A request that was not followed is made again after this, s."""


@dataclass(frozen=True)
class Habits:
    """What such a person does; times are robot time of training, s."""

    steer_every_s: float = 120.0
    """From one time of steering to the next."""
    steer_s: float = 15.0
    """How long it steers then."""
    take_over_at_s: tuple[float, ...] = (300.0, 900.0)
    drive_s: float = 30.0
    """How long it drives then."""
    change_every_s: float = 4.0
    """How often it asks for another velocity."""
    reaction_s: float = 0.3
    """From seeing a robot caught to saying that it failed."""


class ScriptedDriver:
    """What the person wants, control step by control step.

    Args:
        ranges: lowest and highest value of vx, vy (m/s) and wz (rad/s), in this order.
        seed: of the velocities asked for.
    """

    def __init__(self, ranges: Mapping[str, tuple[float, float]], seed: int, habits: Habits | None = None):
        self.habits = habits or Habits()
        self._low, self._high = np.array(list(ranges.values())).T
        self._seed = seed
        self._trained_ns, self._seen_ns = 0, -1
        self._waiting = list(self.habits.take_over_at_s)
        self._until_s: float | None = None
        """When it gives back; None: it has not taken over."""
        self._asked_s = -_ASK_AGAIN_S
        self._overrides: int | None = None
        self._failures: list[float] = []
        self.taken_over = self.judged = 0
        """How often it took over and said that something had failed."""

    def watch(self, stamp_ns: int, trains: bool, driving: bool, overrides: int) -> Intent:
        """What it wants at a control step.

        Args:
            trains: whether the session is training; in an evaluation it keeps its hands off.
            driving: whether the supervisor says that a person drives.
            overrides: how often the supervisor has caught the robot, all told.
        """
        if trains and self._seen_ns >= 0:
            self._trained_ns += stamp_ns - self._seen_ns
        self._seen_ns = stamp_ns
        now = self._trained_ns / NS_PER_S
        requests = [*self._judgement(now, trains, overrides), *self._hand(now, trains, driving)]
        if not driving and not (trains and self._steers(now)):
            return Intent(requests=requests)
        velocity, yaw_rate = self._velocity(now)
        return Intent(velocity, yaw_rate, requests)

    def _judgement(self, now: float, trains: bool, overrides: int) -> list[str]:
        """The robot was caught a moment ago, so what it did before was a failure."""
        caught = self._overrides is not None and overrides > self._overrides
        self._overrides = overrides
        if caught and trains:
            self._failures.append(now + self.habits.reaction_s)
        if not self._failures or now < self._failures[0]:
            return []
        self._failures.pop(0)
        self.judged += 1
        return ["failure"]

    def _hand(self, now: float, trains: bool, driving: bool) -> list[str]:
        """Whether it takes over or gives back; asked again until it is so."""
        if driving and self._until_s is None:
            self._until_s = now + self.habits.drive_s
            self.taken_over += 1
            del self._waiting[:1]
        elif not driving:
            self._until_s = None
        takes = not driving and trains and bool(self._waiting) and now >= self._waiting[0]
        gives = driving and self._until_s is not None and (now >= self._until_s or not trains)
        if not (takes or gives) or now - self._asked_s < _ASK_AGAIN_S:
            return []
        self._asked_s = now
        return ["take_over" if takes else "give_back"]

    def _steers(self, now: float) -> bool:
        since = now % self.habits.steer_every_s
        return now >= self.habits.steer_every_s and since < self.habits.steer_s

    def _velocity(self, now: float) -> tuple[np.ndarray, float]:
        rng = np.random.default_rng((self._seed, 8, int(now // self.habits.change_every_s)))
        vx, vy, yaw_rate = rng.uniform(self._low, self._high)
        return np.array((vx, vy, 0.0)), float(yaw_rate)
