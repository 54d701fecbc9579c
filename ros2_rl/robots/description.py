"""The robot as the stack sees it: joints, limits, gains, poses.

Limits come from the URDF, everything a URDF cannot say from ``config/robots/<robot>.yaml``.
"""

import xml.etree.ElementTree as ET
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from ros2_rl.errors import ConfigError
from ros2_rl.paths import available, share_path


@dataclass(frozen=True)
class GainSet:
    """PD gains, each of shape (J,): kp in N·m/rad, kd in N·m·s/rad."""

    kp: np.ndarray
    kd: np.ndarray


@dataclass(frozen=True)
class RobotDescription:
    """Constants of one robot; arrays are read-only and in robot order."""

    name: str
    urdf: Path
    base_link: str
    imu_link: str
    """Empty: the robot has no IMU, since its base stands fast."""
    joints: tuple[str, ...]
    feet: tuple[str, ...]
    """Empty: the robot does not stand on feet."""
    foot_radius: float
    armature: float
    joint_damping: float
    joint_friction: float
    q_lower: np.ndarray
    """Lower joint limits, shape (J,), rad."""
    q_upper: np.ndarray
    """Upper joint limits, shape (J,), rad."""
    dq_max: np.ndarray
    """Joint speed limits, shape (J,), rad/s."""
    tau_max: np.ndarray
    """Joint torque limits, shape (J,), N·m."""
    default_pose: np.ndarray
    """Joint positions around which policies act, shape (J,), rad."""
    stand_pose: np.ndarray
    fold_pose: np.ndarray
    """Legs folded, belly on the ground, shape (J,), rad."""
    stand_height: float
    gains: dict[str, GainSet]
    roll_over: tuple[tuple[np.ndarray, float], ...] = ()
    """Key poses that turn the robot from its back, (J,), rad, and the time to each, s."""
    floating: bool = True
    """Whether the base moves; otherwise it is bolted down, and a robot that is to hold stays where it is."""
    tool: str = ""
    """Link whose frame is what the robot works with; empty: it has none."""
    gravity_compensated: bool = False
    """Whether the joints' drives carry the robot's own weight beside what they are told."""
    noise: Mapping[str, float] = field(default_factory=dict)
    """Sensor noise that differs from ``SensorNoise``, by its names."""

    @property
    def num_joints(self) -> int:
        return len(self.joints)


def load_robot(name: str) -> RobotDescription:
    """Read ``config/robots/<name>.yaml`` and its URDF.

    Raises:
        ConfigError: there is no such robot, or its files contradict each other.
    """
    path = share_path("config", "robots", f"{name}.yaml")
    if not path.is_file():
        raise ConfigError(f"There is no robot '{name}'; available: {available('config/robots')}.")
    data = yaml.safe_load(path.read_text())
    urdf = share_path(*data["urdf"].split("/"))
    joints = tuple(data["joints"])
    limits = _urdf_limits(urdf, joints)
    return RobotDescription(
        name=data["name"],
        urdf=urdf,
        base_link=data["base_link"],
        imu_link=data.get("imu_link", ""),
        joints=joints,
        feet=tuple(data.get("feet", ())),
        foot_radius=data.get("foot_radius", 0.0),
        armature=data["armature"],
        joint_damping=data["joint_damping"],
        joint_friction=data["joint_friction"],
        q_lower=limits[0],
        q_upper=limits[1],
        dq_max=limits[2],
        tau_max=limits[3],
        default_pose=_per_joint(data["default_pose"], joints),
        stand_pose=_per_joint(data["stand_pose"], joints),
        fold_pose=_per_joint(data["fold_pose"], joints),
        stand_height=data.get("stand_height", 0.0),
        gains={
            key: GainSet(_per_joint(value["kp"], joints), _per_joint(value["kd"], joints))
            for key, value in data["gains"].items()
        },
        roll_over=_roll_over(data.get("roll_over", ()), joints, limits),
        floating=data.get("base", "floating") == "floating",
        tool=data.get("tool", ""),
        gravity_compensated=data.get("gravity_compensated", False),
        noise=data.get("noise", {}),
    )


def _per_joint(values: list[float], joints: tuple[str, ...]) -> np.ndarray:
    """One value a joint, (J,), from those of one limb, which are the same for all limbs.

    Raises:
        ConfigError: the joints are not a multiple of the values.
    """
    limbs, left = divmod(len(joints), len(values))
    if left:
        raise ConfigError(f"{len(values)} values do not fit {len(joints)} joints; give one a joint.")
    return _frozen(np.tile(np.asarray(values, dtype=float), limbs))


def _roll_over(
    keys: list[dict[str, Any]], joints: tuple[str, ...], limits: list[np.ndarray]
) -> tuple[tuple[np.ndarray, float], ...]:
    """Key poses within the limits; each gives the joints of a left and a right leg."""
    poses = ((_per_joint([*key["left"], *key["right"]], joints), key["seconds"]) for key in keys)
    return tuple((_frozen(np.clip(pose, limits[0], limits[1])), seconds) for pose, seconds in poses)


def _urdf_limits(urdf: Path, joints: tuple[str, ...]) -> list[np.ndarray]:
    """Lower, upper, velocity and effort limits of the named joints, each of shape (J,)."""
    found = {}
    for joint in ET.parse(urdf).getroot().iter("joint"):
        limit = joint.find("limit")
        if limit is not None:
            found[joint.get("name")] = [
                float(limit.get(key, "nan")) for key in ("lower", "upper", "velocity", "effort")
            ]
    missing = [name for name in joints if name not in found]
    if missing:
        raise ConfigError(f"{urdf.name} has no limits for the joints {', '.join(missing)}.")
    return [_frozen(np.array(column)) for column in zip(*(found[n] for n in joints), strict=True)]


def _frozen(array: np.ndarray) -> np.ndarray:
    array.setflags(write=False)
    return array
