"""The headline: the default gap won back on five seeds, through the whole ROS graph.

Must: zero-shot return at least 30 % below the pre-trained one, and a recovered fraction of at
least 0.6 with at most 2 falls within 75 robot minutes, on at least 4 of 5 seeds.

    python bench/finetune.py [--quick] [--out FILE] [--seeds 1 2 3 4 5] [--keep FOLDER]
"""

import argparse
import sys
from pathlib import Path

from launching import finetune, write_result

COLUMNS = (
    "seed", "pretrained_return", "zero_shot_return", "final_return", "recovered_fraction", "falls",
    "override_share", "robot_minutes", "wall_seconds", "real_time_factor",
)  # fmt: skip


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="one seed, 20 robot minutes, no must")
    parser.add_argument("--out", type=Path, help="write the figures as flat JSON")
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3, 4, 5])
    parser.add_argument("--gap", default="default")
    parser.add_argument("--keep", type=Path, help="keep the runs' folders here")
    args = parser.parse_args()
    minutes, seeds = (20, args.seeds[:1]) if args.quick else (75, args.seeds)
    figures: dict[str, float | None] = {}
    good = 0
    print("  ".join(f"{name[:12]:>12s}" for name in COLUMNS))
    for seed in seeds:
        run_dir = args.keep / f"seed{seed}" if args.keep else None
        data = finetune({"gap": args.gap, "seed": seed, "minutes": minutes}, run_dir)
        print("  ".join(f"{data[name]:12.3f}" for name in COLUMNS), flush=True)
        figures |= {f"seed{seed}/{name}": data[name] for name in COLUMNS[1:]}
        lost = 1.0 - data["zero_shot_return"] / data["pretrained_return"]
        good += data["recovered_fraction"] >= 0.6 and data["falls"] <= 2 and lost >= 0.3
    figures["good_seeds"] = good
    print(
        f"{good} of {len(seeds)} seeds recovered 0.6 or more with at most 2 falls from a loss of 30 % or more"
    )
    write_result(args.out, figures)
    return 0 if args.quick or good >= 4 * len(seeds) / 5 else 1


if __name__ == "__main__":
    sys.exit(main())
