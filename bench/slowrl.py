"""SLowRL against its baselines: methods x tasks x gaps x seeds, in process, with the node's learner.

Each run is one robot for ``--minutes`` robot minutes. A run leaves one file in ``--results``; what
is there already is not run again, so a full run can be cut short and continued. The table holds
interquartile means with 95 % stratified bootstrap intervals over seeds.

    python bench/slowrl.py [--quick] [--jobs 1] [--groups methods ranks ...] [--tasks trot jump]
                           [--methods "SLowRL rank 1" FFT ...] [--gaps lame_front laden]
                           [--seeds 1 2 ...] [--minutes 45] [--episodes 6] [--results DIR] [--out FILE]
                           [--report-only]

Status 1 when a must is missed: more than two falls of SLowRL rank 1 in any run.
"""

import argparse
import json
import multiprocessing
import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from launching import write_result
from slowrl_methods import GROUPS, METHODS
from slowrl_plots import plot_all
from slowrl_run import Method, Place, Run, same_run, write
from slowrl_stats import apart, figures, summarise, table

from ros2_rl.errors import Ros2RlError
from ros2_rl.sim.perturbations import load_gap
from ros2_rl.tasks import load_task

RESULTS = Path(__file__).parent / "results" / "slowrl"
HEADLINE, BASELINE = "SLowRL rank 1", "FFT + safety"
MOST_FALLS = 2
_QUICK = {
    "seeds": [1], "minutes": 2.0, "episodes": 2, "groups": ["methods"], "tasks": ["trot", "jump"],
    "gaps": ["laden"],
}  # fmt: skip
"""Two tasks with six rows each: whether everything runs, not who is better."""


@dataclass(frozen=True)
class Job:
    """A run that is to be made or is there already."""

    name: str
    method: Method
    place: Place
    path: Path

    def stored(self) -> dict[str, Any] | None:
        """The run's content; None when it is not there, or was made with other settings."""
        if not self.path.is_file():
            return None
        found = json.loads(self.path.read_text())
        return found if same_run(found, self.method, self.place) else None

    def run(self) -> str:
        """Make the run; one line about it."""
        torch.set_num_threads(1)
        found = Run(self.method, self.place)()
        write(self.path, found)
        row = figures(found)
        return (
            f"{self.place.gap:12s} {self.name:36s} seed {self.place.seed}  recovered {row['final']:5.2f}  "
            f"to 0.6 {row['minutes_to_0.6']:5.1f} min  falls {row['falls']:.0f}  "
            f"helped up {row['helped']:.0f}  {row['wall_seconds']:.0f} s"
        )


def jobs(args: argparse.Namespace) -> list[Job]:
    """All runs that are asked for, seed by seed, so that a part of them is a smaller table."""
    names = args.methods or list(dict.fromkeys(name for group in args.groups for name in GROUPS[group]))
    return [
        Job(name, METHODS[name], place, path_of(args.results, name, place))
        for seed in args.seeds
        for task in args.tasks
        for gap in args.gaps
        for name in names
        for place in [Place(task, gap, seed, args.minutes, episodes=args.episodes)]
    ]


def path_of(results: Path, name: str, place: Place) -> Path:
    slug = "".join(c if c.isalnum() else "_" for c in name).strip("_")
    return results / f"{place.task}-{place.gap}" / f"{slug}-{place.seed}.json"


def carry_out(todo: list[Job], processes: int) -> Iterator[str]:
    """Make the runs; a line after each."""
    if processes == 1:
        yield from (job.run() for job in todo)
        return
    with multiprocessing.get_context("spawn").Pool(processes, maxtasksperchild=1) as pool:
        yield from pool.imap_unordered(Job.run, todo)


