"""What the executor notices of a learner that computes beside it, in one run and in real time.

The learner is paused and resumed in turns (``learner/pause``, ``learner/resume``); robot, policy and all
messages go on as before, an adapter every window among them. Each second the executor tells the 99th
percentile of its own time for a control step, and the simulator that of the time from a state to its command.
The medians of these over the seconds in which the learner computed are compared with those in which it did
not: whatever else the machine does meets both. Must: within 10 %, no missed tick.

    python bench/beside.py [--quick] [--learner offpolicy_replica] [--params-file FILE] [--turns 12]
        [--out FILE]
"""

import argparse
import statistics
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from launching import launched, write_result
from watching import DiagnosticsWatch

_TURN_S, _SETTLE_S = 15, 5
"""Length of a turn, and how much of its beginning counts for neither: an update under way ends first."""
_PATIENCE_S = 300.0
_FIGURES = {
    "executor_ms": ("policy_executor", "execution_ms_p99"),
    "state_to_command_ms": ("sim_bridge", "latency_ms_p99"),
}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="4 turns")
    parser.add_argument("--out", type=Path, help="write the figures as flat JSON")
    parser.add_argument("--learner", default="offpolicy_replica", help="as in config/learners")
    parser.add_argument("--params-file", default="", help="for the launch, as config/realtime.yaml")
    parser.add_argument("--turns", type=int, default=12, help="of 15 s each, every second one paused")
    args = parser.parse_args()
    turns = 4 if args.quick else args.turns
    arguments: dict[str, object] = {
        "speed": 1,
        "seed": 1,
        "episodes": 1,
        "minutes": 60,
        "learner": args.learner,
    }
    if args.params_file:
        arguments["params_file"] = args.params_file
    folder = Path(tempfile.mkdtemp(prefix="ros2_rl_"))
    with launched("finetune.launch.py", arguments, folder) as (_, domain):
        watch = DiagnosticsWatch(domain)
        seconds = list(alternate(watch, turns))
        missed = float(watch.values("sim_bridge")["missed_ticks"])
        watch.close()
    figures = {"missed_ticks": missed}
    for name in _FIGURES:
        with_it, without = (statistics.median(s[name] for on, s in seconds if on is w) for w in (True, False))
        figures |= {f"{name}_p99_computing": with_it, f"{name}_p99_paused": without}
        figures[f"{name}_p99_ratio"] = with_it / without
    for name, value in figures.items():
        print(f"{name:36s} {value:.3f}")
    write_result(args.out, figures)
    within = figures["executor_ms_p99_ratio"] <= 1.1 and figures["state_to_command_ms_p99_ratio"] <= 1.1
    return 0 if within and not missed else 1


def alternate(watch: DiagnosticsWatch, turns: int) -> Iterator[tuple[bool, dict[str, float]]]:
    """Whether the learner computed, and the figures, of each second that counts."""
    watch.until(lambda: float(watch.values("learner").get("adapter_version", 0)) > 1, _PATIENCE_S)
    watch.spin(60.0)  # a replica is fitted first; practice is what goes on for the whole session
    for turn in range(turns):
        computes = turn % 2 == 0
        watch.call(f"learner/{'resume' if computes else 'pause'}")
        watch.spin(_SETTLE_S)
        for _ in range(_TURN_S - _SETTLE_S):
            watch.spin(1.0)
            yield computes, {name: float(watch.values(node)[key]) for name, (node, key) in _FIGURES.items()}


if __name__ == "__main__":
    sys.exit(main())
