"""Node ``recorder``: every message of a run, as it was sent, into a rosbag2 folder.

It is a process of its own and nobody waits for it. Messages are taken as bytes, a few times a
second, so that recording costs little; whatever it cannot do it says on ``recorder/state``.
"""

import importlib
import json
import sys
import time
from pathlib import Path
from typing import Any

from diagnostic_msgs.msg import DiagnosticStatus
from rclpy.clock import Clock, ClockType
from rclpy.executors import Executor
from rclpy.node import Node
from rclpy.publisher import Publisher
from rclpy.qos import DurabilityPolicy, HistoryPolicy, QoSProfile, ReliabilityPolicy
from rclpy.serialization import deserialize_message
from rclpy.subscription import Subscription

from ros2_rl.errors import RecordError
from ros2_rl.nodes._main import run_together
from ros2_rl.nodes.asking import offer
from ros2_rl.nodes.conversions import reliable, status_msg, status_values
from ros2_rl.nodes.loop_diagnostics import LoopDiagnostics
from ros2_rl.nodes.parameter_reader import ParameterReader
from ros2_rl.nodes.parameters import Row, declare
from ros2_rl.nodes.polling import Gate
from ros2_rl.recording.about import PARAMETERS, Description
from ros2_rl.recording.budget import check_room, spent
from ros2_rl.recording.ring import EventDetector, EventRecords
from ros2_rl.recording.stream import Stream, as_topics
from ros2_rl.recording.topics import ARM_TOPICS, TIMED, TOPICS, Topic, fitting, is_wanted, resolve
from ros2_rl.recording.whole import Sink, WholeRecord
from ros2_rl.recording.writer import Message
from ros2_rl.robots import NS_PER_S, load_robot
from ros2_rl.tasks import load_task

MODES = ("all", "events")
_TAKE_S = 0.05
"""How often the subscriptions are emptied, s of wall time."""
_FLUSH_S = 0.5
"""How often what came goes to the disk, s of wall time: what a SIGKILL can cost."""
_MARGIN_NS = 20_000_000
"""A message published longer ago than this has come (wall time), ns."""
_DEPTH = 5000
"""Messages that wait in a subscription: seconds of any topic, should the disk be slow."""
_LATCHED_DEPTH = 1000
_PARAMETERS: tuple[Row, ...] = (
    ("folder", "bag", "folder of the record; it must not hold one yet"),
    ("mode", "all", "all: every message; events: only the seconds around events"),
    ("max_mib", 4096.0, "most that the record may take, MiB", (1.0, 1e7)),
    ("before_s", 10.0, "mode events: seconds kept before one", (0.5, 600.0)),
    ("after_s", 5.0, "mode events: seconds kept after one", (0.5, 600.0)),
    ("robot", "go2", "robot, as in config/robots"),
    ("task", "trot", "task, as in config/tasks"),
    ("policy", "", "ONNX policy that the run begins with; empty: that of the task, if any"),
    ("arguments", "", "arguments of the launch, as JSON"),
)


