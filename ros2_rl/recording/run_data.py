"""What a report tells of a run, gathered from its record in one pass."""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from ros2_rl.errors import RecordError
from ros2_rl.messages import status_values
from ros2_rl.policy.step import StepRecord, unpack
from ros2_rl.recording.decode import Decoder
from ros2_rl.recording.reader import Bag, find_files
from ros2_rl.recording.settings import RunSettings
from ros2_rl.recording.writer import Message
from ros2_rl.robots import NS_PER_S

_TOPICS = (
    "policy/step", "supervisor/state", "learner/report", "ground_truth/odom", "diagnostics", "joint_states",
)  # fmt: skip
_STEP_ARRAYS = ("command", "lin_vel", "ang_vel", "gravity", "tau", "action", "height")


@dataclass(frozen=True)
class ModeChange:
    """The supervisor changed its mode, or the count of falls."""

    time_s: float
    mode: str
    reason: str
    actor: str
    falls: int
    overrides: int


@dataclass
class RunData:
    """One run. Times are robot times in s."""

    name: str
    bag: Bag
    summary: dict[str, Any]
    """``summary.json``; empty where a run has none."""
    time_s: np.ndarray = field(default_factory=lambda: np.zeros(0))
    """Of the control steps, (N,)."""
    steps: dict[str, np.ndarray] = field(default_factory=dict)
    """Arrays of the control steps, each (N, K)."""
    modes: list[ModeChange] = field(default_factory=list)
    reports: list[tuple[str, dict[str, float]]] = field(default_factory=list)
    """What the learner reported: kind and figures."""
    truth_s: np.ndarray = field(default_factory=lambda: np.zeros(0))
    truth: np.ndarray = field(default_factory=lambda: np.zeros((0, 3)))
    """Base velocity in the base frame as the simulator knows it, (M, 3), m/s."""
    health: dict[str, tuple[str, dict[str, str]]] = field(default_factory=dict)
    """Last diagnostics of each node: text and values."""
    pace: np.ndarray = field(default_factory=lambda: np.zeros((0, 2)))
    """Wall time since the first state and robot time, (P, 2), s; about one row a second of robot time."""

    def of_kind(self, *kinds: str) -> list[dict[str, float]]:
        """Figures of the learner's reports of these kinds, in order."""
        return [values for kind, values in self.reports if kind in kinds]

    @property
    def tilt_deg(self) -> np.ndarray:
        """Angle between the base's z axis and the vertical at each step, (N,), degrees."""
        return np.degrees(np.arccos(np.clip(-self.steps["gravity"][:, 2], -1.0, 1.0)))

    @property
    def acting(self) -> np.ndarray:
        """Whether the policy acts, at each step, (N,)."""
        begins = np.array([change.time_s for change in self.modes])
        in_mode = np.searchsorted(begins, self.time_s + 1e-6) - 1
        policy = np.array([change.mode == "POLICY" for change in self.modes] + [False])
        return policy[in_mode]  # before the first change: the last entry

    @property
    def action_rate(self) -> np.ndarray:
        """Norm of the change of the raw action from one step to the next, (N - 1,)."""
        return np.linalg.norm(np.diff(self.steps["action"], axis=0), axis=1)


def load_run(path: Path) -> RunData:
    """Read a run's folder or a record.

    Raises:
        RecordError: there is no record, nothing of a robot in it, or a robot without legs.
    """
    bag = Bag(path)
    RunSettings(bag).legs_only("report")
    data = RunData(_name(path), bag, _summary(find_files(path)[0].parent.parent))
    Gathering(data).run()
    if not data.time_s.size and not data.pace.size:
        there = ", ".join(sorted(name for name, count in bag.counts.items() if count))
        raise RecordError(f"The record {path} is not one of a robot of ours: it has only {there}.")
    return data


class Gathering:
    """The pass over the record."""

    def __init__(self, data: RunData):
        self._data = data
        self._steps: list[StepRecord] = []
        self._truth: list[tuple[float, Any]] = []
        self._pace: list[tuple[int, int]] = []

    def run(self) -> None:
        data = self._data
        hear = {
            "policy/step": self._on_step,
            "supervisor/state": self._on_mode,
            "learner/report": self._on_report,
            "ground_truth/odom": self._on_truth,
            "diagnostics": self._on_diagnostics,
        }
        bag, decoder = data.bag, Decoder(data.bag)
        names = {bag.full_name(name): name for name in _TOPICS if bag.has(name)}
        for message in bag.messages(names):
            name = names[message.topic]
            if name == "joint_states":
                self._on_state(message)
            else:
                hear[name](message, decoder.decode(message))
        self._finish()

    def _on_state(self, message: Message) -> None:
        if not self._pace or abs(message.log_ns - self._pace[-1][1]) >= NS_PER_S:
            self._pace.append((message.publish_ns, message.log_ns))

    def _on_step(self, message: Message, msg: Any) -> None:
        try:
            record = unpack(np.asarray(msg.data), [(dim.label, dim.size) for dim in msg.layout.dim])
        except ValueError as error:
            raise RecordError(
                f"The record of {self._data.name} was made by another version of ros2_rl ({error}); "
                "make its report with the commit that its metadata git names."
            ) from error
        if not self._steps or record.step != self._steps[-1].step:  # a state may be shown twice
            self._steps.append(record)

    def _on_mode(self, message: Message, msg: Any) -> None:
        values, modes = status_values(msg), self._data.modes
        falls, overrides = int(values.get("falls", 0)), int(values.get("overrides", 0))
        if not modes or (modes[-1].mode, modes[-1].falls) != (msg.message, falls):
            stamp = int(values.get("stamp_ns", message.log_ns)) / NS_PER_S
            reason, actor = values.get("reason", ""), values.get("actor", "")
            modes.append(ModeChange(stamp, msg.message, reason, actor, falls, overrides))

    def _on_report(self, message: Message, msg: Any) -> None:
        numbers = {}
        for key, text in status_values(msg).items():
            try:
                numbers[key] = float(text)
            except ValueError:
                continue
        self._data.reports.append((msg.message, numbers))

    def _on_truth(self, message: Message, msg: Any) -> None:
        self._truth.append((message.log_ns / NS_PER_S, msg.twist.twist.linear))

    def _on_diagnostics(self, message: Message, msg: Any) -> None:
        for status in msg.status:
            self._data.health[status.name] = (status.message, status_values(status))

    def _finish(self) -> None:
        data = self._data
        data.time_s = np.array([record.stamp_ns for record in self._steps]) / NS_PER_S
        data.steps = {
            name: np.array([getattr(record, name) for record in self._steps]) for name in _STEP_ARRAYS
        }
        data.truth_s = np.array([time for time, _ in self._truth])
        data.truth = np.array([(v.x, v.y, v.z) for _, v in self._truth]).reshape(-1, 3)
        if self._pace:
            pace = np.array(self._pace, dtype=float)
            pace[:, 0] -= pace[0, 0]
            data.pace = pace / NS_PER_S


def _summary(folder: Path) -> dict[str, Any]:
    try:
        found = json.loads((folder / "summary.json").read_text())
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _name(path: Path) -> str:
    absolute = path.expanduser().absolute()
    return absolute.parent.name if absolute.name == "bag" or absolute.is_file() else absolute.name
