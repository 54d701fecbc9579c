"""State-to-command latency on the path of a real robot, while a learner trains beside it.

A simulated Go2 sends 500 LowState a second over DDS; driver, estimator, executor (50 Hz) and supervisor
answer. For each control step the time from the LowState's arrival at the driver to the departure of the
LowCmd that holds the policy's target of that very state; and the distance of two LowCmd. All with their
defaults and config/realtime.yaml: of the 500 states the driver hands on 250. What the learner's updates do
to the rest is seen against the same fine-tuning with a window that never fills; the two alternate, so that
whatever else the machine does meets both. Must: p99 < 5 ms while the learner trains, the executor's own p99
within 10 % of that without updates, and the distance of two LowCmd at p99 within 2.5 ms.

    python bench/hardware_path.py [--quick] [--seconds 180] [--learner slowrl] [--out FILE]
"""

import argparse
import os
import statistics
import sys
import tempfile
import time
from pathlib import Path

from launching import launched, write_result
from watching import DiagnosticsWatch, cpu_seconds

from ros2_rl.domain import lease_domain
from ros2_rl.paths import share_path

_SETTLE_S = 10.0
"""Wall time under the policy before the CPU shares are counted, s."""
_PATIENCE_S = 120.0
_FIGURES = {
    "state_to_command_ms": ("go2_driver", "state_to_command_ms"),
    "command_period_ms": ("go2_driver", "period_ms"),
    "robot_round_trip_ms": ("go2_sim", "round_trip_ms"),
}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="one pair of runs of 1 minute, not three pairs")
    parser.add_argument("--out", type=Path, help="write the figures as flat JSON")
    parser.add_argument("--seconds", type=float, default=180.0, help="length of a run under the policy")
    parser.add_argument("--learner", default="slowrl", help="as in config/learners")
    args = parser.parse_args()
    pairs, seconds = (1, 60.0) if args.quick else (3, args.seconds)
    runs: dict[bool, list[dict[str, float]]] = {False: [], True: []}
    for pair in range(pairs):
        for updates in (False, True) if pair % 2 == 0 else (True, False):
            runs[updates].append(measure(args.learner, updates, seconds))
    figures = {f"{k}_learner": v for k, v in medians(runs[True]).items()}
    figures |= {f"{k}_paused": v for k, v in medians(runs[False]).items()}
    ratios = [
        trains["executor_tick_ms_p99"] / paused["executor_tick_ms_p99"]
        for paused, trains in zip(runs[False], runs[True], strict=True)
    ]
    figures["executor_p99_ratio"] = statistics.median(ratios)
    for name, value in figures.items():
        print(f"{name:36s} {value:.3f}")
    write_result(args.out, figures)
    return 0 if well(figures) else 1


def well(figures: dict[str, float]) -> bool:
    """Whether the musts are met."""
    return (
        figures["state_to_command_ms_p99_learner"] < 5.0
        and figures["command_period_ms_p99_learner"] <= 2.5
        and figures["executor_p99_ratio"] < 1.1
    )


def medians(runs: list[dict[str, float]]) -> dict[str, float]:
    """Figure by figure, over runs of one kind."""
    return {name: statistics.median(run[name] for run in runs) for name in runs[0]}


def measure(learner: str, updates: bool, seconds: float) -> dict[str, float]:
    """One run of so much wall time under the policy; its figures."""
    folder = Path(tempfile.mkdtemp(prefix="ros2_rl_"))
    arguments: dict[str, object] = {
        "hardware": "go2_sim", "seed": 1, "speed": 1, "gap": "default",
        "params_file": share_path("config", "realtime.yaml"),
        "minutes": seconds / 60.0, "episodes": 1,
        "learner": learner if updates else _paused(learner, folder),
    }  # fmt: skip
    with (
        lease_domain() as wire,
        launched("finetune.launch.py", arguments | {"domain": wire}, folder) as (process, domain),
    ):
        watch = DiagnosticsWatch(domain)
        watch.until(lambda: int(watch.values("policy_executor").get("ticks", 0)) > 50, _PATIENCE_S)
        watch.spin(_SETTLE_S)
        begin, used = time.monotonic(), cpu_seconds(process.pid)
        watch.spin(seconds)
        passed, after = time.monotonic() - begin, cpu_seconds(process.pid)
        if updates:  # the learner trains for so long and then takes its last measurement
            watch.until(lambda: process.poll() is not None, 10.0 * seconds + _PATIENCE_S)
        watch.close()
    return figures_of(watch) | {
        f"cpu_share_{name}": (after[name] - used[name]) / passed for name in used if name in after
    }


def _paused(learner: str, folder: Path) -> Path:
    """A learner that listens, scores and explores as ever but makes no update, nor ends; its name."""
    (folder / "paused.yaml").write_text(f"extends: {learner}\nwindow_steps: 10000\n")
    return folder / "paused"


def figures_of(watch: DiagnosticsWatch) -> dict[str, float]:
    """What the nodes last said about themselves, and how busy the machine was."""
    found = {
        f"{name}_{part}": float(watch.values(node)[f"{key}_{part}"])
        for name, (node, key) in _FIGURES.items()
        for part in ("p50", "p99", "max")
    }
    executor, driver = watch.values("policy_executor"), watch.values("go2_driver")
    return found | {
        "executor_tick_ms_p99": float(executor["tick_ms_p99"]),
        "control_steps": float(executor["ticks"]),
        "adapters": float(executor["adapter_version"]),
        "missed_ticks": float(driver["missed_ticks"]),
        "lost_frames": float(driver["lost_frames"]),
        "real_time_factor": float(watch.values("go2_sim")["real_time_factor"]),
        "load_average": os.getloadavg()[0],
    }


if __name__ == "__main__":
    sys.exit(main())
