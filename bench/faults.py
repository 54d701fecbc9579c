"""A seeded campaign of faults against the running graph: is each noticed, and does the robot end safely?

Faults of processes, topics, sensors, the robot, adapters, persons and the disk at random times. Musts: every
fault is noticed by the time that docs/faults.md promises (what does no harm trips nothing); no command
outside the robot's limits reaches the plant; the safe command is there within a state period and 5 ms of the
state that shows the fault (p99); the robot ends in a safe mode; every event has its file; the record of a
recorder that dies lacks its last second at most.

    python bench/faults.py [--quick] [--rounds N] [--kinds NAME ...] [--log FILE] [--out FILE]

Each injection leaves a line in the log; begun again with the same log it goes on where it ended.
"""

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from fault_bodies import adapters, bodies, others, sensors
from fault_campaign import Campaign, Lost, Verdict, whole_events
from fault_graph import Graph
from fault_kinds import Kind, altered, late, processes, repeated, stopped
from launching import write_result

ROUNDS = 12
GRAPHS = ((True, False), (False, False), (True, True), (False, True))
"""In lockstep? In processes of their own?"""
PERIOD_MS, SLACK_MS = {True: 10.0, False: 5.0}, 5.0
"""Of a state in lockstep and with the wall."""


def catalogue() -> list[Kind]:
    """All kinds; what leaves traces in the graph comes last."""
    usual = [*stopped(), *late(), *repeated(), *altered(), *bodies(), *sensors(), *processes(), *others()]
    return [*usual, *adapters()]


def ordered(kinds: Iterable[Kind], seed: int) -> list[Kind]:
    """Shuffled, but adapters and those that need a further process at the end.

    The learner's are the very last: once it has been heard, the supervisor misses it.
    """
    rng = np.random.default_rng(seed)
    luck = {kind.name: rng.random() for kind in kinds}

    def place(kind: Kind) -> tuple[bool, bool, bool, float]:
        return "learner" in kind.needs, bool(kind.needs), kind.name.startswith("adapter"), luck[kind.name]

    return sorted(kinds, key=place)


class Log:
    """Lines of JSON, one an injection."""

    def __init__(self, path: Path):
        self._path = path
        lines = path.read_text().splitlines() if path.exists() else []
        self.lines: list[dict] = [json.loads(line) for line in lines]

    def has(self, kind: str, number: int) -> bool:
        return any(line.get("kind") == kind and line.get("number") == number for line in self.lines)

    def add(self, line: dict) -> None:
        self.lines.append(line)
        with self._path.open("a") as file:
            file.write(json.dumps(line) + "\n")


def play(kinds: list[Kind], number: int, log: Log, folder: Path, end_s: float) -> None:
    """One round of the kinds of one graph; a graph that cannot be mended is started anew."""
    todo = [kind for kind in ordered(kinds, number) if not log.has(kind.name, number)]
    tries: dict[str, int] = {}
    while todo and time.monotonic() < end_s:
        home = Path(tempfile.mkdtemp(dir=folder))
        with Graph(home, todo[0].lockstep, todo[0].apart, number) as graph:
            campaign = Campaign(graph, number)
            while todo and time.monotonic() < end_s:
                kind = todo[0]
                try:
                    verdict = campaign.inject(kind, number)
                except Lost as lost:
                    print(f"before {kind.name}: {lost}; the graph is started anew", flush=True)
                    tries[kind.name] = tries.get(kind.name, 0) + 1
                    if tries[kind.name] > 1:
                        raise
                    break
                todo.pop(0)
                say(verdict)
                log.add(verdict.to_json() | {"lockstep": kind.lockstep})
            told = campaign.events
        whole, bad = whole_events(home / "supervisor")
        log.add({"graph": home.name, "events": told, "whole": whole, "unreadable": bad})


def say(v: Verdict) -> None:
    mark = "  " if v.noticed and v.in_time and v.safe else "!!"
    reaction = "-" if v.reaction_ms is None else f"{v.reaction_ms:.0f}"
    print(
        f"{mark} {v.kind:28s} noticed {v.noticed!s:5} {v.notice_ms:6.0f} ms, reaction {reaction:>4s} ms, "
        f"{v.mode or '-':8s} {v.guard or '-':20s} tilt {v.tilt_deg:3.0f} deg, ends in {v.ended}",
        flush=True,
    )


# ---- figures


def percentile(values: list[float], share: float) -> float:
    return float(np.percentile(values, share)) if values else float("nan")


