"""What the robot says and what it is told, as plain arrays.

Arrays are in robot order (see ``docs/architecture.md``), SI units, float64.
"""

from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

NS_PER_S = 1_000_000_000


class ImuReading(NamedTuple):
    """One sample of the inertial sensor, as in :class:`RobotState`."""

    quat: np.ndarray
    gyro: np.ndarray
    accel: np.ndarray


@dataclass(slots=True)
class RobotState:
    """One sample of the robot's sensors; all parts carry the same stamp."""

    stamp_ns: int
    """Time of the measurement, nanoseconds."""
    q: np.ndarray
    """Joint positions, shape (J,), rad."""
    dq: np.ndarray
    """Joint velocities, shape (J,), rad/s."""
    tau: np.ndarray
    """Measured joint torques, shape (J,), N·m."""
    quat: np.ndarray
    """Orientation of the base in the world, (w, x, y, z), from the IMU."""
    gyro: np.ndarray
    """Angular velocity in the base frame, shape (3,), rad/s."""
    accel: np.ndarray
    """Specific force in the base frame, shape (3,), m/s²; (0, 0, 9.81) at rest."""
    foot_force: np.ndarray = field(default_factory=lambda: np.zeros(0))
    """Normal force under each foot, shape (F,), N; empty where a node does not read it."""


@dataclass(slots=True)
class JointCommand:
    """Joint set-points for the PD loop: tau + kp (q - q_meas) + kd (dq - dq_meas)."""

    stamp_ns: int
    """Stamp of the state that this command answers."""
    q: np.ndarray
    """Position set-points, shape (J,), rad."""
    dq: np.ndarray
    """Velocity set-points, shape (J,), rad/s."""
    tau: np.ndarray
    """Feed-forward torques, shape (J,), N·m."""
    gains: str
    """Name of the gain set in the robot's description: policy, stand, recovery or damping."""


@dataclass(slots=True)
class MotorCommand:
    """As :class:`JointCommand`, with gains of its own, as a robot's bus carries it; arrays (J,)."""

    stamp_ns: int
    q: np.ndarray
    dq: np.ndarray
    tau: np.ndarray
    kp: np.ndarray
    """N·m/rad."""
    kd: np.ndarray
    """N·m·s/rad."""


@dataclass(slots=True)
class BaseEstimate:
    """What the state estimator knows about the base."""

    stamp_ns: int
    position: np.ndarray
    """Position in the odom frame, shape (3,), m; z above the ground under the feet."""
    quat: np.ndarray
    """Orientation of the base in the odom frame, (w, x, y, z)."""
    lin_vel: np.ndarray
    """Linear velocity in the base frame, shape (3,), m/s."""
    ang_vel: np.ndarray
    """Angular velocity in the base frame, shape (3,), rad/s."""
    contacts: np.ndarray
    """Contact probability of each foot, shape (F,), 0 to 1."""
    lin_vel_cov: np.ndarray
    """Covariance of ``lin_vel``, shape (3, 3)."""


def projected_gravity(quat: np.ndarray) -> np.ndarray:
    """Direction of gravity in the base frame, unit vector; (0, 0, -1) when level.

    ``quat`` is (w, x, y, z), shape (4,) or (N, 4); the result has shape (3,) or (N, 3).
    """
    w, x, y, z = np.moveaxis(np.asarray(quat), -1, 0)
    return np.stack((2 * (w * y - x * z), -2 * (y * z + w * x), 2 * (x * x + y * y) - 1), axis=-1)


def tilt(quat: np.ndarray) -> float:
    """Angle between the base's z axis and the vertical, rad, 0 to pi."""
    return float(np.arccos(np.clip(-projected_gravity(quat)[..., 2], -1.0, 1.0)))


def yaw_of(quat: np.ndarray) -> float:
    """Heading of the base, rad, from its orientation (w, x, y, z)."""
    w, x, y, z = quat
    return float(np.arctan2(2 * (w * z + x * y), 1 - 2 * (y * y + z * z)))
