"""Between ROS messages and the library's plain types."""

from builtin_interfaces.msg import Time
from diagnostic_msgs.msg import DiagnosticStatus, KeyValue
from rclpy.qos import DurabilityPolicy, HistoryPolicy, QoSProfile, ReliabilityPolicy
from rclpy.serialization import deserialize_message
from sensor_msgs.msg import JointState

from ros2_rl.joint_reader import JointReader
from ros2_rl.messages import JointOrder, status_values, to_ns
from ros2_rl.robots import NS_PER_S, JointCommand

__all__ = [
    "JointOrder",
    "command_msg",
    "joint_reader",
    "reliable",
    "status_msg",
    "status_values",
    "to_ns",
    "to_time",
]


def reliable(depth: int, latched: bool = False) -> QoSProfile:
    """Reliable QoS of a given depth; ``latched`` keeps the last messages for late joiners."""
    return QoSProfile(
        history=HistoryPolicy.KEEP_LAST,
        depth=depth,
        reliability=ReliabilityPolicy.RELIABLE,
        durability=DurabilityPolicy.TRANSIENT_LOCAL if latched else DurabilityPolicy.VOLATILE,
    )


def joint_reader(joints: tuple[str, ...]) -> JointReader:
    """Reads serialised JointStates of a robot."""
    return JointReader(joints, lambda raw: deserialize_message(raw, JointState))


def to_time(stamp_ns: int) -> Time:
    sec, nanosec = divmod(stamp_ns, NS_PER_S)
    return Time(sec=sec, nanosec=nanosec)


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
