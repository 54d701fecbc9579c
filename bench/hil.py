"""A person in the loop: cloning demonstrations, RLPD on its own, and RLPD with corrections (HIL).

The person is scripted (ros2_rl/manipulation/operator.py), with reaction time and an unsteady hand. All three
begin with the same demonstrations; both learners have the same robot minutes. In process, with the very
classes of the nodes. On the way the policy is looked at on tables of its own, which is not counted as robot
time; the final trials are on other tables again. Seeds 11 to 14 and 21 to 23 were used for tuning, and what
1 to 9, 15 to 18, 31 to 33, 41 to 44, 51 and 61 showed has changed learner or person; the defaults are others.

    python bench/hil.py [--quick] [--out FILE] [--seeds 71 72 73 74] [--task peg] [--minutes 15] [--demos 1]
        [--trials 100] [--jobs 1] [--results DIR] [--verbose]

With ``--results`` each method and seed leaves a file there; what is there, made with the same settings of
learner and person, is not run again.
"""

import argparse
import json
import multiprocessing
import os
import sys
import tempfile
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from launching import write_result

from ros2_rl.learning.arm_tuning import ArmTuning
from ros2_rl.learning.config import load_arm_learner
from ros2_rl.manipulation.arm_policy import ArmPolicy
from ros2_rl.manipulation.demos import DemoWriter
from ros2_rl.manipulation.operator import Character, ScriptedOperator
from ros2_rl.manipulation.practice import WINDOW, PracticeConfig, Told
from ros2_rl.manipulation.task import load_arm_task
from ros2_rl.policy.onnx_policy import write_bytes
from ros2_rl.sim.arm_loop import ArmCell
from ros2_rl.sim.arm_session import demonstrate, practise, tried

METHODS = ("bc", "rlpd", "hil")
_SHOWN, _LOOKS, _TRIALS = 1000, 2000, 3000
"""Added to a seed: of the tables that the demonstrations, the looks and the final trials are made on."""
_GOOD = 0.8
MARKS = (0.5, 1, 1.5, 2, 2.5, 3, 4, 5, 6, 8, 10, 15, 20, 25, 30, 40, 50, 60)
"""Robot minutes at which the policy is looked at."""


@dataclass
class Result:
    """What one method gave with one seed."""

    success: float
    """Share of the final trials."""
    seconds: float
    """Mean time of those that succeeded, s."""
    looks: dict[float, float] = field(default_factory=dict)
    """Success by robot minute."""
    rates: list[float] = field(default_factory=list)
    """Share of a person's steps over the last WINDOW episodes, after each episode of practice."""
    minutes: float = 0.0
    learner: dict[str, Any] = field(default_factory=dict)
    """Settings of the learner that it was made with."""
    person: dict[str, Any] = field(default_factory=dict)
    """Those of the scripted person."""

    @classmethod
    def load(cls, path: Path) -> "Result":
        """What :meth:`save` wrote."""
        found = json.loads(path.read_text())
        return cls(**found | {"looks": {float(m): s for m, s in found["looks"].items()}})

    def save(self, path: Path) -> None:
        """Whole or not at all."""
        path.parent.mkdir(parents=True, exist_ok=True)
        write_bytes(path, (json.dumps(asdict(self)) + "\n").encode())

    @property
    def settings(self) -> dict[str, Any]:
        """As :func:`_settings`."""
        return {"learner": self.learner, "person": self.person}

    @property
    def minutes_to_good(self) -> float | None:
        """Robot minutes until a look found 80 % or more and the next one, if any, too; None: never."""
        looks = sorted(self.looks.items())
        then = [success for _, success in looks[1:]] + [1.0]
        held = (m for (m, now), next_ in zip(looks, then, strict=True) if min(now, next_) >= _GOOD)
        return next(held, None)

    @property
    def first_rate(self) -> float:
        """Of the first WINDOW episodes."""
        return self.rates[min(WINDOW, len(self.rates)) - 1] if self.rates else 0.0

    @property
    def last_rate(self) -> float:
        return self.rates[-1] if self.rates else 0.0


