"""What guards look at: a state, what follows from it, and what the supervisor has heard beside states.

What costs time is worked out once a control step (:class:`Tick`), not at every state.
"""

import math
from dataclasses import dataclass, field

import numpy as np

from ros2_rl.estimation.kinematics import FootKinematics
from ros2_rl.estimation.rotation import rotation_matrix
from ros2_rl.manipulation.contact import ContactObserver
from ros2_rl.robots import NS_PER_S, BaseEstimate, JointCommand, RobotDescription, RobotState

_STANDS = 0.8
"""Contact probability from which on a foot counts as standing."""
_FRESH_NS = 30_000_000
"""An older estimate does not say which feet stand now; as a rule it is that of the control step before."""


@dataclass(slots=True)
class Senses:
    """The newest of each thing that is heard now and then; None or -1 until it has come once."""

    estimate: BaseEstimate | None = None
    temperatures: np.ndarray | None = None
    """Of the joints' motors, (J,), deg C."""
    battery_share: float | None = None
    """Charge of the battery, 0 to 1."""
    battery_v: float | None = None
    command_ns: int = -1
    """Stamp of the state before which the last velocity command came."""
    adapter: int = -1
    """Version of the adapter that acts; 0 is the base policy."""
    contacts_ns: int = -1
    """Stamp of the newest contact probabilities."""


@dataclass(slots=True)
class Tick:
    """A control step in the supervisor's eyes."""

    dt_s: float
    """Time since the one before, s; 0 at the first."""
    gyro: np.ndarray
    """Mean angular velocity since the one before, (3,), rad/s, base frame."""
    accel: np.ndarray
    """Mean specific force since the one before, (3,), m/s², base frame."""
    rotation: np.ndarray
    """Base to world, (3, 3), by the IMU's orientation."""
    height: float
    """Of the base above its lowest foot's sole, m; on flat ground never less. Infinite without feet."""
    leg_velocity: np.ndarray | None
    """Velocity of the base by the standing legs alone, (3,), m/s, base frame; None without any."""
    target_q: np.ndarray | None
    """Newest joint targets of the policy, (J,), rad."""
    target_ns: int
    """Their stamp; -1 when there are none."""


@dataclass(frozen=True, slots=True)
class ToolSense:
    """Where the tool is and what touches it, by the joints alone; frame of the base."""

    position: np.ndarray
    """(3,), m."""
    force: np.ndarray
    """Estimated force on it, (3,), N."""
    lowest: float
    """Height of the lowest joint beyond the shoulder, m."""


@dataclass(slots=True)
class Sample:
    """A valid state and what follows from it."""

    state: RobotState
    tilt: float
    """Angle between the base's z axis and the vertical, rad."""
    tilt_rate: float
    """Its time derivative, rad/s."""
    target_age_s: float
    """Age of the newest usable target, s; infinite when there is none."""
    acts: bool = False
    """Whether the joints follow commands, that is are not merely damped."""
    stands: bool = False
    """Whether the robot is meant to be on its feet."""
    policy: bool = False
    """Whether the policy acts."""
    sent: JointCommand | None = None
    """The command before this state; None before the first."""
    tick: Tick | None = None
    """None between two control steps."""
    senses: Senses = field(default_factory=Senses)
    overrides: int = 0
    """How often recovery has taken the robot from the policy."""
    falls: int = 0
    tool: ToolSense | None = None
    """What the tool feels; None for a robot without one."""


class TickMaker:
    """Gathers states and makes a :class:`Tick` of them once a control step."""

    def __init__(self, robot: RobotDescription):
        self._kinematics = FootKinematics(robot) if robot.feet else None
        self._touch = ContactObserver(robot) if robot.tool else None
        self._radius = robot.foot_radius
        self.reset()

    def reset(self) -> None:
        self._gyro, self._accel, self._count = np.zeros(3), np.zeros(3), 0
        self._last_ns = -1

    def gather(self, state: RobotState) -> ToolSense | None:
        """Take a state; what the robot's tool feels, if it has one."""
        self._gyro += state.gyro
        self._accel += state.accel
        self._count += 1
        if self._touch is None:
            return None
        self._touch.update(state)
        return ToolSense(self._touch.position, self._touch.force, self._touch.lowest)

    def make(self, state: RobotState, senses: Senses, target: JointCommand | None) -> Tick:
        """The tick of the state that was gathered last."""
        dt_s = (state.stamp_ns - self._last_ns) / NS_PER_S if self._last_ns >= 0 else 0.0
        rotation = rotation_matrix(state.quat)
        height = math.inf
        if self._kinematics is not None:
            self._kinematics.update(state.q)
            height = self._radius - float((self._kinematics.positions @ rotation[2]).min())
        tick = Tick(
            dt_s,
            self._gyro / self._count,
            self._accel / self._count,
            rotation,
            height,
            self._leg_velocity(state, senses.estimate),
            None if target is None else target.q,
            -1 if target is None else target.stamp_ns,
        )
        self.reset()
        self._last_ns = state.stamp_ns
        return tick

    def _leg_velocity(self, state: RobotState, estimate: BaseEstimate | None) -> np.ndarray | None:
        """Mean over the standing feet of v = -(J dq + w x p), the velocity of a resting foot's base."""
        if estimate is None or self._kinematics is None:
            return None
        if state.stamp_ns - estimate.stamp_ns > _FRESH_NS:
            return None
        standing = estimate.contacts > _STANDS
        if not standing.any():
            return None
        points = self._kinematics.positions
        moving = self._kinematics.jacobians(points) @ state.dq + np.cross(state.gyro, points)
        return -moving[standing].mean(axis=0)


def attitude(quat: np.ndarray, gyro: np.ndarray) -> tuple[float, float]:
    """Tilt (rad) and tilt rate (rad/s) from orientation (w, x, y, z) and angular velocity.

    With g the direction of gravity in the base frame, cos(tilt) = -g_z and dg/dt = -w x g, hence
    d(tilt)/dt = (w_y g_x - w_x g_y) / |g_xy|. Level, every rotation about x or y raises the tilt.
    """
    w, x, y, z = quat.tolist()
    wx, wy, _ = gyro.tolist()
    gx, gy = 2 * (w * y - x * z), -2 * (y * z + w * x)
    level = math.hypot(gx, gy)
    angle = math.atan2(level, 1 - 2 * (x * x + y * y))
    return angle, (wy * gx - wx * gy) / level if level > 1e-6 else math.hypot(wx, wy)
