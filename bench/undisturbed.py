"""An hour of undisturbed robot time: how often does the supervisor trip for nothing?

The whole stack in one process, in lockstep and with sensor noise, at the state rates of the graph; practice
commands over the task's whole range. Must: no guard trips, nothing is overridden, for trot.

    python bench/undisturbed.py [--task trot|jump] [--quick] [--out FILE]
"""

import argparse
import sys
from pathlib import Path

from launching import write_result

from ros2_rl.launch_values import LOCKSTEP_STATE_RATE_HZ, STATE_RATE_HZ
from ros2_rl.learning.phase import TRAIN, Phase
from ros2_rl.robots import NS_PER_S
from ros2_rl.safety.modes import Mode
from ros2_rl.sim.loop import Robot
from ros2_rl.sim.perturbations import Perturbations
from ros2_rl.tasks import Task, load_task
from ros2_rl.tasks.clock import STEP_NS

_BEGIN_NS = 4 * NS_PER_S


def undisturbed(task: Task, seconds: float, rate_hz: float, seed: int) -> dict[str, float]:
    """Trips, overrides and falls of so many seconds under the policy, and the share in which it acted."""
    robot = Robot(task, task.policy_path, seed, Perturbations(), state_rate_hz=rate_hz)
    robot.announce(Phase(TRAIN, _BEGIN_NS, seed, gap=False))
    steps, acted, said = round(seconds * NS_PER_S / STEP_NS), 0, 0
    for _ in range(_BEGIN_NS // STEP_NS):
        robot.step()
    for _ in range(steps):
        robot.step()
        acted += robot.supervisor.mode is Mode.POLICY
        snapshot = robot.supervisor.snapshot()
        if snapshot.events > said:
            said = snapshot.events
            print(f"  {rate_hz:.0f} Hz, {snapshot.stamp_ns / NS_PER_S:.2f} s: {snapshot.event}", flush=True)
    snapshot = robot.supervisor.snapshot()
    return {
        "seconds": seconds,
        "trips": float(snapshot.events),
        "overrides": float(snapshot.overrides),
        "falls": float(snapshot.falls),
        "policy_share": acted / steps,
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--task", default="trot", choices=("trot", "jump"))
    parser.add_argument("--quick", action="store_true", help="five minutes instead of an hour")
    parser.add_argument("--out", type=Path, help="write the figures as flat JSON")
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    task, seconds = load_task(args.task), 300.0 if args.quick else 3600.0
    figures: dict[str, float] = {}
    for rate_hz in (LOCKSTEP_STATE_RATE_HZ, STATE_RATE_HZ):
        found = undisturbed(task, seconds, rate_hz, args.seed)
        found = {f"{name}_{rate_hz:.0f}hz": value for name, value in found.items()}
        print(", ".join(f"{name} {value:g}" for name, value in found.items()), flush=True)
        figures |= found
    write_result(args.out, figures)
    quiet = all(value == 0 for name, value in figures.items() if name.startswith(("trips", "overrides")))
    return 0 if quiet else 1


if __name__ == "__main__":
    sys.exit(main())
