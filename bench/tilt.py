"""Which trigger says early, and for good reason, that a pushed robot will fall?

Robots under their policy alone, pushed at a random time by a leap of 1 to 3.5 m/s of the base's velocity;
nobody catches them. For each trigger: the lead time from its trip (two states in a row) to a true tilt above
60 degrees, median and least; the share of robots that did not fall but tripped it all the same; trips in
five minutes without a push. Must: the supervisor's predictive trigger has a longer median and least lead than
any fixed tilt limit with at most its false trips.

    python bench/tilt.py [--task trot|jump] [--quick] [--out FILE]
"""

import argparse
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
from launching import write_result
from tilt_runs import RATE_HZ, Walk, capture_margin, pushes, undisturbed

from ros2_rl.safety.config import load_safety
from ros2_rl.sim.perturbations import Perturbations
from ros2_rl.tasks import load_task

LIMITS_DEG = (20, 24, 25, 30, 35, 40, 45)
MARGINS_M = (0.0, -0.05, -0.1)
Trigger = Callable[[np.ndarray], np.ndarray]
"""Rows of what was seen to whether it sees a fall coming, (T,)."""


def triggers() -> dict[str, Trigger]:
    """All that are compared, by name; ``predicted`` and ``supervisor`` have the supervisor's own numbers."""
    guards = load_safety("go2").guards
    assert guards.tilt and guards.predicted_tilt
    rule, fixed = guards.predicted_tilt, _tilted(guards.tilt.limit_deg)
    found: dict[str, Trigger] = {f"tilt_{deg}": _tilted(deg) for deg in LIMITS_DEG}
    found["predicted"] = ahead = predicted(rule.limit_deg, rule.lookahead_s)
    found["supervisor"] = lambda seen: fixed(seen) | ahead(seen)
    for limit_deg, lookahead_s in ((38.0, 0.1), (45.0, 0.1), (60.0, 0.2)):
        found[f"predicted_{limit_deg:.0f}_{1000 * lookahead_s:.0f}ms"] = predicted(limit_deg, lookahead_s)
    return found | {f"capture_{100 * m:.0f}cm": _outside(m) for m in MARGINS_M}


def _tilted(limit_deg: float) -> Trigger:
    return lambda seen: np.degrees(seen[:, 0]) > limit_deg


def predicted(limit_deg: float, lookahead_s: float) -> Trigger:
    """The tilt a moment ahead, as guard ``predicted tilt`` has it."""
    return lambda seen: np.degrees(seen[:, 0] + lookahead_s * np.maximum(seen[:, 1], 0.0)) > limit_deg


def _outside(margin_m: float) -> Trigger:
    return lambda seen: capture_margin(seen) < margin_m


def first_trip(sees: np.ndarray) -> float:
    """Time of the second of two states in a row that see it, s; infinite when there is none."""
    twice = np.flatnonzero(sees[1:] & sees[:-1])
    return (twice[0] + 1) / RATE_HZ if twice.size else np.inf


def judge(trigger: Trigger, walks: list[Walk], calm: np.ndarray) -> dict[str, float]:
    """Figures of one trigger; a fall that it did not see has no lead."""
    trips = [first_trip(trigger(walk.seen)) for walk in walks]
    leads = [max(w.fall_s - t, 0.0) for w, t in zip(walks, trips, strict=True) if w.fell]
    false = [np.isfinite(t) for w, t in zip(walks, trips, strict=True) if not w.fell]
    sees = trigger(calm)
    return {
        "lead_median_s": float(np.median(leads)),
        "lead_min_s": float(np.min(leads)),
        "missed": float(sum(lead == 0.0 for lead in leads)),
        "false_share": float(np.mean(false)),
        "calm_trips": float(np.count_nonzero(np.diff(sees.astype(int)) > 0)),
    }


def table(walks: list[Walk], calm: np.ndarray) -> dict[str, float]:
    """All triggers on one set of pushed robots, printed and as flat figures."""
    fell = sum(walk.fell for walk in walks)
    print(f"{len(walks)} pushed robots, {fell} fell\n{'':24s} lead median / min (s)  missed  false  calm")
    figures: dict[str, float] = {"pushed": float(len(walks)), "fell": float(fell)}
    for name, trigger in triggers().items():
        row = judge(trigger, walks, calm)
        print(
            f"{name:24s} {row['lead_median_s']:9.3f} / {row['lead_min_s']:.3f} {row['missed']:9.0f} "
            f"{100 * row['false_share']:5.0f} % {row['calm_trips']:4.0f}"
        )
        figures |= {f"{name}.{key}": value for key, value in row.items()}
    return figures


def better(figures: dict[str, float]) -> bool:
    """Whether the predictive trigger beats every fixed limit that trips no more often for nothing."""
    rivals = [f"tilt_{d}" for d in LIMITS_DEG]
    rivals = [r for r in rivals if figures[f"{r}.false_share"] <= figures["predicted.false_share"]]
    return figures["predicted.calm_trips"] == 0 and all(
        figures[f"predicted.{key}"] > figures[f"{rival}.{key}"]
        for rival in rivals
        for key in ("lead_median_s", "lead_min_s")
    )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--task", default="trot", choices=("trot", "jump"))
    parser.add_argument("--quick", action="store_true", help="60 robots instead of 240")
    parser.add_argument("--out", type=Path, help="write the figures as flat JSON")
    args = parser.parse_args()
    task, nominal = load_task(args.task), Perturbations()
    seeds, each = (tuple(range(1, 5)), 15) if args.quick else (tuple(range(1, 9)), 30)
    figures = table(pushes(task, nominal, seeds, each), undisturbed(task, nominal, 1, 300.0))
    write_result(args.out, figures)
    return 0 if better(figures) else 1


if __name__ == "__main__":
    sys.exit(main())
