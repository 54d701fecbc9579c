"""The page of one browser: scene, state, buttons and sliders.

Each browser gets a page of its own, so that one that has not shown the token sees nothing.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import viser

from ros2_rl.console.geometry import Primitive, RobotGeometry
from ros2_rl.console.plots import Plots
from ros2_rl.console.view import View
from ros2_rl.health import LEVELS

Ask = Callable[[str, Any], None]
"""Called with what an operator wants: the name of a request and its value."""

_BODY, _LIMB, _FOOT, _TOUCH = (90, 98, 110), (150, 158, 170), (40, 44, 52), (255, 140, 0)
_ESTIMATED, _COMMANDED = (30, 120, 255), (40, 180, 70)
_BUTTONS: tuple[tuple[str, str, Any, str], ...] = (
    ("Stand", "supervisor/stand", None, "stand up and hold"),
    ("Arm", "supervisor/arm", "green", "give the robot to the policy once it stands still"),
    ("Damp", "supervisor/damp", "orange", "joints brake; the robot sinks to the ground"),
    ("Reset", "supervisor/reset", None, "leave DAMPING or ESTOP for PASSIVE"),
)
_LEARNING = (
    ("Pause learning", "learner/pause", "the robot goes on, nothing is learned"),
    ("Resume learning", "learner/resume", "learn again"),
    ("Save", "learner/save", "write adapter and merged policy into the run folder"),
    ("Roll back", "learner/rollback", "make the last adapter that did well in an evaluation act again"),
)

_DRIVING = (
    ("Take over", "supervisor/take_over", "you drive the base policy; it stands when you do not steer"),
    ("Give back", "supervisor/give_back", "the adapted policy goes on"),
    ("Next command", "practice/next_command", "practice leaves its command for another one"),
    ("Success", "learner/judge_success", "what it has just done was good"),
    ("Not good", "learner/judge_not_good", "what it has just done was not good"),
    ("Failure", "learner/judge_failure", "what it has just done must not happen"),
)


@dataclass(frozen=True)
class Knob:
    """A number of the simulator that can be changed as it runs."""

    name: str
    text: str
    low: float
    high: float
    value: float


class Page:
    """Builds the page; :meth:`show` brings it up to date."""

    def __init__(self, client: viser.ClientHandle, geometry: RobotGeometry, feet: Sequence[str]):
        self._client, self._feet = client, list(feet)
        self._scene(geometry)
        self._reports = -1
        self._shown = np.full((len(geometry.frames), 3), np.nan)

    def build(self, ask: Ask, knobs: Sequence[Knob]) -> None:
        """Add the panel; ``knobs`` is empty where there is no simulator."""
        gui = self._client.gui
        gui.main_panel.dock_right()
        # The button that matters most comes first and is always in sight.
        stop = gui.add_button("STOP", color="red", hint="ESTOP: joints brake at once, whoever acts")
        stop.on_click(_asks(ask, "supervisor/estop"))
        self._mode, self._health = gui.add_markdown("waiting for the robot"), gui.add_markdown("")
        for label, request, colour, hint in _BUTTONS:
            gui.add_button(label, color=colour, hint=hint).on_click(_asks(ask, request))
        self._driving(ask)
        with gui.add_folder("Learning"):
            self._learning = gui.add_markdown("")
            self._buttons(ask, _LEARNING)
        self._plots = Plots(gui)
        self._knobs(ask, knobs)
        with gui.add_folder("View"):
            self._follow = gui.add_checkbox("Camera follows", True)
            self._answers = gui.add_markdown("")

    def _buttons(self, ask: Ask, buttons: Sequence[tuple[str, str, str]]) -> None:
        for label, request, hint in buttons:
            self._client.gui.add_button(label, hint=hint).on_click(_asks(ask, request))

    def _driving(self, ask: Ask) -> None:
        """Velocities as a person asks for them, while *Steer* is ticked."""
        gui, self._ask = self._client.gui, ask
        with gui.add_folder("Drive and judge"):
            self._steer = gui.add_checkbox("Steer", False, hint="your velocities in place of practice")
            self._sticks = [
                gui.add_slider(name, -full, full, full / 20.0, 0.0)
                for name, full in (("forward, m/s", 1.0), ("sideways, m/s", 0.3), ("turn, rad/s", 0.8))
            ]
            self._buttons(ask, _DRIVING)

    def _knobs(self, ask: Ask, knobs: Sequence[Knob]) -> None:
        if not knobs:
            return
        with self._client.gui.add_folder("Simulated gap", expand_by_default=False):
            for knob in knobs:
                step = (knob.high - knob.low) / 100.0
                slider = self._client.gui.add_slider(
                    knob.name, knob.low, knob.high, step, knob.value, hint=knob.text
                )
                slider.on_update(_turns(ask, knob.name))

    def _scene(self, geometry: RobotGeometry) -> None:
        scene = self._client.scene
        scene.set_up_direction("+z")
        self._client.camera.position, self._client.camera.look_at = (0.9, -1.1, 0.55), (0.0, 0.0, 0.2)
        self._floor = scene.add_grid("/floor", 12.0, 12.0, cell_size=0.5, section_size=0.5)
        self._base = scene.add_frame("/robot", show_axes=False)
        self._joints = [scene.add_frame(f"/robot{path}", show_axes=False) for path in geometry.frames]
        shapes = [(shape.link, self._shape(shape)) for shape in geometry.primitives]
        self._soles = [handle for link, handle in shapes if link in self._feet]
        self._touching = [False] * len(self._soles)
        segment = np.zeros((1, 2, 3))
        self._arrows = [
            scene.add_arrows(f"/robot/{name}", segment, colour, shaft_radius=0.012, head_radius=0.03)
            for name, colour in (("estimated", _ESTIMATED), ("commanded", _COMMANDED))
        ]

    def _shape(self, shape: Primitive) -> Any:
        scene, name = self._client.scene, f"/robot{shape.path}"
        place: dict[str, Any] = {"position": shape.position, "wxyz": shape.quat}
        colour = _FOOT if shape.link in self._feet else _BODY if "base" in shape.link else _LIMB
        if shape.kind == "box":
            return scene.add_box(name, colour, np.array(shape.size), **place)
        if shape.kind == "cylinder":
            return scene.add_cylinder(name, shape.size[0], shape.size[1], colour, **place)
        return scene.add_icosphere(name, shape.size[0], colour, subdivisions=2, **place)

    # --------------------------------------------------------------- showing

    def show(self, view: View, poses: tuple[np.ndarray, np.ndarray], now_s: float) -> None:
        """Bring everything up to date; what did not change is not sent.

        Args:
            view: what is to be seen.
            poses: positions and quaternions of the joints' frames, each in the one that carries it.
            now_s: the console's wall time.
        """
        if self._steer.value:
            self._ask("drive/velocity", tuple(float(stick.value) for stick in self._sticks))
        with self._client.atomic():
            self._move(view, poses)
            self._tell(view, now_s)
        if view.reports != self._reports:
            self._reports = view.reports
            self._plots.show(view)

    def _move(self, view: View, poses: tuple[np.ndarray, np.ndarray]) -> None:
        place = view.position.copy()
        if self._follow.value:
            # The robot stays and the floor moves: the camera is the operator's.
            self._floor.position = (*(-np.mod(place[:2], 0.5)), 0.0)
            place[:2] = 0.0
        self._base.position, self._base.wxyz = place, view.quat
        for i in np.flatnonzero((self._shown != poses[0]).any(axis=1)):
            self._joints[i].position = poses[0][i]
        self._shown = poses[0]
        for joint, quat in zip(self._joints, poses[1], strict=True):
            joint.wxyz = quat
        for n, sole in enumerate(self._soles[: len(view.contacts)]):
            touching = bool(view.contacts[n] > 0.5)
            if touching != self._touching[n]:
                self._touching[n] = touching
                sole.color = _TOUCH if touching else _FOOT
        tip = np.array((0.0, 0.0, 0.15))
        for handle, velocity in zip(self._arrows, (view.velocity, (*view.command[:2], 0.0)), strict=True):
            handle.points = np.array([[tip, tip + velocity]])

    def _tell(self, view: View, now_s: float) -> None:
        now, level = view.supervision, view.health.line(now_s)
        since = (now.stamp_ns - now.since_ns) * 1e-9
        self._text(self._mode, f"## {now.mode}\n{now.reason or '—'}  \nacts: {now.actor or '—'}, "
                   f"for {since:.0f} s; falls: {now.falls}")  # fmt: skip
        word = LEVELS[level[0]]
        self._text(self._health, f"**{word}**: {level[1]}")
        self._text(self._learning, _learning_text(view))
        self._text(self._answers, "  \n".join(view.notes))

    def _text(self, handle: Any, text: str) -> None:
        if handle.content != text:
            handle.content = text


def _asks(ask: Ask, request: str) -> Callable[[Any], None]:
    return lambda _: ask(request, None)


def _turns(ask: Ask, name: str) -> Callable[[Any], None]:
    return lambda event: ask(f"sim/{name}", float(event.target.value))


def _learning_text(view: View) -> str:
    learner = view.health.nodes.get("learner")
    if learner is None:
        return "no learner has been heard"
    values = learner.values
    return (
        f"{learner.message}: {values.get('robot_minutes', '?')} robot min, "
        f"adapter {values.get('adapter_version', '?')}"
        + (", **paused**" if values.get("paused") == "True" else "")
    )