class Recorder(Node):
    """Subscribes to everything, and keeps all of it or the seconds around events."""

    def __init__(self) -> None:
        super().__init__("recorder")
        self._value = declare(self, _PARAMETERS)
        value = self._value
        self._began, self._taken, self._flushed = time.time(), 0.0, time.monotonic()
        self._ns = self.get_namespace().rstrip("/")
        self._folder, self._max_mib = Path(value("folder")), value("max_mib")
        check_room(self._folder, self._max_mib)
        self._robot = load_robot(value("robot"))
        self._topics: dict[str, Topic] = {}
        self._readers: dict[str, Subscription] = {}
        self._unknown: set[str] = set()
        self._ended = ""
        self._state: Publisher | None = None
        self._detector, self._gate = EventDetector(), Gate()
        start_ns = 0 if value("use_sim_time") else time.time_ns()
        self._stream = Stream(self._ns, start_ns, self._keep)
        self._sink = self._open()
        for topic in as_topics(ARM_TOPICS if self._robot.tool else TOPICS, self._ns).values():
            self._record(topic)
        self._parameter_reader = ParameterReader(self, self._on_parameters)
        self._connect()

    def close(self) -> None:
        """Write what has come, then finish the record."""
        self._take()
        if not self._ended:
            self._stream.flush()
            self._finish()

    def turn(self, executor: Executor) -> None:
        """A moment of the node's life: empty the subscriptions, write, serve whoever asks."""
        if self._state is None:
            self._announce()
        self._take()
        now = time.monotonic()
        if now - self._flushed >= _FLUSH_S:
            self._flushed = now
            self._flush()
        executor.spin_once(timeout_sec=0.0)
        self._loop.ran(time.monotonic_ns(), time.monotonic() - now)
        time.sleep(max(_TAKE_S - (time.monotonic() - now), 0.001))

    # ---- set-up

    def _open(self) -> Sink:
        value, mode = self._value, self._value("mode")
        if mode not in MODES:
            raise RecordError(f"There is no mode '{mode}' of recording; there are {', '.join(MODES)}.")
        policy = value("policy") or ("" if self._robot.tool else load_task(value("task")).policy_path)
        about = Description(
            Path(policy) if policy else None,
            value("arguments"),
            {
                "namespace": self._ns,
                "robot": value("robot"),
                "task": value("task"),
                "began": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
            },
        )
        if mode == "all":
            return WholeRecord(self._folder, about)
        return EventRecords(self._folder, about, value("before_s"), value("after_s"))

    def _connect(self) -> None:
        offer(self, "recorder/snapshot", self._on_snapshot)
        self.create_timer(1.0, self._each_second, clock=Clock(clock_type=ClockType.STEADY_TIME))
        self._loop = LoopDiagnostics(self, min_rate_hz=2.0, max_execution_ms=500.0)

    def _announce(self) -> None:
        """Begin ``recorder/state`` once the writers of the robot's state are known here.

        Whoever waits for the recorder waits for this topic. A reader that the robot sees may not have found
        the robot yet, and would miss its first states.
        """
        names = [resolve(name, self._ns) for name in TIMED]
        if self._ended or all(self.count_publishers(name) for name in names if name in self._topics):
            latched = reliable(10, latched=True)
            self._state = self.create_publisher(DiagnosticStatus, "recorder/state", latched)
            self._tell()

    # ---- topics

    def _record(self, topic: Topic) -> None:
        """Subscribe to a topic, unless its type is not installed here."""
        msg_type = message_class(topic.type)
        if msg_type is None:
            if topic.name not in self._unknown:
                self.get_logger().error(f"{topic.name} is not recorded: {topic.type} is not installed here.")
            self._unknown.add(topic.name)
            return
        self._topics[topic.name] = topic
        self._sink.add_topic(topic)
        if topic.name in self._readers:
            self.destroy_subscription(self._readers.pop(topic.name))
        self._readers[topic.name] = self.create_subscription(
            msg_type, topic.name, _never_called, qos_of(topic), callback_group=self._gate, raw=True
        )

    def _look_around(self) -> None:
        """Topics that are new in the graph, and writers that offer less than was asked for."""
        for name, (kind, *_) in self.get_topic_names_and_types():
            if not is_wanted(name, self._ns) or name in self._unknown:
                continue
            writers = self.get_publishers_info_by_topic(name)
            self._stream.losses.writers(name, len(writers))
            offers = [
                (
                    writer.qos_profile.reliability == ReliabilityPolicy.RELIABLE,
                    writer.qos_profile.durability == DurabilityPolicy.TRANSIENT_LOCAL,
                )
                for writer in writers
            ]
            if not offers and name not in self._topics:
                continue
            known = self._topics.get(name)
            topic = fitting(known or Topic(name, kind, True, True), offers)
            if topic != known:
                self._record(topic)

    # ---- messages

    def _take(self) -> None:
        """Empty all subscriptions."""
        for name, subscription in self._readers.items():
            handle = subscription.handle
            with handle:
                while (taken := handle.take_message(subscription.msg_type, True)) is not None:
                    data, info = taken
                    number = info["publication_sequence_number"] or 0
                    self._stream.take(name, data, info["source_timestamp"], number)

    def _flush(self) -> None:
        if self._ended:
            return
        try:
            self._stream.flush(time.time_ns() - _MARGIN_NS)
            self._sink.flush()
            reason = spent(self._folder, self._sink.size, self._max_mib)
        except RecordError as error:
            reason = str(error)
        if reason:
            self._stop(reason)

    def _keep(self, messages: list[Message]) -> None:
        self._sink.add(messages)
        state = resolve("supervisor/state", self._ns)
        for message in messages:
            if message.topic == state:
                self._on_supervisor(deserialize_message(message.data, DiagnosticStatus))

    def _on_supervisor(self, msg: DiagnosticStatus) -> None:
        what = self._detector.on_state(msg.message, status_values(msg))
        if what:
            self.get_logger().info(f"{what}: {self._sink.keep(what)}.")

    def _on_parameters(self, node: str, values: dict[str, str]) -> None:
        """The parameters of a node of the graph have been read."""
        if not self._ended:
            self._sink.note(f"{PARAMETERS}{node}", values)

    # ---- the end

    def _stop(self, reason: str) -> None:
        """End the record early; the robot goes on, and everybody is told."""
        self.get_logger().error(f"Recording has ended: {reason}. What was recorded until now is kept.")
        self._ended = reason
        try:
            self._finish()
        except RecordError as error:
            self.get_logger().error(str(error))
        for subscription in self._readers.values():
            self.destroy_subscription(subscription)
        self._readers.clear()
        self._tell()

    def _finish(self) -> None:
        self._sink.finish({key: str(value) for key, value in self._figures().items()})

    # ---- what it tells

    def _figures(self) -> dict[str, Any]:
        losses = self._stream.losses
        return {
            "messages": self._sink.count,
            "lost": losses.total,
            "lost_by_topic": json.dumps(losses.lost),
            "bytes": self._sink.size,
            "cpu_s": f"{time.process_time():.2f}",
            "wall_s": f"{time.time() - self._began:.1f}",
            "robot_s": f"{self._stream.robot_ns / NS_PER_S:.2f}",
            "ended": self._ended,
        }

    def _tell(self) -> None:
        if self._state is None:
            return
        level = DiagnosticStatus.ERROR if self._ended else DiagnosticStatus.OK
        message = f"ended: {self._ended}" if self._ended else "recording"
        self._state.publish(status_msg("recorder", message, level, folder=self._folder))

    def _each_second(self) -> None:
        if not self._ended:
            self._look_around()
            self._parameter_reader.look_around()
        lost = self._stream.losses.total
        level, text = DiagnosticStatus.OK, "recording"
        if lost:
            level, text = DiagnosticStatus.WARN, f"{lost} messages did not reach the recorder"
        if self._ended:
            level, text = DiagnosticStatus.ERROR, f"recording has ended: {self._ended}"
        self._loop.tell(self._stream.robot_ns, text, level, **self._figures())

    def _on_snapshot(self) -> tuple[bool, str]:
        try:
            message = self._sink.keep("snapshot")
        except RecordError as error:
            return False, str(error)
        return not self._ended, message


