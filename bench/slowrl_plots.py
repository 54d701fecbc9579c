"""Plots of bench/slowrl.py: small PNG files beside its results."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
from slowrl_stats import fractions, iqm

matplotlib.use("Agg")
from matplotlib import pyplot  # noqa: E402

Runs = dict[str, list[dict[str, Any]]]
_GRID = 60


def plot_all(runs: Runs, groups: dict[str, tuple[str, ...]], folder: Path) -> list[Path]:
    """One file for each figure that the runs allow."""
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for group, names in groups.items():
        chosen = {name: runs[name] for name in names if runs.get(name)}
        learning = {
            name: found for name, found in chosen.items() if "curve" in found[0] and "steps" in found[0]
        }
        if len(learning) > 1:
            written.append(_save(folder / f"{group}.png", _panels(learning)))
    ranks = {name: runs[name] for name in groups["ranks"] if runs.get(name)}
    if len(ranks) > 1:
        written.append(_save(folder / "rank_sweep.png", _rank_sweep(ranks)))
    return written


def _panels(runs: Runs) -> pyplot.Figure:
    """Recovered fraction, falls, override share and action rate against robot minutes."""
    figure, axes = pyplot.subplots(2, 2, figsize=(9, 6.4), sharex=True)
    panels: tuple[tuple[str, Callable[[dict], tuple[np.ndarray, np.ndarray]]], ...] = (
        ("recovered fraction", fractions),
        ("falls so far", lambda run: _curve(run, "falls")),
        ("steps under override so far, %", lambda run: _curve(run, "override_share", 100.0)),
        ("action rate of the policy", _action_rate),
    )
    for axis, (title, read) in zip(axes.flat, panels, strict=True):
        for name, found in runs.items():
            _band(axis, [read(run) for run in found], name)
        axis.set_title(title, fontsize=9)
        axis.tick_params(labelsize=8)
    for axis in axes[1]:
        axis.set_xlabel("robot minutes", fontsize=9)
    axes[0, 0].legend(fontsize=7)
    return figure


def _band(axis: pyplot.Axes, curves: Sequence[tuple[np.ndarray, np.ndarray]], name: str) -> None:
    """Interquartile mean of the seeds, and the range from the worst to the best."""
    end = min(minutes[-1] for minutes, _ in curves)
    grid = np.linspace(0.0, end, _GRID)
    values = np.array([np.interp(grid, minutes, found) for minutes, found in curves])
    (line,) = axis.plot(grid, [iqm([column]) for column in values.T], label=name, linewidth=1.4)
    axis.fill_between(grid, values.min(0), values.max(0), alpha=0.12, color=line.get_color(), linewidth=0)


def _curve(run: dict[str, Any], key: str, scale: float = 1.0) -> tuple[np.ndarray, np.ndarray]:
    return np.array(run["curve"]["robot_minutes"]), scale * np.array(run["curve"][key])


def _action_rate(run: dict[str, Any]) -> tuple[np.ndarray, np.ndarray]:
    exams = run["exams"]
    return fractions(run)[0], np.array([exam["action_rate"] for exam in exams])


def _rank_sweep(runs: Runs) -> pyplot.Figure:
    """Recovered fraction of each rank at the end of the budget; a dot is a seed."""
    figure, axis = pyplot.subplots(figsize=(4.5, 3.2))
    for name, found in runs.items():
        rank = int(name.rsplit(" ", 1)[1])
        ends = np.array([fractions(run)[1][-1] for run in found])
        axis.plot([rank] * len(ends), ends, "o", alpha=0.4, color="C0")
        axis.plot(rank, iqm([ends]), "_", markersize=22, color="C3")
    axis.set_xscale("log", base=2)
    axis.set_xlabel("rank of the adapters")
    axis.set_ylabel("recovered fraction")
    return figure


def _save(path: Path, figure: pyplot.Figure) -> Path:
    figure.tight_layout()
    figure.savefig(path, dpi=80, metadata={"Software": None})
    pyplot.close(figure)
    return path
