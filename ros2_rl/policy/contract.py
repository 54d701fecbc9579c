"""The contract of a policy: what it sees, in which order, and what its outputs mean.

It travels inside the ONNX file as metadata, in the keys that mjlab writes (comma-separated
values) and a few of ours; numbers are written with full precision.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from ros2_rl.errors import ContractError
from ros2_rl.policy.contract_checks import PER_JOINT, TERM_SIZES, check_consistent
from ros2_rl.policy.fit import check_gain_set, check_robot, check_task
from ros2_rl.robots import RobotDescription
from ros2_rl.tasks.clock import Clock, ContactPlan

if TYPE_CHECKING:
    from ros2_rl.tasks import Task

__all__ = ["DEFAULT_STD", "TERM_SIZES", "Contract"]

DEFAULT_STD = 0.2
"""Standard deviation of the exploration noise where a policy names none."""
_NEUTRAL = {"observation_scales": 1.0, "observation_lower": -math.inf, "observation_upper": math.inf}
"""What an element of the observation is multiplied by and kept within where a policy names nothing."""


@dataclass(frozen=True)
class Contract:
    """Everything about a policy but its weights; per-joint tuples are in the policy's joint order."""

    joint_names: tuple[str, ...]
    joint_stiffness: tuple[float, ...]
    """kp that the policy was trained with, (J,), N·m/rad."""
    joint_damping: tuple[float, ...]
    """kd that the policy was trained with, (J,), N·m·s/rad."""
    default_joint_pos: tuple[float, ...]
    """Joint positions that observations and targets are relative to, (J,), rad."""
    observation_names: tuple[str, ...]
    """Observation terms in the order in which the network takes them."""
    action_scale: tuple[float, ...]
    """rad per unit of action, (J,)."""
    command_names: tuple[str, ...] = ()
    run_path: str = ""
    observation_scales: tuple[float, ...] = ()
    """One factor a term, or one an element of the frame; empty: all 1."""
    observation_lower: tuple[float, ...] = ()
    """Lowest value after scaling, one a term or one an element of the frame; empty: none."""
    observation_upper: tuple[float, ...] = ()
    """Highest value after scaling, likewise."""
    observation_history: int = 1
    """Number of frames that the network sees."""
    history_order: str = "newest_first"
    """Whether the newest or the oldest frame comes first."""
    history_by: str = "frame"
    """``frame``: one whole frame after the other; ``term``: one term with all its past after the other."""
    term_history: tuple[int, ...] = ()
    """Frames of each term where the terms reach back unequally (by term only); empty: all alike."""
    step_dt: float = 0.02
    """Control step, s."""
    action_clip: float = 100.0
    """Raw actions are clipped to plus or minus this; the next observation shows them clipped."""
    action_offset: tuple[float, ...] = ()
    """Joint positions that targets are relative to, (J,), rad; empty: ``default_joint_pos``."""
    target_lower: tuple[float, ...] = ()
    """Lowest joint target, (J,), rad, which the next observation knows nothing of; empty: none."""
    target_upper: tuple[float, ...] = ()
    """Highest joint target, likewise."""
    policy_version: int = 0
    gait_period: float = 0.0
    """One cycle of the gait clock, s; 0: the policy has no clock."""
    stand_below: float = 0.1
    """Norm of the command below which the clock stands still."""
    contact_plan: tuple[float, ...] = ()
    """Duration, lift-off and touch-down of the jump in each cycle, s; empty: the clock is a gait's."""
    action_type: str = "position"
    """``position``: target = offset + scale * action; ``position_delta``: measured + scale * action."""
    log_std: tuple[float, ...] = ()
    """Logarithm of the exploration noise's standard deviation, (J,); empty: that of DEFAULT_STD."""
    extra: Mapping[str, str] = field(default_factory=dict, hash=False)
    """Metadata of other tools, kept as they are."""

    def __post_init__(self) -> None:
        joints = len(self.joint_names)
        set_ = object.__setattr__
        if len(self.action_scale) == 1:
            set_(self, "action_scale", self.action_scale * joints)
        if not self.log_std:
            set_(self, "log_std", (math.log(DEFAULT_STD),) * joints)
        if self.action_clip == math.inf:
            set_(self, "action_clip", 100.0)
        check_consistent(self)

    @classmethod
    def from_metadata(cls, metadata: Mapping[str, str]) -> "Contract":
        """Read the metadata of an ONNX file.

        Raises:
            ContractError: a key is missing, a value cannot be read, or the values contradict
                each other.
        """
        missing = [key for key in _REQUIRED if key not in metadata]
        if missing:
            raise ContractError(
                f"The policy's contract lacks {', '.join(missing)}; export the policy with its metadata."
            )
        known = {key: _parse(key, metadata[key]) for key in _PARSERS if key in metadata}
        return cls(**known, extra={k: v for k, v in metadata.items() if k not in _PARSERS})

    def to_metadata(self) -> dict[str, str]:
        """Inverse of :meth:`from_metadata`."""
        return {key: _csv(getattr(self, key)) for key in _PARSERS} | dict(self.extra)

    @property
    def num_joints(self) -> int:
        return len(self.joint_names)

    @property
    def frame_width(self) -> int:
        """Size of one frame of the observation."""
        return sum(self.term_sizes())

    @property
    def observation_width(self) -> int:
        """Size of the network's input, history included."""
        return sum(size * past for size, past in zip(self.term_sizes(), self.term_frames(), strict=True))

    def term_sizes(self) -> list[int]:
        """Size of each observation term."""
        sizes = (TERM_SIZES[name] for name in self.observation_names)
        return [self.num_joints if size == PER_JOINT else size for size in sizes]

    def term_frames(self) -> tuple[int, ...]:
        """How many frames of each term the network sees."""
        return self.term_history or (self.observation_history,) * len(self.observation_names)

    def elements(self, key: str) -> np.ndarray:
        """``observation_scales``, ``_lower`` or ``_upper``: one value an element, (frame_width,), float32."""
        values = np.asarray(getattr(self, key), dtype=np.float32)
        if not values.size:
            return np.full(self.frame_width, _NEUTRAL[key], dtype=np.float32)
        return values if values.size == self.frame_width else np.repeat(values, self.term_sizes())

    def history_index(self) -> np.ndarray:
        """Where each number of the network's input lies in the last frames, (observation_width,).

        The frames are (observation_history, frame_width), the newest first, and read row by row.
        """
        if self.history_by == "frame":
            parts = [(0, self.frame_width, self.observation_history)]
        else:
            sizes = self.term_sizes()
            starts = np.cumsum([0, *sizes[:-1]]).tolist()
            parts = list(zip(starts, sizes, self.term_frames(), strict=True))
        return np.concatenate([self._history_of(*part) for part in parts])

    def _history_of(self, start: int, size: int, past: int) -> np.ndarray:
        """Index of some neighbouring elements in all their frames."""
        ages = np.arange(past)[:: 1 if self.history_order == "newest_first" else -1]
        return (ages[:, None] * self.frame_width + np.arange(start, start + size)).ravel()

    def robot_index(self, robot: RobotDescription) -> np.ndarray:
        """Index that takes an array from robot order to the policy's order, (J,)."""
        return np.array([robot.joints.index(name) for name in self.joint_names])

    @property
    def clock(self) -> Clock:
        """The clock that the policy sees."""
        plan = ContactPlan(*self.contact_plan) if self.contact_plan else None
        return Clock(self.step_dt, self.gait_period, self.stand_below, plan)

    def check(self, robot: RobotDescription, task: "Task | None" = None, gains: str = "") -> None:
        """Compare with a robot and a task, and with a gain set where its gains are not the policy's own.

        Raises:
            ContractError: a sentence that says what differs.
        """
        check_robot(self, robot)
        if gains:
            check_gain_set(self, robot, gains)
        if task is not None:
            check_task(self, task)


