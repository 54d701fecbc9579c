"""The same steps under other commands, in hindsight (Andrychowicz et al. 2017, arXiv 1707.01495).

A robot's motion follows from its joint targets, whatever was asked of it, and the reward is a known function
of motion and command: of every stretch it can be said what it would have earned, had something else been
asked. A quarter of an hour holds some two hundred commands. Without this, critics and actor guess what lies
between those of the last minutes, and a policy that does well at these falls at others.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from ros2_rl.policy.contract import Contract
from ros2_rl.policy.step import StepRecord
from ros2_rl.robots import RobotDescription
from ros2_rl.tasks import Task

_STRETCH = 50
"""Most consecutive steps that get the same other command: 1 s; targets that look ahead end where it does."""
_NEAR = 0.23
"""Spread of other commands about the one that was given, in ranges of the command; half of them are so."""
_ACHIEVED = 0.05
"""Spread of the other half about what the robot did, m/s and rad/s."""
_TRIES = 10
_TERMS = ("velocity_commands", "command")


@dataclass(slots=True)
class Step:
    """A control step that was carried out."""

    record: StepRecord
    after: StepRecord
    action: np.ndarray
    """Executed raw action, (J,)."""
    reward: float
    label: str
    """Who acted, one of LABELS."""
    terminal: bool = False


Relabel = Callable[[Sequence[Step]], list[Step]]
"""Makes of steps, oldest first, the same ones under other commands."""


class OtherCommands:
    """Relabels the steps of a gait; what it draws depends on seed and step number alone."""

    def __init__(self, task: Task, robot: RobotDescription, contract: Contract, seed: int):
        self._task, self._robot, self._seed = task, robot, seed
        ranges = np.array(list(task.command_ranges.values()))
        self._low, self._high = ranges[:, 0], ranges[:, 1]
        self._as_given, self._as_asked = task.scorer(), task.scorer()
        named = np.repeat([name in _TERMS for name in contract.observation_names], contract.term_sizes())
        elements = contract.history_index() % contract.frame_width
        self._columns = np.flatnonzero(named[elements])
        elements = elements[self._columns]
        self._scale, self._lower, self._upper = (
            contract.elements(f"observation_{key}")[elements] for key in ("scales", "lower", "upper")
        )
        self._parts = (np.cumsum(named) - 1)[elements] % 3

    def __call__(self, steps: Sequence[Step]) -> list[Step]:
        """Stretches in which a command was followed, each under another one; standing is left out."""
        found: list[Step] = []
        for stretch in _stretches(steps):
            command = self._draw(stretch)
            if command is not None:
                found += [self._under(command, step) for step in stretch]
        return found

    def _draw(self, stretch: Sequence[Step]) -> np.ndarray | None:
        """Another command, (3,): near the one that was given, or near what the robot did in its place."""
        given, clock = stretch[0].record.command, self._task.clock
        if clock.standing(given):
            return None
        rng = np.random.default_rng((self._seed, stretch[0].record.step))
        did = np.mean([(*s.after.lin_vel[:2], s.after.ang_vel[2]) for s in stretch], axis=0)
        for _ in range(_TRIES):
            near = given + _NEAR * (self._high - self._low) * rng.standard_normal(3)
            achieved = did + _ACHIEVED * rng.standard_normal(3)
            drawn = np.clip(near if rng.random() < 0.5 else achieved, self._low, self._high)
            if not clock.standing(drawn):
                return drawn.astype(np.float32)
        return None

    def _under(self, command: np.ndarray, step: Step) -> Step:
        """A step as if ``command`` had been asked for; what a person's judgement added stays."""
        record, after = self._asked(command, step.record), self._asked(command, step.after)
        more = self._as_asked.outcome(self._robot, record, after)
        more -= self._as_given.outcome(self._robot, step.record, step.after)
        return replace(step, record=record, after=after, reward=step.reward + more)

    def _asked(self, command: np.ndarray, record: StepRecord) -> StepRecord:
        obs = record.obs.copy()
        obs[self._columns] = np.clip(command[self._parts] * self._scale, self._lower, self._upper)
        return replace(record, obs=obs, command=command)


def can_relabel(task: Task, contract: Contract) -> bool:
    """Whether the reward under another command is known; that of phases depends on what was asked before."""
    return (
        task.machine is None and task.jump is None and not set(_TERMS).isdisjoint(contract.observation_names)
    )


def _stretches(steps: Sequence[Step]) -> Iterator[list[Step]]:
    """Consecutive steps of the same label under the same command; recovery follows none."""
    stretch: list[Step] = []
    for step in steps:
        last = stretch[-1] if stretch else None
        if last is not None and not (
            len(stretch) < _STRETCH
            and step.record.step == last.record.step + 1
            and step.label == last.label
            and np.array_equal(step.record.command, last.record.command)
        ):
            yield stretch
            stretch = []
        if step.label != "recovery":
            stretch.append(step)
    if stretch:
        yield stretch
