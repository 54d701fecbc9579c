"""Records for tests: a few seconds of a robot, written without a graph."""

from pathlib import Path
from typing import Any

import numpy as np
from diagnostic_msgs.msg import DiagnosticStatus
from geometry_msgs.msg import TwistStamped
from nav_msgs.msg import Odometry
from rclpy.serialization import serialize_message
from sensor_msgs.msg import Imu, JointState
from std_msgs.msg import Float32MultiArray, MultiArrayDimension

from ros2_rl.estimation import Estimator
from ros2_rl.nodes.conversions import command_msg, status_msg, to_time
from ros2_rl.policy.runtime import PolicyRuntime
from ros2_rl.policy.step import pack
from ros2_rl.recording.about import Description
from ros2_rl.recording.stream import as_topics
from ros2_rl.recording.topics import TOPICS
from ros2_rl.recording.writer import BagWriter, Message
from ros2_rl.robots import BaseEstimate, RobotState
from ros2_rl.sim.loop import Robot
from ros2_rl.sim.perturbations import load_gap
from ros2_rl.tasks import load_task

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
    return serialize_message(_array([1.0, 2.0, 3.0, 4.0], ("FL", "FR", "RL", "RR"), stamp_ns))


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


class Walk:
    """A simulated robot that trots, recorded: the messages that its nodes would have sent."""

    def __init__(self, folder: Path, steps: int, seed: int = 3):
        task = load_task("trot")
        machine = Robot(task, task.policy_path, seed, load_gap("none"))
        self.robot, self.policy = machine.robot, task.policy_path
        self.estimator = Estimator(self.robot)
        self.runtime = PolicyRuntime(task.policy_path, self.robot, seed, task)
        self.sent: list[tuple[str, bytes, int]] = []
        self._command = np.zeros(3)
        update = machine.estimator.update
        machine.estimator.update = lambda state: self._on_state(state) or update(state)  # type: ignore
        self._say_mode("POLICY", 0)
        for _ in range(steps):
            machine.step()
        self._write(folder, seed)

    def _on_state(self, state: RobotState) -> None:
        names, feet = list(self.robot.joints), [float(np.float32(f)) for f in state.foot_force]
        measured = JointState(name=names, position=state.q, velocity=state.dq, effort=state.tau)
        measured.header.stamp = to_time(state.stamp_ns)
        turned = Imu()
        turned.header.stamp = to_time(state.stamp_ns)
        turn = turned.orientation
        turn.w, turn.x, turn.y, turn.z = state.quat.tolist()
        for vector, values in (
            (turned.angular_velocity, state.gyro),
            (turned.linear_acceleration, state.accel),
        ):
            vector.x, vector.y, vector.z = values.tolist()
        self._send("/imu/data", turned, state.stamp_ns)
        self._send("/foot_forces", _array(feet, self.robot.feet, state.stamp_ns), state.stamp_ns)
        self._send("/joint_states", measured, state.stamp_ns)
        felt = RobotState(**{name: getattr(state, name) for name in RobotState.__slots__})
        felt.foot_force = np.array(feet)
        estimate = self.estimator.update(felt)
        if self.runtime.is_tick(state.stamp_ns):
            self._on_tick(felt, estimate)

    def _on_tick(self, state: RobotState, estimate: BaseEstimate) -> None:
        stamp_ns = state.stamp_ns
        contacts = estimate.contacts.astype(np.float32)
        self._send("/contacts", _array(contacts.tolist(), self.robot.feet, stamp_ns), stamp_ns)
        self._send("/odom", _odom(estimate), stamp_ns)
        if stamp_ns == 0:
            self.runtime.reset()
        estimate.contacts = contacts.astype(float)
        targets, record = self.runtime.tick(state, estimate, self._command, False)
        self._send("/policy/targets", command_msg(targets, list(self.robot.joints)), stamp_ns)
        data, dims = pack(record)
        step = Float32MultiArray(data=data.tolist())
        step.layout.dim = [MultiArrayDimension(label=label, size=size) for label, size in dims]
        self._send("/policy/step", step, stamp_ns)
        self._command = np.array((0.3, 0.0, 0.1 * np.sin(stamp_ns / 1e9)))
        asked = TwistStamped()
        asked.header.stamp = to_time(stamp_ns)
        asked.twist.linear.x, _, asked.twist.angular.z = self._command.tolist()
        self._send("/cmd_vel", asked, stamp_ns)

    def _say_mode(self, mode: str, stamp_ns: int) -> None:
        self.sent.append(("/supervisor/state", supervisor(mode, stamp_ns), stamp_ns))

    def _send(self, topic: str, msg: Any, stamp_ns: int) -> None:
        self.sent.append((topic, serialize_message(msg), stamp_ns))

    def _write(self, folder: Path, seed: int) -> None:
        writer = open_writer(folder)
        about = Description(self.policy, "{}", {"namespace": "", "robot": "go2", "task": "trot"})
        about.notes["parameters/policy_executor"] = {"seed": str(seed), "lockstep": "True"}
        about.write(writer)
        for number, (topic, data, stamp_ns) in enumerate(self.sent):
            writer.write(Message(topic, stamp_ns, WALL_NS + number, data, number))
        writer.close()


def _array(values: list[float], labels: tuple[str, ...], stamp_ns: int) -> Float32MultiArray:
    msg = Float32MultiArray(data=values)
    sec, nanosec = divmod(stamp_ns, 1_000_000_000)
    sizes = [(label, 1) for label in labels] + [("sec", sec), ("nanosec", nanosec)]
    msg.layout.dim = [MultiArrayDimension(label=label, size=size) for label, size in sizes]
    return msg


def _odom(estimate: BaseEstimate) -> Odometry:
    msg = Odometry()
    msg.header.stamp = to_time(estimate.stamp_ns)
    place, turn = msg.pose.pose.position, msg.pose.pose.orientation
    place.x, place.y, place.z = estimate.position.tolist()
    turn.w, turn.x, turn.y, turn.z = estimate.quat.tolist()
    for vector, values in (
        (msg.twist.twist.linear, estimate.lin_vel),
        (msg.twist.twist.angular, estimate.ang_vel),
    ):
        vector.x, vector.y, vector.z = values.tolist()
    return msg