@dataclass(frozen=True)
class Bench:
    """One task with its demonstrations, trial by trial and method by method."""

    task: str
    minutes: float
    demos: int
    trials: int
    looks: int
    verbose: bool = False
    results: Path | None = None
    """Folder of the results; None: kept nowhere."""

    def result(self, asked: tuple[str, int]) -> Result:
        """One method with one seed, run unless its result is there."""
        name = "-".join(f"{v:g}" if isinstance(v, float) else str(v) for v in (
            self.task, self.minutes, self.demos, self.trials, *asked
        ))  # fmt: skip
        path = self.results / f"{name}.json" if self.results else None
        if path and path.is_file() and (found := Result.load(path)).settings == _settings():
            return found
        found = self.run(*asked)
        if path:
            found.save(path)
        return found

    def run(self, method: str, seed: int) -> Result:
        """One method with one seed."""
        with tempfile.TemporaryDirectory() as folder:
            self._show(Path(folder), seed)
            tuning = self._tuning(Path(folder), seed)
        looks = {0.0: self._success(tuning.policy(), seed + _LOOKS, self.looks)[0]}
        if method != "bc":
            self._practise(tuning, method, seed, looks)
        practice = tuning.practice
        success, seconds = self._success(tuning.newest, seed + _TRIALS, self.trials)
        rates = [point["intervention_rate"] for point in practice.curve]
        return Result(success, seconds, looks, rates, practice.robot_minutes, **_settings())

    def _show(self, folder: Path, seed: int) -> None:
        cell = ArmCell(self.task, seed=seed + _SHOWN)
        operator = ScriptedOperator(cell.task, seed + _SHOWN, Character(always=True))
        demonstrate(cell, operator, DemoWriter(folder, cell.task), self.demos)

    def _tuning(self, folder: Path, seed: int) -> ArmTuning:
        session = PracticeConfig(self.minutes, trials_before=0, trials_after=0)
        return ArmTuning(session, load_arm_learner("rlpd"), load_arm_task(self.task), folder, seed)

    def _practise(self, tuning: ArmTuning, method: str, seed: int, looks: dict[float, float]) -> None:
        cell = ArmCell(self.task, seed=seed)
        operator = ScriptedOperator(cell.task, seed) if method == "hil" else None

        def told(report: Told) -> None:
            minutes = report.values["robot_minutes"]
            due = [mark for mark in MARKS if mark <= minutes and mark not in looks]
            if due:
                looks[due[-1]] = self._success(tuning.newest, seed + _LOOKS, self.looks)[0]
            if due and self.verbose:
                figures = "  ".join(f"{k.replace('_', ' ')} {v:.2f}" for k, v in report.values.items())
                print(f"  {method} {seed}: look {looks[due[-1]]:.2f}  {figures}", flush=True)

        practise(cell, tuning, seed, operator, told)

    def _success(self, policy: ArmPolicy, seed: int, count: int) -> tuple[float, float]:
        """Share of trials that succeed, and their mean time, s."""
        cell = ArmCell(self.task, seed=seed)
        steps = tried(cell, policy, count)
        good = [n for n in steps if n is not None]
        return len(good) / count, cell.task.step_dt * sum(good) / len(good) if good else 0.0


def _settings() -> dict[str, Any]:
    """What a result depends on besides task, seed and code, as JSON has it."""
    return {"learner": load_arm_learner("rlpd").model_dump(mode="json"), "person": asdict(Character())}