def qos_of(topic: Topic, depth: int = 0) -> QoSProfile:
    """The QoS of a topic; unless a depth is given, with room for seconds of it."""
    return QoSProfile(
        history=HistoryPolicy.KEEP_LAST,
        depth=depth or (_LATCHED_DEPTH if topic.latched else _DEPTH),
        reliability=ReliabilityPolicy.RELIABLE if topic.reliable else ReliabilityPolicy.BEST_EFFORT,
        durability=DurabilityPolicy.TRANSIENT_LOCAL if topic.latched else DurabilityPolicy.VOLATILE,
    )


def message_class(kind: str) -> type | None:
    """The class of a message type, None where its package is not installed."""
    package, _, name = kind.split("/")
    try:
        return getattr(importlib.import_module(f"{package}.msg"), name)
    except (ImportError, AttributeError):
        return None


def _never_called(_: bytes) -> None:
    """The gate of the subscriptions stays shut."""


def main(args: list[str] | None = None) -> int:
    """Entry point of ``ros2 run ros2_rl recorder``."""

    def turn(nodes: list[Node], executor: Executor) -> None:
        for node in nodes:
            assert isinstance(node, Recorder)
            node.turn(executor)

    return run_together([Recorder], args, turn)


if __name__ == "__main__":
    sys.exit(main())
