"""What messages say, as the library's plain types.

A message is whatever has the fields of its type: one that a subscription hands over, or one that
was read from a record.
"""

from typing import Any

import numpy as np

from ros2_rl.robots import NS_PER_S, BaseEstimate, ImuReading, JointCommand, RobotState

LEVEL = ImuReading(np.array((1.0, 0.0, 0.0, 0.0)), np.zeros(3), np.array((0.0, 0.0, 9.81)))
"""A base that is level and at rest."""


def to_ns(stamp: Any) -> int:
    """A builtin_interfaces/Time in nanoseconds."""
    return stamp.sec * NS_PER_S + stamp.nanosec


def status_values(msg: Any) -> dict[str, str]:
    """The key-value pairs of a diagnostic_msgs/DiagnosticStatus."""
    return {pair.key: pair.value for pair in msg.values}


def base_estimate(odom: Any, contacts: np.ndarray) -> BaseEstimate:
    """The estimate out of a nav_msgs/Odometry and the contact probabilities, (F,)."""
    place, turn = odom.pose.pose.position, odom.pose.pose.orientation
    speed, rate = odom.twist.twist.linear, odom.twist.twist.angular
    return BaseEstimate(
        stamp_ns=to_ns(odom.header.stamp),
        position=np.array((place.x, place.y, place.z)),
        quat=np.array((turn.w, turn.x, turn.y, turn.z)),
        lin_vel=np.array((speed.x, speed.y, speed.z)),
        ang_vel=np.array((rate.x, rate.y, rate.z)),
        contacts=contacts,
        lin_vel_cov=np.asarray(odom.twist.covariance).reshape(6, 6)[:3, :3],
    )


def imu_reading(imu: Any) -> ImuReading:
    """What a sensor_msgs/Imu says."""
    turn, rate, force = imu.orientation, imu.angular_velocity, imu.linear_acceleration
    return ImuReading(
        np.array((turn.w, turn.x, turn.y, turn.z)),
        np.array((rate.x, rate.y, rate.z)),
        np.array((force.x, force.y, force.z)),
    )


class JointOrder:
    """Maps the arrays of a JointState, by name, into robot order.

    The map is worked out once for each distinct list of names.
    """

    def __init__(self, joints: tuple[str, ...]):
        self._joints = joints
        self._maps: dict[tuple[str, ...], list[int] | None] = {tuple(joints): None}

    def index(self, names: list[str]) -> list[int] | None:
        """Indices that sort ``names`` into robot order; None when they are in it already.

        Raises:
            ValueError: a joint of the robot is missing.
        """
        key = tuple(names)
        if key not in self._maps:
            missing = [name for name in self._joints if name not in key]
            if missing:
                raise ValueError(f"joint message lacks {', '.join(missing)}")
            self._maps[key] = [key.index(name) for name in self._joints]
        return self._maps[key]

    def sort(self, names: list[str], values) -> np.ndarray:
        """``values`` as an array in robot order; zeros when the message left them out.

        Raises:
            ValueError: a joint of the robot is missing, or there are not as many values as names.
        """
        array = np.asarray(values, dtype=float)
        index = self.index(names)
        if array.size == 0:
            return np.zeros(len(self._joints))
        if array.size != len(names):
            raise ValueError(f"joint message has {len(names)} names and {array.size} values")
        return array if index is None else array[index]

    def command(self, msg: Any) -> JointCommand:
        return JointCommand(
            to_ns(msg.header.stamp),
            self.sort(msg.name, msg.position),
            self.sort(msg.name, msg.velocity),
            self.sort(msg.name, msg.effort),
            msg.header.frame_id,
        )

    def state(self, msg: Any, imu: ImuReading = LEVEL) -> RobotState:
        """The robot's state at the stamp of ``msg``; without an IMU its base is level and at rest.

        Raises:
            ValueError: as :meth:`sort`.
        """
        return RobotState(
            stamp_ns=to_ns(msg.header.stamp),
            q=self.sort(msg.name, msg.position),
            dq=self.sort(msg.name, msg.velocity),
            tau=self.sort(msg.name, msg.effort),
            quat=imu.quat,
            gyro=imu.gyro,
            accel=imu.accel,
        )


class FootOrder:
    """Maps the forces of a ``foot_forces`` message, by the labels of its dimensions, into robot order."""

    def __init__(self, feet: tuple[str, ...]):
        self._feet = feet
        self._maps: dict[tuple[str, ...], list[int] | None] = {}

    def missing(self, labels: tuple[str, ...]) -> list[str]:
        """Feet of the robot that are not named."""
        return [foot for foot in self._feet if foot not in labels]

    def sort(self, labels: tuple[str, ...], data: Any) -> np.ndarray:
        """Forces in robot order, (F,), N; empty when a foot is missing."""
        if labels not in self._maps:
            known = not self.missing(labels)
            self._maps[labels] = [labels.index(foot) for foot in self._feet] if known else None
        order, force = self._maps[labels], np.asarray(data, dtype=float)
        return np.zeros(0) if order is None or max(order) >= force.size else force[order]


def foot_labels(msg: Any) -> tuple[str, ...]:
    """Names of a multi-array's dimensions."""
    return tuple(dim.label for dim in msg.layout.dim)