def figures(lines: list[dict]) -> dict[str, float | None]:
    """Flat: all injections together, then each kind."""
    done = [line for line in lines if "kind" in line]
    kinds = sorted({line["kind"] for line in done})
    found: dict[str, float | None] = {"injections": float(len(done)), "kinds": float(len(kinds))}
    found |= of(done)
    graphs = [line for line in lines if "graph" in line]
    found["events_lost"] = float(sum(max(g["events"] - g["whole"], 0) for g in graphs))
    found["events_unreadable"] = float(sum(g["unreadable"] for g in graphs))
    for kind in kinds:
        one = of([d for d in done if d["kind"] == kind])
        found |= {f"{kind}.{name}": value for name, value in one.items()}
    return found


def of(done: list[dict]) -> dict[str, float | None]:
    """Shares, times and the worst command of some injections."""
    lacking = [d["record_lacks_s"] for d in done if d.get("record_lacks_s") is not None]
    reactions = [d["reaction_ms"] for d in done if d["reaction_ms"] is not None]
    over = [
        d["reaction_ms"] - PERIOD_MS[d["lockstep"]] - SLACK_MS for d in done if d["reaction_ms"] is not None
    ]
    return {
        "noticed": float(np.mean([d["noticed"] for d in done])),
        "in_time": float(np.mean([d["in_time"] for d in done])),
        "safe_at_end": float(np.mean([d["safe"] for d in done])),
        "fell": float(np.mean([d["fell"] for d in done])),
        "notice_ms_p50": percentile([d["notice_ms"] for d in done], 50),
        "notice_ms_p99": percentile([d["notice_ms"] for d in done], 99),
        "reaction_ms_p50": percentile(reactions, 50) if reactions else None,
        "reaction_ms_p99": percentile(reactions, 99) if reactions else None,
        "reaction_over_ms_p99": percentile(over, 99) if over else None,
        "worst_beyond_rad": max(d["beyond_rad"] for d in done),
        "worst_beyond_rad_s": max(d["beyond_speed"] for d in done),
        "worst_beyond_nm": max(d["beyond_nm"] for d in done),
        "refused_by_plant": float(sum(d["refused"] for d in done)),
        "record_lacks_s": max(lacking) if lacking else None,
    }


def missed(found: dict[str, float | None]) -> list[str]:
    """The musts that are not met."""
    worst = max(found[f"worst_beyond_{unit}"] or 0.0 for unit in ("rad", "rad_s", "nm"))
    musts = {
        "every fault is noticed": found["noticed"] == 1.0,
        "and in time": found["in_time"] == 1.0,
        "the robot ends safely": found["safe_at_end"] == 1.0,
        "no command outside limits": worst <= 1e-6 and not found["refused_by_plant"],
        "reaction within a period and 5 ms": (found["reaction_over_ms_p99"] or 0.0) <= 0.0,
        "a record lacks a second at most": (found["record_lacks_s"] or 0.0) <= 1.0,
        "every event has its file": not found["events_lost"] and not found["events_unreadable"],
    }
    return [name for name, met in musts.items() if not met]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--quick", action="store_true", help=f"one round of all kinds instead of {ROUNDS}")
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--kinds", nargs="+", help="only kinds whose name begins like one of these")
    parser.add_argument("--minutes", type=float, default=1e9, help="no injection begins after these")
    parser.add_argument("--log", type=Path, help="lines of JSON; kept and continued")
    parser.add_argument("--out", type=Path, help="write the figures as flat JSON")
    args = parser.parse_args()
    kinds = [k for k in catalogue() if not args.kinds or k.name.startswith(tuple(args.kinds))]
    with tempfile.TemporaryDirectory(prefix="ros2_rl_faults_") as folder:
        log = Log(args.log or Path(folder) / "faults.jsonl")
        end_s = time.monotonic() + 60.0 * args.minutes
        for number in range(1, (1 if args.quick else args.rounds) + 1):
            for lockstep, apart in GRAPHS:
                some = [k for k in kinds if (k.lockstep, k.apart) == (lockstep, apart)]
                play(some, number, log, Path(folder), end_s)
    found = figures(log.lines)
    for name, value in found.items():
        if "." not in name:
            print(f"{name:28s} {value}")
    write_result(args.out, found)
    for name in missed(found):
        print(f"missed: {name}")
    return 1 if missed(found) else 0


if __name__ == "__main__":
    sys.exit(main())
