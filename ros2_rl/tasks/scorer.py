"""Rewards of a stream of control steps, for one robot or a batch, in simulation and on a robot alike."""

from typing import TYPE_CHECKING

import numpy as np

from ros2_rl.policy.step import StepRecord
from ros2_rl.robots import RobotDescription
from ros2_rl.tasks.reward_machine import RewardMachine
from ros2_rl.tasks.terms import TERMS, StepData

if TYPE_CHECKING:
    from ros2_rl.tasks.task import Task


class Scorer:
    """Rewards the steps of ``count`` robots in order; remembers in which phase each of them is.

    Attributes:
        machine: the phases; None for a task without any.
    """

    def __init__(self, task: "Task", count: int = 1):
        self._task = task
        self.machine = RewardMachine(task.machine, task.clock, count) if task.machine else None
        self._before: StepRecord | None = None

    def reset(self, index: np.ndarray | slice = slice(None)) -> None:
        """Begin anew for some robots."""
        self._before = None
        if self.machine is not None:
            self.machine.reset(index)

    def score(self, data: StepData, step: np.ndarray) -> tuple[np.ndarray, dict[str, np.ndarray]]:
        """Reward of the control steps ``step`` (N,), (N,), and its weighted terms, (N,) each."""
        terms = {name: weight * TERMS[name](data) for name, weight in self._task.rewards.items()}
        if self.machine is not None:
            self.machine.advance(data, step)
            for name, value in self._phases(self.machine, data):
                terms[name] = terms.get(name, 0.0) + value
        total = np.maximum(np.sum(list(terms.values()), axis=0), 0.0) * self._task.step_dt
        return total, terms

    def outcome(self, robot: RobotDescription, record: StepRecord, after: StepRecord) -> float:
        """Reward of the step ``record`` of one robot, by the record ``after`` it.

        Records come in order; where one is missing the phases begin anew. Where a number is not finite the
        reward is 0, and they begin anew as well.
        """
        before = self._before
        if before is not None and before.step != record.step - 1:
            self.reset()
            before = None
        data = self._task.step_data(robot, record, after, before)
        reward = float(self.score(data, np.array([record.step]))[0][0])
        self._before = record
        way = 0.0 if self.machine is None else self.machine.moved
        if np.isfinite(reward) and np.isfinite(way).all():
            return reward
        self.reset()
        return 0.0

    @staticmethod
    def _phases(machine: RewardMachine, data: StepData) -> list[tuple[str, np.ndarray]]:
        """The terms of each robot's present state."""
        result = []
        for i, state in enumerate(machine.spec.states.values()):
            here = machine.state == i
            if state.rewards and here.any():
                weighted = ((name, weight * TERMS[name](data)) for name, weight in state.rewards.items())
                result += [(name, np.where(here, value, 0.0)) for name, value in weighted]
        return result
