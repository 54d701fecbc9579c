"""The figures of a report: one column a run, the same axes, so that two runs compare by eye."""

from collections.abc import Callable, Iterator, Sequence
from io import StringIO
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np

from ros2_rl.recording.run_data import RunData

matplotlib.use("Agg")
from matplotlib import pyplot  # noqa: E402

POINTS = 1500
"""Most points of a curve: more than a page has pixels, and few enough for a small file."""
_MODES = ("PASSIVE", "STAND", "POLICY", "RECOVERY", "DAMPING", "ESTOP")
_COLOURS = dict(zip(_MODES, ("0.8", "tab:cyan", "tab:green", "tab:orange", "tab:red", "black"), strict=True))
_STYLE: Any = {
    "svg.fonttype": "none",
    "svg.hashsalt": "ros2_rl",
    "font.size": 8,
    "axes.grid": True,
    "grid.alpha": 0.3,
}
_AXES = (("vx, m/s", 0), ("vy, m/s", 1), ("yaw rate, rad/s", 2))


def thin(time_s: np.ndarray, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Means of equal bins where there are more than ``POINTS`` of them; times (N,), values (N,)."""
    size = -(-len(time_s) // POINTS)
    if size <= 1:
        return time_s, values
    whole = len(time_s) // size * size
    return time_s[:whole].reshape(-1, size).mean(1), values[:whole].reshape(-1, size).mean(1)


def learning(axes: Any, run: RunData) -> None:
    """Return with the lines of before; falls and override share; KL to the base."""
    top, middle, bottom = axes
    curve = run.of_kind("progress")
    minutes = [values["robot_minutes"] for values in curve]
    top.plot(minutes, [values["train_return"] for values in curve], label="training")
    looks = run.of_kind("look", "final")
    top.plot([v["robot_minutes"] for v in looks], [v["return"] for v in looks], "o", label="evaluation")
    for kind, colour in (("pretrained", "tab:green"), ("zero_shot", "tab:red")):
        for values in run.of_kind(kind):
            top.axhline(values["return"], color=colour, linestyle="--", label=kind.replace("_", "-"))
    top.set_ylabel("return")
    middle.step(minutes, [values["falls"] for values in curve], where="post", label="falls")
    share = [100.0 * values["override_share"] for values in curve]
    middle.plot(minutes, share, label="override, % of steps")
    updates = [values for values in run.of_kind("update") if "kl_to_base" in values]
    bottom.plot([v["robot_minutes"] for v in updates], [v["kl_to_base"] for v in updates], label="KL to base")
    bottom.set_xlabel("robot minutes")
    for axis in axes:
        if axis.get_legend_handles_labels()[0]:
            axis.legend(loc="best")


def tracking(axes: Any, run: RunData) -> None:
    """Command and estimated velocity, and what the simulator knows."""
    measured = (run.steps["lin_vel"][:, 0], run.steps["lin_vel"][:, 1], run.steps["ang_vel"][:, 2])
    for axis, (label, column) in zip(axes, _AXES, strict=True):
        axis.plot(*thin(run.time_s, run.steps["command"][:, column]), color="0.4", label="command")
        axis.plot(*thin(run.time_s, measured[column]), linewidth=0.8, label="estimate")
        if column < 2 and len(run.truth_s):
            axis.plot(*thin(run.truth_s, run.truth[:, column]), linewidth=0.6, label="truth (simulator)")
        axis.set_ylabel(label)
    axes[0].legend(loc="upper right")
    axes[-1].set_xlabel("robot time, s")


def safety(axes: Any, run: RunData) -> None:
    """Tilt with the modes behind it; the change of the action; the largest torque."""
    tilt, rate, torque = axes
    end = max(run.time_s[-1], run.modes[-1].time_s) if run.modes else run.time_s[-1]
    for before, after in zip(run.modes, [*run.modes[1:], None], strict=True):
        until = end if after is None else after.time_s
        tilt.axvspan(before.time_s, until, color=_COLOURS.get(before.mode, "white"), alpha=0.2, linewidth=0)
    for name in _MODES:
        if any(change.mode == name for change in run.modes):
            tilt.plot([], [], color=_COLOURS[name], alpha=0.4, linewidth=6, label=name)
    tilt.plot(*thin(run.time_s, run.tilt_deg), color="tab:blue", linewidth=0.9)
    tilt.set_ylabel("tilt, deg")
    tilt.legend(loc="upper right", ncols=3)
    rate.plot(*thin(run.time_s[1:], run.action_rate), linewidth=0.8)
    rate.set_ylabel("change of the action")
    torque.plot(*thin(run.time_s, np.abs(run.steps["tau"]).max(axis=1)), linewidth=0.8)
    torque.set_ylabel("largest torque, N·m")
    torque.set_xlabel("robot time, s")


def pace(axes: Any, run: RunData) -> None:
    """How fast robot time went."""
    (axis,) = axes
    wall, robot = run.pace[:, 0], run.pace[:, 1]
    moved = np.diff(wall) > 0
    axis.plot(wall[1:][moved], np.diff(robot)[moved] / np.diff(wall)[moved], linewidth=0.8)
    axis.set_ylabel("robot time by wall time")
    axis.set_xlabel("wall time, s")


Draw = Callable[[Any, RunData], None]
FIGURES: tuple[tuple[str, str, int, Draw, Callable[[RunData], bool]], ...] = (
    ("learning", "Learning", 3, learning, lambda run: bool(run.of_kind("progress"))),
    ("tracking", "Tracking of the command", 3, tracking, lambda run: run.time_s.size > 1),
    ("safety", "Safety", 3, safety, lambda run: run.time_s.size > 1),
    ("pace", "Pace", 1, pace, lambda run: len(run.pace) > 2),
)
"""Name, title, rows, what draws a column, and whether a run has what it needs."""


def draw(runs: Sequence[RunData], png_folder: Path) -> Iterator[tuple[str, str]]:
    """Title and SVG of each figure for which a run has data; a PNG of it goes into the folder."""
    with matplotlib.rc_context(_STYLE):
        for name, title, rows, paint, there in FIGURES:
            if not any(there(run) for run in runs):
                continue
            figure, axes = pyplot.subplots(
                rows, len(runs), figsize=(9.0 if len(runs) == 1 else 12.0, 1.9 * rows + 0.4),
                squeeze=False, sharey="row", sharex="col",
            )  # fmt: skip
            for column, run in enumerate(runs):
                axes[0, column].set_title(run.name)
                if there(run):
                    paint(axes[:, column], run)
                else:
                    middle = axes[rows // 2, column]
                    middle.text(0.5, 0.5, "not in this record", ha="center", transform=middle.transAxes)
            figure.tight_layout()
            figure.savefig(png_folder / f"{name}.png", dpi=110)
            text = StringIO()
            figure.savefig(text, format="svg", metadata={"Date": None})
            pyplot.close(figure)
            yield title, text.getvalue()[text.getvalue().index("<svg") :]
