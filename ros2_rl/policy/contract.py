"""The contract of a policy: what it sees, in which order, and what its outputs mean.

It travels inside the ONNX file as metadata, in the keys that mjlab writes (comma-separated
values) and a few of ours; numbers are written with full precision.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any

import numpy as np

from ros2_rl.errors import ContractError
from ros2_rl.robots import RobotDescription

if TYPE_CHECKING:
    from ros2_rl.tasks import Task

DEFAULT_STD = 0.2
"""Standard deviation of the exploration noise where a policy names none."""
ACTION_TYPES = ("position", "position_delta")
PER_JOINT = -1
TERM_SIZES = {
    "base_lin_vel": 3,
    "base_ang_vel": 3,
    "projected_gravity": 3,
    "velocity_commands": 3,
    "command": 3,  # mjlab's name of velocity_commands
    "joint_pos": PER_JOINT,
    "joint_vel": PER_JOINT,
    "actions": PER_JOINT,
    "gait_clock": 2,
}
"""Size of each observation term that this library can build."""


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
    observation_history: int = 1
    """Number of frames that the network sees, the newest first."""
    step_dt: float = 0.02
    """Control step, s."""
    action_clip: float = 100.0
    """Raw actions are clipped to plus or minus this."""
    policy_version: int = 0
    gait_period: float = 0.0
    """One cycle of the gait clock, s; 0: the policy has no clock."""
    stand_below: float = 0.1
    """Norm of the command below which the gait clock stands still at (0, 0)."""
    action_type: str = "position"
    """``position``: target = default + scale * action; ``position_delta``: measured + scale * action."""
    log_std: tuple[float, ...] = ()
    """Logarithm of the exploration noise's standard deviation, (J,); empty: that of DEFAULT_STD."""
    extra: Mapping[str, str] = field(default_factory=dict, hash=False)
    """Metadata of other tools, kept as they are."""

    def __post_init__(self) -> None:
        joints = len(self.joint_names)
        set_ = object.__setattr__
        if len(self.action_scale) == 1:
            set_(self, "action_scale", self.action_scale * joints)
        if not self.observation_scales:
            set_(self, "observation_scales", (1.0,) * len(self.observation_names))
        if not self.log_std:
            set_(self, "log_std", (math.log(DEFAULT_STD),) * joints)
        if self.action_clip == math.inf:
            set_(self, "action_clip", 100.0)
        self._check_numbers()
        self._check_names()
        self._check_counts()

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
        return self.frame_width * self.observation_history

    def term_sizes(self) -> list[int]:
        """Size of each observation term."""
        sizes = (TERM_SIZES[name] for name in self.observation_names)
        return [self.num_joints if size == PER_JOINT else size for size in sizes]

    def element_scales(self) -> np.ndarray:
        """Scale of each element of a frame, (frame_width,), float32."""
        scales = np.asarray(self.observation_scales, dtype=np.float32)
        return scales if scales.size == self.frame_width else np.repeat(scales, self.term_sizes())

    def robot_index(self, robot: RobotDescription) -> np.ndarray:
        """Index that takes an array from robot order to the policy's order, (J,)."""
        return np.array([robot.joints.index(name) for name in self.joint_names])

    def check(self, robot: RobotDescription, task: "Task | None" = None, gains: str = "policy") -> None:
        """Compare with a robot, the gain set that carries the policy out, and a task.

        Raises:
            ContractError: a sentence that says what differs.
        """
        self._check_joints(robot)
        index = self.robot_index(robot)
        for key, ours in (("joint_stiffness", "kp"), ("joint_damping", "kd")):
            theirs = getattr(robot.gains[gains], ours)[index]
            # mjlab rounds to three decimals.
            if not np.allclose(getattr(self, key), theirs, rtol=1e-3, atol=1e-3):
                raise ContractError(
                    f"The policy was trained with {key} {_csv(getattr(self, key))}, but the gain set "
                    f"'{gains}' of {robot.name} has {_csv(tuple(theirs.tolist()))}; make them equal."
                )
        if task is not None:
            self._check_task(task)

    def _check_joints(self, robot: RobotDescription) -> None:
        unknown = [name for name in self.joint_names if name not in robot.joints]
        if unknown:
            raise ContractError(
                f"The policy moves {', '.join(unknown)}, which {robot.name} does not have; "
                f"its joints are {', '.join(robot.joints)}."
            )
        if self.num_joints != robot.num_joints:
            absent = [name for name in robot.joints if name not in self.joint_names]
            raise ContractError(f"The policy does not move {', '.join(absent)} of {robot.name}.")

    def _check_task(self, task: "Task") -> None:
        for key in ("step_dt", "gait_period"):
            if not math.isclose(getattr(self, key), getattr(task, key), rel_tol=1e-6):
                raise ContractError(
                    f"The policy's {key} is {getattr(self, key)} s, but the task {task.name} "
                    f"has {getattr(task, key)} s; choose the policy of that task."
                )

    def _check_numbers(self) -> None:
        for f in fields(self):
            value = getattr(self, f.name)
            numbers = [v for v in (value if isinstance(value, tuple) else (value,)) if isinstance(v, float)]
            if not all(map(math.isfinite, numbers)):
                raise ContractError(f"The policy's contract has a number in {f.name} that is not finite.")
        for key in ("step_dt", "action_clip", "observation_history"):
            if getattr(self, key) <= 0:
                raise ContractError(f"The policy's {key} is {getattr(self, key)}; it must be above 0.")

    def _check_names(self) -> None:
        unknown = [name for name in self.observation_names if name not in TERM_SIZES]
        if unknown:
            raise ContractError(
                f"The policy wants the observation {', '.join(unknown)}; there are {', '.join(TERM_SIZES)}."
            )
        if self.action_type not in ACTION_TYPES:
            raise ContractError(
                f"The policy's action_type is '{self.action_type}'; there are {', '.join(ACTION_TYPES)}."
            )
        if len(set(self.joint_names)) != len(self.joint_names):
            raise ContractError("The policy's contract names a joint twice.")
        if "gait_clock" in self.observation_names and self.gait_period <= 0:
            raise ContractError("The policy wants a gait_clock, but its contract gives no gait_period.")

    def _check_counts(self) -> None:
        for key in ("joint_stiffness", "joint_damping", "default_joint_pos", "action_scale", "log_std"):
            if len(getattr(self, key)) != self.num_joints:
                raise ContractError(
                    f"The policy's contract has {len(getattr(self, key))} values in {key} "
                    f"for {self.num_joints} joints."
                )
        if len(self.observation_scales) not in (len(self.observation_names), self.frame_width):
            raise ContractError(
                f"The policy's contract has {len(self.observation_scales)} observation_scales for "
                f"{len(self.observation_names)} terms of {self.frame_width} elements."
            )


def _names(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(",") if part.strip())


def _floats(text: str) -> tuple[float, ...]:
    return tuple(float(part) for part in _names(text))


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
    "observation_history": int,
    "step_dt": float,
    "action_clip": float,
    "policy_version": int,
    "gait_period": float,
    "stand_below": float,
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
