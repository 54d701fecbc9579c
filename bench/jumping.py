"""Measures jumps of the simulated robot with its whole stack in one process, against ground truth."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ros2_rl.learning.phase import EVALUATE, Phase
from ros2_rl.policy.step import StepRecord
from ros2_rl.robots import BaseEstimate, tilt, yaw_of
from ros2_rl.safety.modes import Mode
from ros2_rl.sim.loop import Robot
from ros2_rl.sim.perturbations import Perturbations
from ros2_rl.tasks import Task
from ros2_rl.tasks.clock import STEP_NS

FLIGHT_S = 0.15
"""Shortest time without any foot on the ground that is a jump, s."""
UPRIGHT, STILL, UP = np.radians(10.0), 0.3, 0.2
"""A robot stands when it tilts less (rad), moves slower (m/s) and is higher (m)."""
_START_STEP = 250


@dataclass(frozen=True)
class Jump:
    """What became of one cycle in which a jump was asked for."""

    asked: np.ndarray
    """The mark: x, y (m) and yaw (rad)."""
    moved: np.ndarray
    """Where the base went, by truth; likewise."""
    flight_s: float
    """Longest stretch without any foot on the ground, in control steps, s."""
    stands: bool
    """The policy acted all the time and at the end the robot stands."""

    @property
    def good(self) -> bool:
        return self.stands and self.flight_s >= FLIGHT_S


class Jumper:
    """One robot that jumps as an evaluation asks, cycle by cycle.

    Args:
        seed: that of the robot's sensors and of the commands.
    """

    def __init__(self, task: Task, policy: Path, gap: Perturbations, seed: int, episodes: int):
        self.robot = Robot(task, policy, seed, gap)
        self._cycle, self._period = task.clock.cycle_steps, task.gait_period
        self._scorer, self._standing = task.scorer(), task.clock.standing
        start = task.clock.next_start(_START_STEP)
        self.cycles = episodes * round(task.episode / task.gait_period)
        self.robot.announce(Phase(EVALUATE, start * STEP_NS, seed, True, False, task.episode, episodes))
        for _ in range(start + 1):
            self.robot.step()
        self._record = self._step()
        self.rewards = 0.0

    def cycle(self) -> Jump | None:
        """Go through one cycle; None when none was asked for."""
        start, asked = self.robot.plant.truth(), np.asarray(self._record.command, float) * self._period
        stands, flight, longest = True, 0, 0
        for _ in range(self._cycle):
            after = self._step()
            by_policy = self.robot.supervisor.mode is Mode.POLICY
            reward = self._scorer.outcome(self.robot.robot, self._record, after)
            self.rewards += reward if by_policy else 0.0
            self._record, stands = after, stands and by_policy
            flight = 0 if self.robot.plant.truth().contacts.any() else flight + 1
            longest = max(longest, flight)
        end = self.robot.plant.truth()
        stands = stands and _stands(end)
        if self._standing(asked / self._period):
            return None
        return Jump(asked, _way(start, end), longest * STEP_NS * 1e-9, stands)

    def _step(self) -> StepRecord:
        return self.robot.step()[0]


def _stands(base: BaseEstimate) -> bool:
    still = float(np.linalg.norm(base.lin_vel)) < STILL
    return tilt(base.quat) < UPRIGHT and still and base.position[2] > UP


def _way(start: BaseEstimate, end: BaseEstimate) -> np.ndarray:
    """From one estimate of the base to another: x, y (m) and yaw (rad) in the frame of the first."""
    yaw = yaw_of(start.quat)
    x, y, _ = end.position - start.position
    turn = yaw_of(end.quat) - yaw
    return np.array(
        (
            np.cos(yaw) * x + np.sin(yaw) * y,
            np.cos(yaw) * y - np.sin(yaw) * x,
            np.arctan2(np.sin(turn), np.cos(turn)),
        )
    )


def measure_jumps(
    task: Task, policy: Path, gap: Perturbations, seeds: tuple[int, ...], episodes: int
) -> dict[str, float]:
    """Figures over all seeds; ``return`` is the mean of an episode, by the task's own reward."""
    jumps: list[Jump] = []
    rewards, falls, overrides = 0.0, 0, 0
    for seed in seeds:
        jumper = Jumper(task, policy, gap, seed, episodes)
        jumps += [jump for jump in (jumper.cycle() for _ in range(jumper.cycles)) if jump is not None]
        state = jumper.robot.supervisor.snapshot()
        rewards, falls, overrides = rewards + jumper.rewards, falls + state.falls, overrides + state.overrides
    missed = np.array([j.moved - j.asked for j in jumps])
    return {
        "jumps": float(len(jumps)),
        "success_share": float(np.mean([j.good for j in jumps])),
        "stands_share": float(np.mean([j.stands for j in jumps])),
        "falls": float(falls),
        "overrides": float(overrides),
        "flight_s": float(np.mean([j.flight_s for j in jumps])),
        "distance_rmse": float(np.sqrt(np.mean(np.sum(missed[:, :2] ** 2, axis=1)))),
        "yaw_rmse": float(np.sqrt(np.mean(missed[:, 2] ** 2))),
        "longest_jump": float(max(j.moved[0] for j in jumps)),
        "return": rewards / (len(seeds) * episodes),
    }
