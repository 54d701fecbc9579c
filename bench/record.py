"""What recording costs and whether it is complete: a robot in real time at full rate, recorded.

Must: no message lost (by the numbers of the writers, and by the stamps of the states), and the
estimator, fed from the record, gives every recorded estimate again, bit for bit. The full run also
measures what recording costs a lockstep run.

    python bench/record.py [--quick] [--out FILE]
"""

import argparse
import sys
import tempfile
from pathlib import Path

from launching import finetune, simulate, write_result

from ros2_rl.cdr import header_stamp
from ros2_rl.recording.reader import Bag
from ros2_rl.recording.replay_estimator import replay_estimator
from ros2_rl.recording.replay_executor import replay_executor
from ros2_rl.robots import NS_PER_S

_START_S = 15.0
"""Wall time until the robot's time runs, at most, s."""
_PERIOD_NS = 5_000_000
_SINGLE = (
    "joint_states", "imu/data", "foot_forces", "joint_commands", "odom", "contacts", "policy/step", "cmd_vel",
)  # fmt: skip
"""Topics at the robot's rate, each with one writer."""


def completeness(bag: Bag) -> dict[str, float]:
    """States between the first and the last that are not there, and gaps in the writers' numbers."""
    stamps = [header_stamp(m.data) for m in bag.messages([bag.full_name("joint_states")])]
    expected = (stamps[-1] - stamps[0]) // _PERIOD_NS + 1
    gaps = 0
    for name in _SINGLE:
        numbers = [m.sequence for m in bag.messages([bag.full_name(name)])]
        gaps += numbers[-1] - numbers[0] + 1 - len(numbers)
    return {"states": len(stamps), "states_missing": expected - len(set(stamps)), "sequence_gaps": gaps}


def measure(minutes: float, run_dir: Path) -> dict[str, float]:
    """Record for some minutes, then look at the record."""
    simulate({"record": "true", "gap": "default", "seed": 1}, run_dir, 60.0 * minutes + _START_S)
    bag = Bag(run_dir)
    told = bag.notes["recorder"]
    estimates, targets = replay_estimator(bag), replay_executor(bag)
    robot_min, wall_min = float(told["robot_s"]) / 60.0, float(told["wall_s"]) / 60.0
    size = sum(file.stat().st_size for file in (run_dir / "bag").iterdir())
    return {
        "robot_minutes": robot_min,
        "messages": float(told["messages"]),
        "messages_lost": float(told["lost"]),
        **completeness(bag),
        "mib_per_minute": size / 1024**2 / robot_min,
        "cpu_s_per_minute": float(told["cpu_s"]) / wall_min,
        "estimates": float(len(estimates[0].recorded)),
        "estimates_equal": float(min(comparison.equal for comparison in estimates)),
        "targets_equal_share": targets[0].equal / len(targets[0].recorded),
        "last_state_s": max(m.log_ns for m in bag.messages([bag.full_name("joint_states")])) / NS_PER_S,
    }


def lockstep_cost() -> dict[str, float]:
    """Real-time factor of a lockstep run with and without a record; the better of two each."""
    arguments: dict[str, object] = {"speed": 0, "seed": 1, "minutes": 2, "episodes": 4}
    figures = {}
    for kind in ("false", "true"):
        runs = [finetune(arguments | {"record": kind})["real_time_factor"] for _ in range(2)]
        figures[f"lockstep_factor_record_{kind}"] = max(runs)
    return figures


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="1 minute in place of 10, and no lockstep runs")
    parser.add_argument("--out", type=Path, help="write the figures as flat JSON")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="ros2_rl_") as folder:
        figures = measure(1.0 if args.quick else 10.0, Path(folder) / "run")
    if not args.quick:
        figures |= lockstep_cost()
    for name, value in figures.items():
        print(f"{name:28s} {value:.3f}")
    write_result(args.out, figures)
    complete = figures["messages_lost"] == figures["states_missing"] == figures["sequence_gaps"] == 0
    return 0 if complete and figures["estimates_equal"] == figures["estimates"] > 0 else 1


if __name__ == "__main__":
    sys.exit(main())