def musts(results: dict[str, list[Result]], minutes: float) -> dict[str, bool]:
    """What the figures must show, by sentence; ``results`` by method, one a seed."""

    def mean(method: str, name: str) -> float:
        return sum(getattr(r, name) for r in results[method]) / len(results[method])

    def to_good(method: str) -> float:
        found = [r.minutes_to_good for r in results[method]]
        return sum(minutes if m is None else m for m in found) / len(found)

    def seconds(method: str) -> float:
        """Of the seeds on which it succeeded at all; who never did has no time."""
        found = [r.seconds for r in results[method] if r.success]
        return sum(found) / max(len(found), 1)

    hil, bc = mean("hil", "success"), mean("bc", "success")
    faster = seconds("bc") / max(seconds("hil"), 1e-9)
    return {
        "HIL succeeds in 95 % or more": hil >= 0.95,
        "HIL succeeds twice as often as cloning, or is 1.8 times as fast at equal success": hil >= 2.0 * bc
        or (hil >= bc - 0.02 and faster >= 1.8),
        "the intervention rate falls, to 5 % or less": mean("hil", "last_rate") <= 0.05
        and mean("hil", "last_rate") < mean("hil", "first_rate"),
        "HIL needs fewer robot minutes to 80 % than RLPD alone": to_good("hil") < to_good("rlpd"),
    }


def print_table(results: dict[str, list[Result]]) -> None:
    """A row for each method and seed."""
    print(
        f"{'method':8s}{'success':>9s}{'time s':>8s}{'min to 80 %':>13s}{'help first':>12s}{'help last':>11s}"
    )
    for method, rows in results.items():
        for r in rows:
            good = "never" if r.minutes_to_good is None else f"{r.minutes_to_good:.1f}"
            print(
                f"{method:8s}{r.success:9.2f}{r.seconds:8.2f}{good:>13s}{r.first_rate:12.2f}{r.last_rate:11.2f}"
            )


def flat(results: dict[str, list[Result]], seeds: list[int]) -> dict[str, float | None]:
    """Figures as flat JSON."""
    figures: dict[str, float | None] = {}
    for method, rows in results.items():
        for seed, r in zip(seeds, rows, strict=False):
            head = f"seed{seed}/{method}"
            for name in ("success", "seconds", "minutes_to_good", "first_rate", "last_rate", "minutes"):
                figures[f"{head}/{name}"] = getattr(r, name)
            figures |= {f"{head}/success_at_{m:g}_min": s for m, s in sorted(r.looks.items())}
    return figures


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument(
        "--quick", action="store_true", help="reach, one seed, 5 robot minutes, 20 trials, all cores"
    )
    parser.add_argument("--out", type=Path, help="write the figures as flat JSON")
    parser.add_argument("--seeds", type=int, nargs="+", default=[71, 72, 73, 74])
    parser.add_argument("--task", default="peg", help="task of the arm, as in config/tasks")
    parser.add_argument("--minutes", type=float, default=15.0, help="practice of each learner, robot minutes")
    parser.add_argument("--demos", type=int, default=1, help="demonstrations that all of them begin with")
    parser.add_argument("--trials", type=int, default=100, help="final trials")
    parser.add_argument("--jobs", type=int, default=1, help="processes, one thread each")
    parser.add_argument("--results", type=Path, help="folder in which each result is kept")
    parser.add_argument("--verbose", action="store_true", help="a line for each look")
    args = parser.parse_args()
    if args.quick:
        bench = Bench("reach", 5.0, 1, 20, 10, args.verbose, args.results)
    else:
        bench = Bench(args.task, args.minutes, args.demos, args.trials, 20, args.verbose, args.results)
    seeds = args.seeds[:1] if args.quick else args.seeds
    jobs = (os.cpu_count() or 1) if args.quick else args.jobs
    print(f"{bench.task}, {bench.demos} demonstrations, {bench.minutes:g} robot minutes, scripted operator")
    results: dict[str, list[Result]] = {method: [] for method in METHODS}
    asked = [(method, seed) for seed in seeds for method in METHODS]
    with multiprocessing.get_context("spawn").Pool(jobs, maxtasksperchild=1) as pool:
        for (method, _), found in zip(asked, pool.imap(bench.result, asked), strict=True):
            results[method].append(found)
            write_result(args.out, flat(results, seeds))
    print_table(results)
    verdict = musts(results, bench.minutes)
    for sentence, met in verdict.items():
        print(f"{'met' if met else 'MISSED':7s} {sentence}")
    return 0 if all(verdict.values()) else 1


if __name__ == "__main__":
    sys.exit(main())
