"""Between ROS messages and the library's plain types."""

import numpy as np
from builtin_interfaces.msg import Time
from diagnostic_msgs.msg import DiagnosticStatus, KeyValue
from rclpy.qos import DurabilityPolicy, HistoryPolicy, QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import Imu, JointState

from ros2_rl.robots import NS_PER_S, JointCommand, RobotState


def reliable(depth: int, latched: bool = False) -> QoSProfile:
    """Reliable QoS of a given depth; ``latched`` keeps the last messages for late joiners."""
    return QoSProfile(
        history=HistoryPolicy.KEEP_LAST,
        depth=depth,
        reliability=ReliabilityPolicy.RELIABLE,
        durability=DurabilityPolicy.TRANSIENT_LOCAL if latched else DurabilityPolicy.VOLATILE,
    )


def to_ns(stamp: Time) -> int:
    return stamp.sec * NS_PER_S + stamp.nanosec


def to_time(stamp_ns: int) -> Time:
    sec, nanosec = divmod(stamp_ns, NS_PER_S)
    return Time(sec=sec, nanosec=nanosec)


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

    def command(self, msg: JointState) -> JointCommand:
        return JointCommand(
            to_ns(msg.header.stamp),
            self.sort(msg.name, msg.position),
            self.sort(msg.name, msg.velocity),
            self.sort(msg.name, msg.effort),
            msg.header.frame_id,
        )

    def state(self, msg: JointState, imu: Imu) -> RobotState:
        """The robot's state at the stamp of ``msg``.

        Raises:
            ValueError: as :meth:`sort`.
        """
        turn, rate, force = imu.orientation, imu.angular_velocity, imu.linear_acceleration
        return RobotState(
            stamp_ns=to_ns(msg.header.stamp),
            q=self.sort(msg.name, msg.position),
            dq=self.sort(msg.name, msg.velocity),
            tau=self.sort(msg.name, msg.effort),
            quat=np.array((turn.w, turn.x, turn.y, turn.z)),
            gyro=np.array((rate.x, rate.y, rate.z)),
            accel=np.array((force.x, force.y, force.z)),
        )


def command_msg(command: JointCommand, joints: list[str]) -> JointState:
    msg = JointState()
    msg.header.stamp = to_time(command.stamp_ns)
    msg.header.frame_id = command.gains
    msg.name = joints
    msg.position = command.q.tolist()
    msg.velocity = command.dq.tolist()
    msg.effort = command.tau.tolist()
    return msg


def status_msg(name: str, message: str, level: bytes = DiagnosticStatus.OK, **values) -> DiagnosticStatus:
    """A DiagnosticStatus with ``values`` as its key-value pairs."""
    pairs = [KeyValue(key=key, value=str(value)) for key, value in values.items()]
    return DiagnosticStatus(name=name, message=message, level=level, values=pairs)


def status_values(msg: DiagnosticStatus) -> dict[str, str]:
    return {pair.key: pair.value for pair in msg.values}