def _names(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(",") if part.strip())


def _floats(text: str) -> tuple[float, ...]:
    return tuple(float(part) for part in _names(text))


def _integers(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in _names(text))


_PARSERS: dict[str, Callable[[str], Any]] = {
    "joint_names": _names,
    "joint_stiffness": _floats,
    "joint_damping": _floats,
    "default_joint_pos": _floats,
    "command_names": _names,
    "observation_names": _names,
    "action_scale": _floats,
    "run_path": str,
    "observation_scales": _floats,
    "observation_lower": _floats,
    "observation_upper": _floats,
    "observation_history": int,
    "history_order": str,
    "history_by": str,
    "term_history": _integers,
    "step_dt": float,
    "action_clip": float,
    "action_offset": _floats,
    "target_lower": _floats,
    "target_upper": _floats,
    "policy_version": int,
    "gait_period": float,
    "stand_below": float,
    "contact_plan": _floats,
    "action_type": str,
    "log_std": _floats,
}
_REQUIRED = (
    "joint_names", "joint_stiffness", "joint_damping", "default_joint_pos", "observation_names",
    "action_scale",
)  # fmt: skip


def _parse(key: str, text: str) -> Any:
    try:
        return _PARSERS[key](text)
    except ValueError as error:
        raise ContractError(
            f"The policy's contract has '{text[:60]}' in {key}, which cannot be read."
        ) from error


def _csv(value: object) -> str:
    """A tuple as comma-separated values; floats keep all their digits."""
    if isinstance(value, tuple):
        return ",".join(_csv(v) for v in value)
    return repr(value) if isinstance(value, float) else str(value)
