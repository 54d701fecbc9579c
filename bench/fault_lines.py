"""Topics on their way, for bench/faults.py: what a fault can do to the messages of one.

A line stands between a publisher and its topic. Without a fault it passes messages on as they are; with one
it drops, delays, repeats or alters them.
"""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from geometry_msgs.msg import TwistStamped
from nav_msgs.msg import Odometry
from rclpy.node import Node
from rclpy.publisher import Publisher
from rclpy.qos import QoSProfile
from rclpy.serialization import deserialize_message, serialize_message
from sensor_msgs.msg import Imu, JointState
from std_msgs.msg import Float32MultiArray

from ros2_rl.cdr import header_stamp

Alter = Callable[[Any, np.random.Generator], None]


@dataclass(frozen=True)
class TopicFault:
    """What becomes of each message."""

    copies: int = 1
    """How often it is sent; 0: never."""
    delay_s: float = 0.0
    """Robot time by which it is late, s."""
    alter: Alter | None = None
    """Changes it in place."""


SOUND = TopicFault()


class Line:
    """One topic on its way.

    Args:
        msg_type: of the messages.
        send: passes a serialised message on.
        clock: robot time, s.
    """

    def __init__(self, msg_type: type, send: Callable[[bytes], None], clock: Callable[[], float]):
        self._type, self._send, self._clock = msg_type, send, clock
        self._held: deque[tuple[float, bytes]] = deque()
        self._rng = np.random.default_rng(0)
        self.fault = SOUND
        self.newest_ns = -1
        """Stamp of the newest message that was carried, where it begins with a header."""

    def spoil(self, fault: TopicFault, seed: int = 0) -> None:
        self.fault, self._rng = fault, np.random.default_rng(seed)

    def mend(self) -> None:
        """Pass everything on again; what is still under way is lost."""
        self.fault = SOUND
        self._held.clear()

    def carry(self, raw: bytes) -> None:
        """Take a message."""
        fault = self.fault
        if self._type in (Odometry, JointState, TwistStamped):
            self.newest_ns = header_stamp(raw)
        if fault.alter is not None:
            msg = deserialize_message(raw, self._type)
            fault.alter(msg, self._rng)
            raw = serialize_message(msg)
        for _ in range(fault.copies):
            if fault.delay_s:
                self._held.append((self._clock() + fault.delay_s, raw))
            else:
                self._send(raw)

    def pump(self) -> None:
        """Send what was late and is due now."""
        while self._held and self._held[0][0] <= self._clock():
            self._send(self._held.popleft()[1])


class SpoiltPublisher:
    """A publisher whose messages go through a line; all else is the publisher's."""

    def __init__(self, publisher: Publisher, msg_type: type, clock: Callable[[], float]):
        self._publisher = publisher
        self.line = Line(msg_type, publisher.publish, clock)

    def publish(self, msg: Any) -> None:
        if self.line.fault is SOUND:
            self._publisher.publish(msg)
        else:
            self.line.carry(serialize_message(msg))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._publisher, name)


def relay(node: Node, msg_type: type, topic: str, qos: QoSProfile, clock: Callable[[], float]) -> Line:
    """Carries ``raw/<topic>`` to ``<topic>``; whoever writes the former is to have it remapped."""
    publisher = node.create_publisher(msg_type, topic, qos)
    line = Line(msg_type, publisher.publish, clock)
    node.create_subscription(msg_type, f"raw/{topic}", line.carry, qos, raw=True)
    return line


def _numbers(msg: Any) -> list[tuple[Any, str]]:
    """The numbers of a message by which somebody goes: owner and field."""
    if isinstance(msg, JointState):
        return [(msg, "position"), (msg, "velocity")]
    if isinstance(msg, Float32MultiArray):
        return [(msg, "data")]
    if isinstance(msg, Imu):
        parts: tuple[Any, ...] = (msg.orientation, msg.angular_velocity, msg.linear_acceleration)
    elif isinstance(msg, Odometry):
        parts = (msg.pose.pose.position, msg.twist.twist.linear)
    else:
        assert isinstance(msg, TwistStamped)
        parts = (msg.twist.linear, msg.twist.angular)
    return [(part, name) for part in parts for name in ("x", "y", "z")]


def _write(msg: Any, value: Callable[[], float]) -> None:
    for owner, name in _numbers(msg):
        held = getattr(owner, name)
        setattr(owner, name, value() if isinstance(held, float) else [value() for _ in held])


def not_a_number(msg: Any, rng: np.random.Generator) -> None:
    _write(msg, lambda: float("nan"))


def garbage(msg: Any, rng: np.random.Generator) -> None:
    """Numbers that only a broken memory holds."""
    _write(msg, lambda: float(rng.normal() * 10.0 ** rng.uniform(2, 8)))


def cut(msg: Any, rng: np.random.Generator) -> None:
    """Half of the values are missing."""
    for field in ("position", "velocity", "effort", "data"):
        if hasattr(msg, field):
            held = list(getattr(msg, field))
            setattr(msg, field, held[: len(held) // 2])


def misnamed(msg: JointState, rng: np.random.Generator) -> None:
    msg.name = [f"arm_{name}" for name in msg.name]


def from_the_future(msg: Any, rng: np.random.Generator) -> None:
    msg.header.stamp.sec += 10
