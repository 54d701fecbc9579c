"""Reward terms of locomotion, each a function of one control step's outcome.

All arrays are batched (N, ...), SI units, base frame. A term uses only what the robot measures
or estimates, so that the same function rewards in simulation and on the robot.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

BASE_HEIGHT = 0.28
"""Height of the base above the ground that ``base_height`` asks for, m."""
_STANCE = np.array([1.0, -1.0, -1.0, 1.0])
"""Sign of the clock's sine in which FL, FR, RL, RR are in stance."""


@dataclass(slots=True)
class StepData:
    """What one control step did: the action and the state after it."""

    command: np.ndarray
    """Velocity command that the step followed, (N, 3)."""
    clock: np.ndarray
    """Gait clock after the step, (N, 2)."""
    lin_vel: np.ndarray
    """Base velocity, (N, 3)."""
    ang_vel: np.ndarray
    """Angular velocity, (N, 3)."""
    gravity: np.ndarray
    """Projected gravity, (N, 3)."""
    height: np.ndarray
    """Base height above ground, (N,)."""
    contacts: np.ndarray
    """Contact probability of each foot, (N, F)."""
    q_offset: np.ndarray
    """Joint positions relative to the default pose, (N, J)."""
    tau: np.ndarray
    """Joint torques, (N, J)."""
    action: np.ndarray
    """Raw action, (N, J)."""
    last_action: np.ndarray
    """Raw action of the step before, (N, J)."""


def track_lin_vel(s: StepData) -> np.ndarray:
    return np.exp(-np.sum((s.lin_vel[:, :2] - s.command[:, :2]) ** 2, axis=1) / 0.125)


def track_ang_vel(s: StepData) -> np.ndarray:
    return np.exp(-((s.ang_vel[:, 2] - s.command[:, 2]) ** 2) / 0.25)


def gait(s: StepData) -> np.ndarray:
    """1 when every foot is on the ground just when the clock says so."""
    wanted = s.clock[:, :1] * _STANCE
    stance = np.clip(0.5 + 2.0 * wanted, 0.0, 1.0)  # soft near the switch
    stance[~np.any(s.clock, axis=1)] = 1.0  # clock (0, 0): stand on all feet
    return 1.0 - np.mean(np.abs(stance - s.contacts), axis=1)


def lin_vel_z(s: StepData) -> np.ndarray:
    return s.lin_vel[:, 2] ** 2


def ang_vel_xy(s: StepData) -> np.ndarray:
    return np.sum(s.ang_vel[:, :2] ** 2, axis=1)


def flat_orientation(s: StepData) -> np.ndarray:
    return np.sum(s.gravity[:, :2] ** 2, axis=1)


def base_height(s: StepData) -> np.ndarray:
    return (s.height - BASE_HEIGHT) ** 2


def torques(s: StepData) -> np.ndarray:
    return np.sum(s.tau**2, axis=1)


def action_rate(s: StepData) -> np.ndarray:
    return np.sum((s.action - s.last_action) ** 2, axis=1)


def joint_pose(s: StepData) -> np.ndarray:
    return np.sum(s.q_offset**2, axis=1)


TERMS: dict[str, Callable[[StepData], np.ndarray]] = {
    f.__name__: f
    for f in (
        track_lin_vel,
        track_ang_vel,
        gait,
        lin_vel_z,
        ang_vel_xy,
        flat_orientation,
        base_height,
        torques,
        action_rate,
        joint_pose,
    )
}
