"""The robot as the stack sees it: joints, limits, gains, poses.

Limits come from the URDF, everything a URDF cannot say from ``config/robots/<robot>.yaml``.
"""

import xml.etree.ElementTree as ET
from dataclasses import dataclass
from pathlib import Path

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
    joints: tuple[str, ...]
    feet: tuple[str, ...]
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
    legs = len(joints) // 3

    def per_joint(values: list[float]) -> np.ndarray:
        return _frozen(np.tile(np.asarray(values, dtype=float), legs))

    return RobotDescription(
        name=data["name"],
        urdf=urdf,
        base_link=data["base_link"],
        imu_link=data["imu_link"],
        joints=joints,
        feet=tuple(data["feet"]),
        foot_radius=data["foot_radius"],
        armature=data["armature"],
        joint_damping=data["joint_damping"],
        joint_friction=data["joint_friction"],
        q_lower=limits[0],
        q_upper=limits[1],
        dq_max=limits[2],
        tau_max=limits[3],
        default_pose=per_joint(data["default_pose"]),
        stand_pose=per_joint(data["stand_pose"]),
        fold_pose=per_joint(data["fold_pose"]),
        stand_height=data["stand_height"],
        gains={
            key: GainSet(per_joint(value["kp"]), per_joint(value["kd"]))
            for key, value in data["gains"].items()
        },
        roll_over=tuple(
            (
                np.clip(_frozen(np.tile([*key["left"], *key["right"]], legs // 2)), limits[0], limits[1]),
                key["seconds"],
            )
            for key in data.get("roll_over", ())
        ),
    )


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
