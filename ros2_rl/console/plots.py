"""The curves of the page: what is drawn together, and how series of different length share an axis."""

import numpy as np
import viser
from viser import uplot

from ros2_rl.console.view import View

_BLUE, _GREEN, _GREY, _ORANGE, _RED = "#1e78ff", "#28b446", "#888888", "#ff8c00", "#d22d2d"
_PLOTS = {
    "Return": (
        ("training", "progress/train_return", _BLUE),
        ("evaluation", "look/return", _ORANGE),
        ("pre-trained", "pretrained", _GREEN),
        ("zero-shot", "zero_shot", _GREY),
    ),
    "Safety": (
        ("falls", "progress/falls", _RED),
        ("override share, %", "progress/override_share", _ORANGE),
        ("intervention share, %", "progress/intervention_share", _BLUE),
    ),
    "Change": (("KL to base", "update/kl_to_base", _BLUE), ("action rate", "update/action_rate", _ORANGE)),
    "State to command, ms": (
        ("median", "state_to_command_ms_p50", _BLUE),
        ("99 %", "state_to_command_ms_p99", _RED),
    ),
}
_SCALE = {"progress/override_share": 100.0, "progress/intervention_share": 100.0}


class Plots:
    """One tab a plot, over minutes of robot time."""

    def __init__(self, gui: viser.GuiApi):
        tabs, empty = gui.add_tab_group(), np.zeros(2)
        self._plots = {}
        for title, lines in _PLOTS.items():
            with tabs.add_tab(title.split(",")[0]):
                series = [uplot.Series(label=label, stroke=colour, width=2) for label, _, colour in lines]
                self._plots[title] = gui.add_uplot(
                    (empty, *(empty for _ in lines)),
                    (uplot.Series(label="robot min"), *series),
                    scales={"x": uplot.Scale(time=False)},
                    title=title,
                    aspect=1.4,
                )

    def show(self, view: View) -> None:
        for title, lines in _PLOTS.items():
            data = together(view, [name for _, name, _ in lines])
            if data is not None:
                self._plots[title].data = tuple(data)


def together(view: View, names: list[str]) -> np.ndarray | None:
    """The named curves and levels on the axis of the longest one; a value holds until the next.

    Returns:
        Shape (1 + len(names), N), the axis first; None where there is nothing to draw.
    """
    found = [view.curves[name].points if name in view.curves else np.empty((0, 2)) for name in names]
    axis = max((points[:, 0] for points in found), key=len)
    if not len(axis):
        return None
    rows = [axis]
    for name, points in zip(names, found, strict=True):
        if name in view.levels:
            points = np.array([[axis[0], view.levels[name]]])
        rows.append(_held(axis, points) * _SCALE.get(name, 1.0))
    return np.array(rows)


def _held(axis: np.ndarray, points: np.ndarray) -> np.ndarray:
    """The last value at or before each place of the axis; the first one before that; 0 without any."""
    if not len(points):
        return np.zeros(len(axis))
    index = np.searchsorted(points[:, 0], axis, side="right") - 1
    return points[np.maximum(index, 0), 1]
