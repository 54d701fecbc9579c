"""Records for tests: a few seconds of a robot, written without a graph."""

from pathlib import Path

import numpy as np
from diagnostic_msgs.msg import DiagnosticStatus
from rclpy.serialization import serialize_message
from sensor_msgs.msg import Imu, JointState
from std_msgs.msg import Float32MultiArray, MultiArrayDimension

from ros2_rl.nodes.conversions import status_msg, to_time
from ros2_rl.recording.stream import as_topics
from ros2_rl.recording.topics import TOPICS
from ros2_rl.recording.writer import BagWriter, Message

WALL_NS = 1_700_000_000_000_000_000
STATE_NS = 10_000_000
JOINTS = [f"joint{i}" for i in range(12)]


def joints(stamp_ns: int, seed: int = 0) -> bytes:
    """A serialised state of the joints."""
    rng = np.random.default_rng([seed, stamp_ns])
    msg = JointState(
        name=JOINTS,
        position=rng.normal(size=12).tolist(),
        velocity=rng.normal(size=12).tolist(),
        effort=rng.normal(size=12).tolist(),
    )
    msg.header.stamp = to_time(stamp_ns)
    return serialize_message(msg)


def imu(stamp_ns: int) -> bytes:
    msg = Imu()
    msg.header.stamp = to_time(stamp_ns)
    return serialize_message(msg)


def feet(stamp_ns: int) -> bytes:
    msg = Float32MultiArray(data=[1.0, 2.0, 3.0, 4.0])
    sec, nanosec = divmod(stamp_ns, 1_000_000_000)
    msg.layout.dim = [MultiArrayDimension(label=foot, size=1) for foot in ("FL", "FR", "RL", "RR")]
    msg.layout.dim += [
        MultiArrayDimension(label="sec", size=sec),
        MultiArrayDimension(label="nanosec", size=nanosec),
    ]
    return serialize_message(msg)


def supervisor(mode: str, stamp_ns: int, **values: object) -> bytes:
    known = {"reason": "test", "actor": "policy", "stamp_ns": stamp_ns, "falls": 0, "overrides": 0}
    return serialize_message(status_msg("supervisor", mode, DiagnosticStatus.OK, **(known | values)))


def open_writer(folder: Path, namespace: str = "") -> BagWriter:
    """A writer that knows all topics of the architecture."""
    writer = BagWriter(folder)
    for topic in as_topics(TOPICS, namespace).values():
        writer.add_topic(topic)
    return writer


def states(count: int, start: int = 0) -> list[Message]:
    """Messages of ``count`` states, as the stream hands them on."""
    messages = []
    for index in range(start, start + count):
        stamp = index * STATE_NS
        for offset, (name, data) in enumerate(
            (("/imu/data", imu(stamp)), ("/foot_forces", feet(stamp)), ("/joint_states", joints(stamp)))
        ):
            messages.append(Message(name, stamp, WALL_NS + stamp + offset, data, index + 1))
    return messages


def write_bag(folder: Path, flushes: int = 5, each: int = 20, close: bool = True) -> list[Message]:
    """A record of several chunks; what was written."""
    writer = open_writer(folder)
    writer.note("ros2_rl", {"namespace": "", "seed": "1"})
    writer.attach("policy.onnx", "application/octet-stream", bytes(100))
    written = []
    for flush in range(flushes):
        messages = states(each, flush * each)
        for message in messages:
            writer.write(message)
        writer.flush()
        written += messages
    if close:
        writer.close()
    return written