def report(asked: list[Job], args: argparse.Namespace) -> bool:
    """Print the tables of what is there, write figures and plots; whether the must holds."""
    stored = [(job, found) for job in asked if (found := job.stored())]
    figures_out: dict[str, float | None] = {"minutes": args.minutes, "runs": len(stored)}
    places = sorted({(job.place.task, job.place.gap) for job, _ in stored})
    for task, gap in [*places, *([("all", "all")] if len(places) > 1 else [])]:
        runs: dict[str, list[dict[str, Any]]] = {}
        for job, found in stored:
            if (task, gap) in (("all", "all"), (job.place.task, job.place.gap)):
                runs.setdefault(job.name, []).append(found)
        rows = {name: summarise(found) for name, found in runs.items()}
        print(f"\n{task}, {gap}, {args.minutes:.0f} robot minutes\n", *table(rows), *claims(rows), sep="\n")
        figures_out |= _flat(f"{task}/{gap}", rows)
        if gap != "all":
            plot_all(runs, GROUPS, args.results / f"{task}-{gap}")
    write_result(args.out, figures_out)
    falls = [found.get("falls", 0) for job, found in stored if job.name == HEADLINE]
    return max(falls, default=0) <= MOST_FALLS


def claims(rows: dict[str, dict[str, Any]]) -> list[str]:
    """What the headline row may claim against the baseline: nothing where intervals overlap."""
    if HEADLINE not in rows or BASELINE not in rows:
        return []
    lines = [""]
    for key, what in (("minutes_to_0.6", "robot minutes to 0.6"), ("final", "recovered fraction")):
        one, two = rows[HEADLINE], rows[BASELINE]
        verdict = "differs" if apart(one, two, key) else "no claim, the intervals overlap"
        lines.append(f"{HEADLINE} against {BASELINE}, {what}: {one[key]:.2f} and {two[key]:.2f}: {verdict}")
    return lines


def _flat(prefix: str, rows: dict[str, dict[str, Any]]) -> dict[str, float | None]:
    """Flat figures; what was never reached is null."""
    found: dict[str, float | None] = {}
    for name, row in rows.items():
        for key, value in row.items():
            ends = value if isinstance(value, tuple) else (value,)
            for suffix, end in zip(("/low", "/high") if len(ends) > 1 else ("",), ends, strict=True):
                found[f"{prefix}/{name}/{key}{suffix}"] = end if abs(end) < float("inf") else None
    return found


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument(
        "--quick", action="store_true", help="one seed, 2 robot minutes, under 10 minutes on two cores"
    )
    parser.add_argument("--groups", nargs="+", default=list(GROUPS), choices=list(GROUPS))
    parser.add_argument("--methods", nargs="+", choices=list(METHODS), metavar="ROW", help="rows, not groups")
    parser.add_argument("--tasks", nargs="+", default=["trot"], help="tasks, as in config/tasks")
    parser.add_argument("--gaps", nargs="+", default=["lame_front", "laden"], help="gaps, as in config/gaps")
    parser.add_argument("--seeds", type=int, nargs="+", default=list(range(1, 9)))
    parser.add_argument("--minutes", type=float, default=45.0, help="budget of a run, robot minutes")
    parser.add_argument("--episodes", type=int, default=6, help="of an exam, 10 s each")
    parser.add_argument("--jobs", type=int, default=1, help="processes, one thread each")
    parser.add_argument("--results", type=Path, default=RESULTS, help="folder of the runs")
    parser.add_argument("--out", type=Path, help="write the figures as flat JSON")
    parser.add_argument("--report-only", action="store_true", help="tables and plots of what is there")
    args = parser.parse_args()
    if args.quick:
        for key, value in _QUICK.items():
            setattr(args, key, value)
        args.jobs, args.results = os.cpu_count() or 1, args.results / "quick"
    return args


def main() -> int:
    args = parse()
    try:
        for task in args.tasks:
            load_task(task)
        for gap in args.gaps:
            load_gap(gap)
        asked = jobs(args)
        todo = [] if args.report_only else [job for job in asked if job.stored() is None]
    except Ros2RlError as error:
        print(error, file=sys.stderr)
        return 1
    print(f"{len(asked)} runs, {len(todo)} to be made")
    for line in carry_out(todo, args.jobs):
        print(line, flush=True)
    return 0 if report(asked, args) else 1


if __name__ == "__main__":
    sys.exit(main())
