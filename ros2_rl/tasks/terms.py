"""Reward terms of locomotion, each a function of one control step's outcome.

All arrays are batched (N, ...), SI units, base frame. A term uses only what the robot measures
or estimates, so that the same function rewards in simulation and on the robot.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

BASE_HEIGHT = 0.28
"""Height of the base above the ground that ``base_height`` asks for, m."""
CROUCH_HEIGHT = 0.20
"""The same for ``crouch``, m."""
REACH = 0.45
"""Time in which a jump at the speed of its flight gets from mark to mark, s."""
_STANCE = np.array([1.0, -1.0, -1.0, 1.0])
"""Sign of the clock's sine in which FL, FR, RL, RR are in stance."""


@dataclass(slots=True)
class StepData:
    """What one control step did: the action and the state after it."""

    command: np.ndarray
    """Velocity command that the step followed, (N, 3)."""
    clock: np.ndarray
    """Clock after the step, (N, 2) of a gait or (N, 3) of a jump, see ``Clock.at``."""
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
    moved: np.ndarray = field(default_factory=lambda: np.zeros((1, 3)))
    """How far the base came since the cycle began: x, y (m) and yaw (rad) in its frame of then, (N, 3)."""
    mark: np.ndarray = field(default_factory=lambda: np.zeros((1, 3)))
    """Where it is to be at the end of the cycle, in the same frame, (N, 3)."""


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


def contact_plan(s: StepData) -> np.ndarray:
    """1 when every foot is on the ground just when the plan of the jump says so."""
    return 1.0 - np.mean(np.abs(s.clock[:, 2:3] - s.contacts), axis=1)


def airborne(s: StepData) -> np.ndarray:
    """1 when no foot touches the ground while the plan of the jump has the robot fly."""
    return (1.0 - s.clock[:, 2]) * np.prod(1.0 - s.contacts, axis=1)


def crouch(s: StepData) -> np.ndarray:
    return np.exp(-(((s.height - CROUCH_HEIGHT) / 0.05) ** 2))


def rise(s: StepData) -> np.ndarray:
    """Upward speed."""
    return np.clip(-np.sum(s.lin_vel * s.gravity, axis=1), 0.0, 1.0)


def lift(s: StepData) -> np.ndarray:
    return np.clip(s.height - BASE_HEIGHT, 0.0, 0.1)


def on_mark(s: StepData) -> np.ndarray:
    return np.exp(-np.linalg.norm((s.moved - s.mark)[:, :2], axis=1) / 0.2)


def on_heading(s: StepData) -> np.ndarray:
    return np.exp(-np.abs((s.moved - s.mark)[:, 2]) / 0.3)


def to_mark(s: StepData) -> np.ndarray:
    """1 at the horizontal velocity that leads from mark to mark, whatever the base has turned meanwhile."""
    cos, sin = np.cos(s.moved[:, 2]), np.sin(s.moved[:, 2])
    x, y = s.mark[:, 0] / REACH, s.mark[:, 1] / REACH
    wanted = np.column_stack((cos * x + sin * y, cos * y - sin * x))
    return np.exp(-np.sum((s.lin_vel[:, :2] - wanted) ** 2, axis=1) / 0.1)


def to_heading(s: StepData) -> np.ndarray:
    return np.exp(-((s.ang_vel - s.mark / REACH)[:, 2] ** 2) / 0.5)


def off_mark(s: StepData) -> np.ndarray:
    return np.linalg.norm((s.moved - s.mark)[:, :2], axis=1)


def off_heading(s: StepData) -> np.ndarray:
    return np.abs((s.moved - s.mark)[:, 2])


def still(s: StepData) -> np.ndarray:
    return np.exp(-np.sum(s.lin_vel**2, axis=1) / 0.1 - np.sum(s.ang_vel**2, axis=1))


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
        contact_plan,
        airborne,
        crouch,
        rise,
        lift,
        on_mark,
        on_heading,
        to_mark,
        to_heading,
        off_mark,
        off_heading,
        still,
    )
}
UNITS = {
    "lin_vel_z": "m^2/s^2",
    "ang_vel_xy": "rad^2/s^2",
    "base_height": "m^2",
    "torques": "N^2 m^2",
    "joint_pose": "rad^2",
    "rise": "m/s",
    "lift": "m",
    "off_mark": "m",
    "off_heading": "rad",
}
"""Unit of each term that has one; the others are numbers."""
