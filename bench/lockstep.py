"""Lockstep: how much faster than real time the whole graph runs, and whether it repeats itself.

Must: at least 5 x real time with every node running and the learner training; two runs with one
seed give the same evaluation returns, bit for bit.

    python bench/lockstep.py [--quick] [--out FILE]
"""

import argparse
import sys
from pathlib import Path

from launching import finetune, write_result

RETURNS = ("pretrained_return", "zero_shot_return", "final_return")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="3 robot minutes of training instead of 10")
    parser.add_argument("--out", type=Path, help="write the figures as flat JSON")
    args = parser.parse_args()
    arguments = {
        "speed": 0,
        "seed": 1,
        "minutes": 3 if args.quick else 10,
        "episodes": 4 if args.quick else 16,
    }
    first, second = finetune(arguments), finetune(arguments)
    equal = {name: first[name] == second[name] for name in RETURNS}
    figures = {
        "real_time_factor": min(first["real_time_factor"], second["real_time_factor"]),
        **{name: first[name] for name in RETURNS},
        **{f"{name}_again": second[name] for name in RETURNS},
        "returns_equal": float(all(equal.values())),
    }
    for name, value in figures.items():
        print(f"{name:28s} {value!r}")
    write_result(args.out, figures)
    return 0 if figures["real_time_factor"] >= 5.0 and all(equal.values()) else 1


if __name__ == "__main__":
    sys.exit(main())
