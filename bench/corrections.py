"""A scripted person beside a learning Go2, against the same run without: is what it learns better?

The person (ros2_rl/teleop/scripted.py) steers, takes over twice and says of every rescue that something had
failed. In process, with the very classes of the nodes; seed by seed the same robot, gap and commands.
Must: every run with the person was taken over twice, and no step of training is left without a label.
Whether the policy is better is measured and said.

    python bench/corrections.py [--quick] [--out FILE] [--seeds 1 2 3 4] [--minutes 45] [--gap lame_front]
        [--jobs 1]
"""

import argparse
import multiprocessing
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from launching import write_result

from ros2_rl.learning.config import load_learner
from ros2_rl.learning.events import Label, Report
from ros2_rl.learning.finetune import FineTuning
from ros2_rl.learning.phase import TRAIN
from ros2_rl.learning.run_log import summary
from ros2_rl.learning.session_config import SessionConfig
from ros2_rl.policy.step import StepRecord
from ros2_rl.sim.loop import Robot, run
from ros2_rl.sim.perturbations import load_gap
from ros2_rl.tasks import load_task
from ros2_rl.teleop.scripted import Habits, ScriptedDriver

COLUMNS = (
    "zero_shot", "final", "recovered", "falls", "overrides", "taken_over", "judged", "used", "human", "cut",
    "lost",
)  # fmt: skip
_SUMMED = ("used", "human", "cut")
"""Columns that sum up what updates report. Cut is the last step before a look: whether somebody took over in
the step after it, by which it would count, is not collected."""
_OF_SUMMARY = {
    "zero_shot": "zero_shot_return", "final": "final_return", "recovered": "recovered_fraction",
    "falls": "falls", "lost": "lost_steps",
}  # fmt: skip


@dataclass
class Accompanied(Robot):
    """A robot beside which a person may stand."""

    person: ScriptedDriver | None = None
    tuning: FineTuning | None = None

    def step(self) -> tuple[StepRecord, list[Label]]:
        if self.person is not None:
            self._listen(self.person)
        return super().step()

    def _listen(self, person: ScriptedDriver) -> None:
        assert self.tuning is not None
        stamp_ns = self.plant.stamp_ns
        snapshot = self.supervisor.snapshot()
        intent = person.watch(
            stamp_ns, self.phase.name == TRAIN, self._driver.at(stamp_ns), snapshot.overrides
        )
        if intent.velocity is not None:
            self.steering.put(np.array((*intent.velocity[:2], intent.yaw_rate)), stamp_ns)
        for request in intent.requests:
            if request in self.tuning.learner.cfg.judgements:
                self.tuning.judge(request, stamp_ns)
            else:
                self.supervisor.request(request)


def session(gap: str, seed: int, minutes: float, episodes: int, corrected: bool) -> dict[str, float]:
    """One run; its figures by COLUMNS."""
    task = load_task("trot")
    robot = Accompanied(task, task.policy_path, seed, load_gap(gap))
    config = SessionConfig(minutes=minutes, episodes=episodes, goal=10.0)
    tuning = FineTuning(
        config, load_learner("slowrl"), task, robot.robot, task.policy_path, task.critic_path, seed
    )
    robot.tuning = tuning
    if corrected:
        habits = Habits(take_over_at_s=(minutes * 20.0, minutes * 40.0))
        robot.person = ScriptedDriver(task.command_ranges, seed, habits)
    sums = dict.fromkeys(_SUMMED, 0.0)

    def report(item: Report) -> None:
        if item.kind == "update":
            for name in _SUMMED:
                sums[name] += item.values[name]

    run(robot, tuning, report)
    told = summary(tuning.session, 0.0, {}, gap)
    person = robot.person
    return {
        **{name: told[key] for name, key in _OF_SUMMARY.items()},
        "overrides": robot.supervisor.snapshot().overrides,
        "taken_over": person.taken_over if person else 0,
        "judged": person.judged if person else 0,
        **sums,
    }


def _session(asked: tuple[str, int, float, int, bool]) -> dict[str, float]:
    return session(*asked)


def compare(gap: str, seeds: list[int], minutes: float, episodes: int, jobs: int, out: Path | None) -> bool:
    """Every seed without and with the person, as a table and flat JSON: whether the musts are met."""
    asked = [(gap, seed, minutes, episodes, corrected) for seed in seeds for corrected in (False, True)]
    figures: dict[str, float | None] = {"minutes": minutes}
    met, better, alone = True, 0, 0.0
    print(f"{'seed':>4s} {'person':>8s} " + " ".join(f"{name:>10s}" for name in COLUMNS))
    with multiprocessing.get_context("spawn").Pool(jobs, maxtasksperchild=1) as pool:
        for (_, seed, _, _, corrected), row in zip(asked, pool.imap(_session, asked), strict=True):
            name = "scripted" if corrected else "none"
            print(f"{seed:4d} {name:>8s} " + " ".join(f"{row[c]:10.2f}" for c in COLUMNS), flush=True)
            figures |= {f"seed{seed}/{name}/{key}": value for key, value in row.items()}
            met &= row["lost"] == 0
            if corrected:
                met &= row["taken_over"] == 2 and row["human"] > 0
                better += row["final"] > alone
            alone = row["final"]
            write_result(out, figures)
    print(f"with the person the policy is better on {better} of {len(seeds)} seeds")
    write_result(out, figures | {"better_with_the_person": better})
    return met


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="one seed, 4 robot minutes")
    parser.add_argument("--out", type=Path, help="write the figures as flat JSON")
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3, 4])
    parser.add_argument("--minutes", type=float, default=45.0, help="budget of a run, robot minutes")
    parser.add_argument("--gap", default="lame_front", help="gap, as in config/gaps")
    parser.add_argument("--jobs", type=int, default=1, help="processes, one thread each")
    args = parser.parse_args()
    seeds, minutes, episodes = (args.seeds[:1], 4.0, 4) if args.quick else (args.seeds, args.minutes, 16)
    met = compare(args.gap, seeds, minutes, episodes, args.jobs, args.out)
    print(f"{'met' if met else 'MISSED'}: taken over twice, no step of training without a label")
    return 0 if met else 1


if __name__ == "__main__":
    sys.exit(main())
