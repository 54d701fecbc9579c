"""Node ``foxglove_view``: the graph for Foxglove, live, with tf and the robot's description.

It looks, and nothing waits for it. Topics are polled while somebody watches them.
"""

import sys
import time
from typing import Any

import numpy as np
from nav_msgs.msg import Odometry
from rclpy.clock import Clock, ClockType
from rclpy.node import Node
from rclpy.qos import qos_profile_sensor_data
from rclpy.serialization import serialize_message
from sensor_msgs.msg import JointState
from std_msgs.msg import String

from ros2_rl.console.broadcast import Broadcast
from ros2_rl.console.frames import LinkFrames, Transform
from ros2_rl.nodes._main import run
from ros2_rl.nodes.conversions import JointOrder, to_ns
from ros2_rl.nodes.loop_diagnostics import LoopDiagnostics
from ros2_rl.nodes.parameters import Row, declare
from ros2_rl.nodes.polling import Gate, PolledInput
from ros2_rl.nodes.recorder import message_class, qos_of
from ros2_rl.recording.topics import TOPICS, Topic
from ros2_rl.robots import load_robot

_PERIOD_S = 0.05
_NOT_SHOWN = ("policy/adapter",)
"""Bytes that no panel can show."""
_MORE = (Topic("diagnostics_toplevel_state", "diagnostic_msgs/msg/DiagnosticStatus"),)
_DESCRIPTION = "robot_description"
_PARAMETERS: tuple[Row, ...] = (
    ("robot", "go2", "robot, as in config/robots"),
    ("host", "127.0.0.1", "address to listen on; whoever reaches it can look"),
    ("port", 8765, "port to listen on", (1, 65535)),
)


class FoxgloveView(Node):
    """Topics around :class:`Broadcast`."""

    def __init__(self) -> None:
        super().__init__("foxglove_view")
        self._value = declare(self, _PARAMETERS)
        robot = load_robot(self._value("robot"))
        self._order, self._base_link = JointOrder(robot.joints), robot.base_link
        self._frames = LinkFrames(robot.urdf, robot.joints)
        self._view = Broadcast(self._value("host"), self._value("port"))
        self._gate, self._sent = Gate(), 0
        self._inputs: dict[str, tuple[PolledInput, bool]] = {}
        for topic in (*TOPICS, *_MORE):
            if topic.name not in _NOT_SHOWN:
                self._offer(topic)
        name = self.resolve_topic_name(_DESCRIPTION)
        self._view.add(name, "std_msgs/msg/String", kept=True)
        self._view.send(name, serialize_message(String(data=robot.urdf.read_text())))
        self._joints = self._polled(JointState, "joint_states", qos_profile_sensor_data)
        self._odom = self._polled(Odometry, "odom", qos_profile_sensor_data)
        self._loop = LoopDiagnostics(self, min_rate_hz=0.5 / _PERIOD_S, max_execution_ms=1e3 * _PERIOD_S)
        steady = Clock(clock_type=ClockType.STEADY_TIME)
        self.create_timer(_PERIOD_S, self._pass_on, clock=steady)
        self.create_timer(1.0, self._each_second, clock=steady)
        print(f"Foxglove can be connected to {self._view.url}", flush=True)

    def close(self) -> None:
        self._view.stop()

    def _offer(self, topic: Topic) -> None:
        msg_type = message_class(topic.type)
        if msg_type is None:
            return
        name = self.resolve_topic_name(topic.name)
        self._view.add(name, topic.type, kept=topic.latched)
        self._inputs[name] = (self._polled(msg_type, topic.name, qos_of(topic, _depth(topic))), topic.latched)

    def _polled(self, msg_type: type, name: str, qos: Any) -> PolledInput:
        return PolledInput(self, msg_type, name, qos, self._gate, lambda: None)

    # ---- what is shown

    def _pass_on(self) -> None:
        begin = time.monotonic()
        for name, (polled, kept) in self._inputs.items():
            if kept or self._view.is_watched(name):
                for raw in polled.take_raw():
                    self._view.send(name, raw)
                    self._sent += 1
        self._view.show_kept()
        if self._view.frames_watched:
            self._send_frames()
        self._loop.ran(time.monotonic_ns(), time.monotonic() - begin)

    def _send_frames(self) -> None:
        joints, odom = self._joints.last(), self._odom.last()
        try:
            if joints is not None:
                frames = self._frames.at(self._order.sort(joints.name, joints.position))
                self._view.send_frames(to_ns(joints.header.stamp), frames)
        except ValueError as error:
            self.get_logger().error(f"A state has no frames: {error}.", throttle_duration_sec=5.0)
        if odom is not None:
            place, turn = odom.pose.pose.position, odom.pose.pose.orientation
            base = Transform(
                odom.header.frame_id,
                self._base_link,
                np.array((place.x, place.y, place.z)),
                np.array((turn.w, turn.x, turn.y, turn.z)),
            )
            self._view.send_frames(to_ns(odom.header.stamp), [base])

    def _each_second(self) -> None:
        self._loop.tell(self.get_clock().now().nanoseconds, "serves Foxglove", sent=self._sent)


def _depth(topic: Topic) -> int:
    """Messages that wait between two looks: all of a robot's at 200 Hz; in lockstep the newest."""
    return 1000 if topic.latched else 20


def main(args: list[str] | None = None) -> int:
    """Entry point of ``ros2 run ros2_rl foxglove_view``."""
    return run(FoxgloveView, args)


if __name__ == "__main__":
    sys.exit(main())
