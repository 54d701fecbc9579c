"""What is recorded: the graph's topics as ``docs/architecture.md`` lists them, and how to ask for them.

The listed topics are subscribed to before robot time begins, so that nothing is missed; whatever
else turns up in the graph is recorded from then on.
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Topic:
    """A topic and the QoS with which it is subscribed to."""

    name: str
    type: str
    """As in ``sensor_msgs/msg/JointState``."""
    reliable: bool = True
    latched: bool = False
    """Transient local: the last messages come to late joiners as well."""


_FLOATS, _STATUS = "std_msgs/msg/Float32MultiArray", "diagnostic_msgs/msg/DiagnosticStatus"
TOPICS = (
    Topic("joint_states", "sensor_msgs/msg/JointState", reliable=False),
    Topic("imu/data", "sensor_msgs/msg/Imu", reliable=False),
    Topic("foot_forces", _FLOATS, reliable=False),
    Topic("joint_commands", "sensor_msgs/msg/JointState"),
    Topic("odom", "nav_msgs/msg/Odometry", reliable=False),
    Topic("contacts", _FLOATS, reliable=False),
    Topic("cmd_vel", "geometry_msgs/msg/TwistStamped"),
    Topic("policy/targets", "sensor_msgs/msg/JointState"),
    Topic("policy/step", _FLOATS),
    Topic("policy/adapter", "std_msgs/msg/UInt8MultiArray", latched=True),
    Topic("policy/active", _STATUS, latched=True),
    Topic("supervisor/state", _STATUS, latched=True),
    Topic("learner/phase", _STATUS, latched=True),
    Topic("learner/report", _STATUS, latched=True),
    Topic("diagnostics", "diagnostic_msgs/msg/DiagnosticArray"),
    Topic("ground_truth/odom", "nav_msgs/msg/Odometry", reliable=False),
    Topic("battery_state", "sensor_msgs/msg/BatteryState"),
    Topic("/clock", "rosgraph_msgs/msg/Clock"),
    Topic("/rosout", "rcl_interfaces/msg/Log", latched=True),
    Topic("/parameter_events", "rcl_interfaces/msg/ParameterEvent"),
)
"""Topics of a robot with legs; relative names are those of the robot's namespace."""
_OF_LEGS = {
    "imu/data", "foot_forces", "odom", "contacts", "cmd_vel", "learner/phase", "ground_truth/odom",
    "battery_state",
}  # fmt: skip
_POSE = "geometry_msgs/msg/PoseStamped"
ARM_TOPICS = (
    *(topic for topic in TOPICS if topic.name not in _OF_LEGS),
    Topic("scene/goal", _POSE, reliable=False),
    Topic("scene/object", _POSE, reliable=False),
    Topic("ground_truth/tool", _POSE, reliable=False),
    Topic("task/episode", _STATUS, latched=True),
    Topic("teleop/cmd_vel", "geometry_msgs/msg/TwistStamped"),
    Topic("joint_temperatures", _FLOATS),
)
"""Topics of an arm, likewise."""
TIMED = ("joint_states", "imu/data", "foot_forces")
"""Topics whose stamps are the robot's time."""
SHARED = ("/clock", "/rosout", "/parameter_events", "/tf", "/tf_static")
"""Topics that belong to no robot and are recorded with each."""


def resolve(name: str, namespace: str) -> str:
    """Full name of a topic; ``namespace`` is empty or as in ``/robot1``."""
    return name if name.startswith("/") else f"{namespace.rstrip('/')}/{name}"


def is_wanted(name: str, namespace: str) -> bool:
    """Whether a topic of the graph is recorded: those of this robot and the shared ones."""
    return name in SHARED or name.startswith(f"{namespace.rstrip('/')}/")


def fitting(topic: Topic, offers: Iterable[tuple[bool, bool]]) -> Topic:
    """The topic with a QoS that every writer can serve.

    ``offers``: (reliable, latched) of each writer; without one the topic stays as it is.
    """
    known: Collection[tuple[bool, bool]] = tuple(offers)
    if not known:
        return topic
    reliable = topic.reliable and all(offer[0] for offer in known)
    return Topic(topic.name, topic.type, reliable, topic.latched and all(offer[1] for offer in known))
