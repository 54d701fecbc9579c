"""One policy's way through an exam, and the figures that it comes to."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from ros2_rl.evaluation.adversary import Adversary
from ros2_rl.evaluation.exam import ADVERSARY, GAPS, GRID, PUSHES, Exam, trials, walk
from ros2_rl.sim.perturbations import Perturbations
from ros2_rl.sim.trial import Outcome, Trial, carry_out
from ros2_rl.tasks import Task

_AFTER_S = 2.5
"""Time that a robot has after a shove of the adversary, s."""


@dataclass(frozen=True)
class Setting:
    """On what policies are examined."""

    exam: Exam
    task: Task
    gap: Perturbations
    robot_name: str = "go2"
    seed: int = 1

    @property
    def count(self) -> int:
        """Trials of one policy."""
        asked = sum(1 for _ in trials(self.exam, self.task, self.gap, self.seed))
        return asked + self.exam.adversary_trials


@dataclass
class Result:
    """What a policy did, trial by trial."""

    policy: Path
    done: list[tuple[Trial, Outcome]] = field(default_factory=list)
    margin_m_s: float = float("nan")
    """The weakest shove that the adversary felled it with, m/s."""

    def of(self, section: str) -> list[Outcome]:
        return [outcome for trial, outcome in self.done if trial.section == section]

    def figures(self) -> dict[str, float]:
        """Flat figures; nan where nothing was measured."""
        grid = self.of(GRID)
        found = {"grid/trials": float(len(grid)), "grid/lost": _lost(grid)}
        found |= {"grid/error_v": _mean([o.error_v for o in grid])}
        found |= {"grid/error_w": _mean([o.error_w for o in grid])}
        found |= {"grid/energy_per_m": _mean([o.energy_per_m for o in grid])}
        for section in (PUSHES, GAPS):
            outcomes = self.of(section)
            found |= {f"{section}/trials": float(len(outcomes)), f"{section}/lost": _lost(outcomes)}
        found["gaps/error_v"] = _mean([o.error_v for o in self.of(GAPS)])
        found["falls"] = float(sum(o.fell for _, o in self.done if o.section != ADVERSARY))
        found["adversary/weakest_m_s"] = self.margin_m_s
        return found

    @property
    def worst(self) -> tuple[Trial, Outcome]:
        """The trial that is worth a look: lost without the adversary's help, soonest; else tracked worst."""
        return max(self.done, key=lambda item: _badness(item[1]))


def examine(
    policy: Path,
    setting: Setting,
    told: Callable[[Outcome], None] = lambda _: None,
    stop: Callable[[], bool] = lambda: False,
) -> Result:
    """All trials of an exam with one policy; ``told`` hears of each, ``stop`` ends it early.

    Raises:
        ContractError: the policy does not fit the robot or the task.
    """
    result = Result(policy)

    def take(trial: Trial) -> Outcome:
        outcome = carry_out(trial, setting.task, policy, setting.robot_name, stop=stop)
        result.done.append((trial, outcome))
        told(outcome)
        return outcome

    for trial in trials(setting.exam, setting.task, setting.gap, setting.seed):
        if stop():
            return result
        take(trial)
    _shove(setting, take, stop, result)
    return result


def _shove(
    setting: Setting, take: Callable[[Trial], Outcome], stop: Callable[[], bool], result: Result
) -> None:
    """The adversary's trials."""
    exam, begin = setting.exam, setting.exam.settle_s
    pusher = Adversary(exam.adversary_m_s, (begin, begin + setting.task.gait_period), setting.seed)
    for number, push in enumerate(pusher.tries(exam.adversary_trials), start=1):
        if stop():
            return
        trial = Trial(
            ADVERSARY, f"try {number}: {push.speed:.2f} m/s at {np.degrees(push.heading):.0f} deg",
            walk(setting.task), setting.gap, push.at_s + _AFTER_S, begin, (push,), setting.seed,
        )  # fmt: skip
        pusher.saw(push, take(trial).lost)
    result.margin_m_s = pusher.margin_m_s


def _lost(outcomes: Sequence[Outcome]) -> float:
    return float(sum(outcome.lost for outcome in outcomes))


def _mean(values: Sequence[float]) -> float:
    known = [value for value in values if not np.isnan(value)]
    return float(np.mean(known)) if known else float("nan")


def _badness(outcome: Outcome) -> tuple[float, ...]:
    error = 0.0 if np.isnan(outcome.error_v) else outcome.error_v
    soonest = -outcome.lost_at_s if outcome.lost else 0.0
    return float(outcome.lost), float(outcome.section != ADVERSARY), float(outcome.fell), soonest, error
