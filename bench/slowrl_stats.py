"""Figures of bench/slowrl.py from its runs: interquartile means, intervals, minutes to a fraction.

After Agarwal et al. 2021 (arXiv 2108.13264) and its library rliable: the interquartile mean drops
the lowest and the highest quarter of all runs; its interval is the percentile bootstrap in which
the seeds of each task are drawn anew, task by task. Checked against rliable 1.2.0, which would
bring ten packages for these two functions and does not import with the newest of them.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

_DRAWS = 10_000
_LEVEL = 0.95
HOLDS = 2
"""Exams in a row at or above a fraction that count as having reached it; one may be luck."""


def iqm(scores: Sequence[np.ndarray]) -> float:
    """Interquartile mean over all runs of all tasks; ``scores`` has one array (seeds,) a task."""
    return float(_middle_mean(np.concatenate(scores)))


def interval(scores: Sequence[np.ndarray], draws: int = _DRAWS) -> tuple[float, float]:
    """95 % stratified percentile bootstrap interval of the interquartile mean; always drawn alike."""
    rng = np.random.default_rng(0)
    drawn = np.concatenate([rng.choice(task, (draws, len(task))) for task in scores], axis=1)
    ends = (50 * (1 - _LEVEL), 50 * (1 + _LEVEL))
    # An end is a drawn value, never one between two, for a run may have needed for ever.
    low, high = np.percentile(_middle_mean(drawn), ends, method="inverted_cdf")
    return float(low), float(high)


def _middle_mean(values: np.ndarray) -> np.ndarray:
    """Mean over the last axis without its lowest and its highest quarter (rounded down)."""
    size = values.shape[-1]
    return np.sort(values, axis=-1)[..., size // 4 : size - size // 4].mean(-1)


def fractions(run: dict[str, Any]) -> tuple[np.ndarray, np.ndarray]:
    """Robot minutes and recovered fractions of a run's exams, (E,) each."""
    low, high = run["exams"][0]["mean_return"], run["pretrained"]["mean_return"]
    minutes = np.array([exam["robot_minutes"] for exam in run["exams"]])
    returns = np.array([exam["mean_return"] for exam in run["exams"]])
    return minutes, (returns - low) / (high - low)


def minutes_to(run: dict[str, Any], fraction: float) -> float:
    """Robot minutes until a fraction is reached and held for the next exam; inf: never."""
    minutes, found = fractions(run)
    reached = found >= fraction
    for i in range(len(found) - HOLDS + 1):
        if reached[i : i + HOLDS].all():
            share = (fraction - found[i - 1]) / (found[i] - found[i - 1])
            return float(minutes[i - 1] + share * (minutes[i] - minutes[i - 1]))
    return float("inf")


def figures(run: dict[str, Any]) -> dict[str, float]:
    """The row that a run gives."""
    steps = max(run.get("steps", 0), 1)
    start, end = run["exams"][0]["action_rate"], run["exams"][-1]["action_rate"]
    return {
        "final": float(fractions(run)[1][-1]),
        "minutes_to_0.6": minutes_to(run, 0.6),
        "minutes_to_0.8": minutes_to(run, 0.8),
        "falls": float(run.get("falls", 0)),
        "helped": float(run.get("helped", 0)),
        "override_share": run.get("overridden", 0) / steps,
        "action_rate": end,
        "action_rate_drop": 1.0 - end / start,
        "trainable": float(run.get("trainable", 0)),
        "parameters": float(run.get("parameters", 0)),
        "wall_seconds": run["wall_seconds"],
    }


def summarise(runs: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Aggregate the runs of one method: seeds are runs, a task is a task with its gap."""
    tasks: dict[tuple[str, str], list[dict[str, float]]] = {}
    for run in runs:
        tasks.setdefault((run["place"]["task"], run["place"]["gap"]), []).append(figures(run))
    columns = {
        key: [np.array([row[key] for row in rows]) for rows in tasks.values()] for key in figures(runs[0])
    }
    found: dict[str, Any] = {"seeds": len(runs)}
    # A run that never reaches a fraction counts as the worst: a middle half with one in it has no mean.
    for key in ("final", "action_rate_drop", "minutes_to_0.6", "minutes_to_0.8"):
        found[key], found[f"{key}_interval"] = iqm(columns[key]), interval(columns[key])
        found[f"{key}_reached"] = int(np.isfinite(np.concatenate(columns[key])).sum())
    for key in ("falls", "helped", "override_share", "trainable", "parameters", "wall_seconds"):
        found[key] = float(np.mean(np.concatenate(columns[key])))
    return found


def apart(one: dict[str, Any], two: dict[str, Any], key: str) -> bool:
    """Whether the intervals of two rows do not overlap: only then a difference is claimed."""
    (a, b), (c, d) = one[f"{key}_interval"], two[f"{key}_interval"]
    return b < c or d < a


def table(rows: dict[str, dict[str, Any]]) -> list[str]:
    """The rows as a Markdown table."""
    head = (
        "method", "seeds", "recovered", "min to 0.6", "min to 0.8", "falls", "helped up", "override %",
        "action rate drop %", "trainable",
    )  # fmt: skip
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    for name, row in rows.items():
        cells = (
            name,
            str(row["seeds"]),
            _spread(row, "final", ".2f"),
            f"{_spread(row, 'minutes_to_0.6', '.0f')}, {row['minutes_to_0.6_reached']}/{row['seeds']}",
            f"{_spread(row, 'minutes_to_0.8', '.0f')}, {row['minutes_to_0.8_reached']}/{row['seeds']}",
            f"{row['falls']:.2f}",
            f"{row['helped']:.2f}",
            f"{100 * row['override_share']:.2f}",
            _spread(row, "action_rate_drop", ".0f", 100.0),
            f"{row['trainable']:.0f} ({100 * row['trainable'] / max(row['parameters'], 1):.2f} %)",
        )
        lines.append("| " + " | ".join(cells) + " |")
    return lines


def _spread(row: dict[str, Any], key: str, form: str, scale: float = 1.0) -> str:
    low, high = row[f"{key}_interval"]
    if not np.isfinite(row[key]):
        return "–"
    if not np.isfinite(high):
        return f"{scale * row[key]:{form}} [{scale * low:{form}}, –]"
    return f"{scale * row[key]:{form}} [{scale * low:{form}}, {scale * high:{form}}]"
