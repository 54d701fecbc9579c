"""The tables of a report: figures of a run, its events, its settings and what its record holds."""

import json
from collections.abc import Sequence

import numpy as np

from ros2_rl.recording.about import CONTRACT, GIT, PARAMETERS
from ros2_rl.recording.reader import ABOUT
from ros2_rl.recording.run_data import RunData

Table = list[tuple[str, list[str]]]
"""Rows: a name, and one text for each run."""


def key_figures(runs: Sequence[RunData]) -> Table:
    """What a run came to: its summary first, then what the record says."""
    columns = [_of_summary(run) | _of_record(run) for run in runs]
    names = list(dict.fromkeys(name for column in columns for name in column))
    return [(name, [column.get(name, "–") for column in columns]) for name in names]


def _of_summary(run: RunData) -> dict[str, str]:
    found = {}
    for name, value in run.summary.items():
        if isinstance(value, dict):
            found[name] = ", ".join(f"{key} {_number(number)}" for key, number in value.items()) or "–"
        else:
            found[name] = _number(value)
    return found


def _of_record(run: RunData) -> dict[str, str]:
    found: dict[str, str] = {}
    if run.time_s.size:
        steps, error = run.steps, (run.steps["command"] - run.steps["lin_vel"])[run.acting, :2]
        found["recorded control steps"] = str(len(run.time_s))
        if len(error):
            off = np.sqrt(np.mean(error**2, axis=0))
            found["tracking RMSE vx, vy while the policy acts (estimated), m/s"] = _numbers(off)
        found["largest tilt, deg"] = f"{run.tilt_deg.max():.1f}"
        found["mean change of the action"] = f"{run.action_rate.mean():.3f}" if len(run.time_s) > 1 else "–"
        found["largest torque, N·m"] = f"{np.abs(steps['tau']).max():.1f}"
    if len(run.truth_s) and run.time_s.size:
        truth = np.stack([np.interp(run.time_s, run.truth_s, run.truth[:, k]) for k in range(3)], axis=1)
        off = np.sqrt(np.mean((truth - run.steps["lin_vel"]) ** 2, axis=0))
        found["velocity estimate against truth, RMSE, m/s"] = _numbers(off)
    if run.modes:
        found["falls, overrides at the end"] = f"{run.modes[-1].falls}, {run.modes[-1].overrides}"
    if len(run.pace) > 1:
        found["recorded robot time, wall time, s"] = (
            f"{run.pace[-1, 1] - run.pace[0, 1]:.1f}, {run.pace[-1, 0]:.1f}"
        )
    return found


def events(run: RunData) -> list[tuple[str, ...]]:
    """Each change of mode: time, mode, reason, actor, falls."""
    return [(f"{c.time_s:.2f}", c.mode, c.reason, c.actor, str(c.falls)) for c in run.modes]


def health(run: RunData) -> list[tuple[str, ...]]:
    """The last diagnostics of each node."""
    return [
        (name, text, ", ".join(f"{key} {value}" for key, value in values.items()))
        for name, (text, values) in sorted(run.health.items())
    ]


def settings(runs: Sequence[RunData]) -> list[tuple[str, Table]]:
    """Tables of notes by name: code, arguments, contract, parameters of each node."""
    names = [name for run in runs for name in run.bag.notes if name != "recorder"]
    first = (ABOUT, GIT, "arguments", CONTRACT)
    ordered = [name for name in first if name in names]
    ordered += sorted({name for name in names if name.startswith(PARAMETERS)})
    found = []
    for name in ordered:
        notes = [run.bag.notes.get(name, {}) for run in runs]
        keys = list(dict.fromkeys(key for note in notes for key in note))
        found.append((name, [(key, [note.get(key, "–") for note in notes]) for key in keys]))
    return found


def contents(run: RunData) -> list[tuple[str, ...]]:
    """What the record holds: topic, type, messages, rate in robot time, lost."""
    lost = json.loads(run.bag.notes.get("recorder", {}).get("lost_by_topic", "{}"))
    span = run.pace[-1, 1] - run.pace[0, 1] if len(run.pace) > 1 else 0.0
    found: list[tuple[str, ...]] = []
    for name, count in sorted(run.bag.counts.items()):
        if count:
            rate = f"{count / span:.1f}" if span else "–"
            found.append((name, run.bag.topics[name].type, str(count), rate, str(lost.get(name, 0))))
    return found


def _number(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, float) else "–" if value is None else str(value)


def _numbers(values: np.ndarray) -> str:
    return ", ".join(f"{value:.3f}" for value in values)
