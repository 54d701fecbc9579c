"""State-to-command latency in real time, while the learner trains.

From the publication of a state at a policy tick to the arrival of the command that answers it
with the policy's target of that very state. Must: p99 < 5 ms and no missed tick. What was won back
meanwhile is told, too; with so few episodes it is worth something only from ``--episodes 16`` on.

    python bench/latency.py [--quick] [--out FILE] [--learner slowrl] [--params-file FILE]
        [--minutes 5] [--episodes 2] [--seed 1]
"""

import argparse
import sys
from pathlib import Path

from launching import finetune, write_result


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="1 robot minute of training instead of 5")
    parser.add_argument("--out", type=Path, help="write the figures as flat JSON")
    parser.add_argument("--learner", default="slowrl", help="as in config/learners")
    parser.add_argument("--params-file", default="", help="for the launch, as config/realtime.yaml")
    parser.add_argument("--minutes", type=float, default=5.0, help="budget of training, robot minutes")
    parser.add_argument("--episodes", type=int, default=2, help="of the evaluations before and after")
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    asked = {
        "speed": 1, "seed": args.seed, "episodes": args.episodes,
        "minutes": 1 if args.quick else args.minutes, "learner": args.learner,
    }  # fmt: skip
    data = finetune(asked | ({"params_file": args.params_file} if args.params_file else {}))
    figures = {f"state_to_command_ms_{k}": v for k, v in data["state_to_command_ms"].items()}
    figures |= {"missed_ticks": data["missed_ticks"], "real_time_factor": data["real_time_factor"]}
    figures |= {name: data[name] for name in ("recovered_fraction", "falls", "robot_minutes")}
    for name, value in figures.items():
        print(f"{name:28s} {value:.3f}")
    write_result(args.out, figures)
    return 0 if figures["state_to_command_ms_p99"] < 5.0 and figures["missed_ticks"] == 0 else 1


if __name__ == "__main__":
    sys.exit(main())
