"""Node ``console``: the operator's page in a browser. It looks, and passes on what is asked for.

Nothing waits for it: closing it, or a browser, changes nothing for the robot. What comes at the
robot's rate is polled when a page is drawn, so that watching costs little.
"""

import queue
import sys
import time
from typing import Any

import numpy as np
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from geometry_msgs.msg import TwistStamped
from nav_msgs.msg import Odometry
from rcl_interfaces.msg import Parameter as ParameterMsg
from rcl_interfaces.msg import ParameterType, ParameterValue
from rcl_interfaces.srv import SetParameters
from rclpy.client import Client
from rclpy.clock import Clock, ClockType
from rclpy.node import Node
from rclpy.qos import qos_profile_sensor_data
from rclpy.task import Future
from sensor_msgs.msg import JointState
from std_msgs.msg import Float32MultiArray

from ros2_rl.console.geometry import RobotGeometry
from ros2_rl.console.page import Knob
from ros2_rl.console.server import ConsoleServer
from ros2_rl.console.view import View
from ros2_rl.nodes._main import run
from ros2_rl.nodes.asking import Asking
from ros2_rl.nodes.conversions import JointOrder, reliable, status_values
from ros2_rl.nodes.loop_diagnostics import LoopDiagnostics
from ros2_rl.nodes.parameters import Row, declare
from ros2_rl.nodes.phases import follow_phases
from ros2_rl.nodes.polling import Gate, PolledInput
from ros2_rl.robots import load_robot
from ros2_rl.sim.perturbations import flatten, load_gap, settings

_KNOBS = ("actuation_delay_ms", "payload_kg", "friction", "gain_scale", "leg_strength_")
"""Beginnings of the names of what can be changed while watching."""
_DRAW_S = 1.0 / 12.0
_PARAMETERS: tuple[Row, ...] = (
    ("robot", "go2", "robot, as in config/robots"),
    ("host", "127.0.0.1", "address to listen on; beyond this machine a token is asked for"),
    ("port", 8080, "port to listen on", (1, 65535)),
    ("token", "", "what a browser elsewhere must show; empty: a new one each time"),
    ("gap", "", "gap the simulator began with, for the sliders; empty: no simulator"),
)


class ConsoleNode(Node):
    """Topics and services around :class:`ConsoleServer`."""

    def __init__(self) -> None:
        super().__init__("console")
        self._value = declare(self, _PARAMETERS)
        robot = load_robot(self._value("robot"))
        self._order = JointOrder(robot.joints)
        self.view = View(robot.default_pose.copy(), np.zeros(len(robot.feet)))
        self._asked: queue.SimpleQueue[tuple[str, Any]] = queue.SimpleQueue()
        self._asking = Asking(self, self._note)
        self.server = ConsoleServer(
            RobotGeometry(robot.urdf, robot.joints), robot.feet, lambda *asked: self._asked.put(asked),
            self._value("host"), self._value("port"), self._value("token"),
        )  # fmt: skip
        self.server.knobs = _knobs(self._value("gap")) if self._value("gap") else []
        self._connect()
        print(f"The robot can be watched at {self.server.url}", flush=True)
        if self.server.token:
            print(f"The page asks for this token: {self.server.token}", flush=True)

    def close(self) -> None:
        self.server.stop()

    def _connect(self) -> None:
        gate = Gate()

        def polled(
            msg_type: type, topic: str, qos: Any = qos_profile_sensor_data, **more: Any
        ) -> PolledInput:
            return PolledInput(self, msg_type, topic, qos, gate, lambda: None, **more)

        self._joints = polled(JointState, "joint_states")
        self._odom = polled(Odometry, "odom")
        self._contacts = polled(Float32MultiArray, "contacts")
        self._cmd_vel = polled(TwistStamped, "cmd_vel", reliable(1))
        latched = reliable(1000, latched=True)
        self.create_subscription(DiagnosticStatus, "supervisor/state", self._on_mode, reliable(100, True))
        self.create_subscription(DiagnosticStatus, "learner/report", self._on_report, latched)
        self.create_subscription(DiagnosticArray, "diagnostics", self._on_diagnostics, reliable(10))
        follow_phases(self, lambda: 0, lambda phase: setattr(self.view, "phase", phase.name))
        self._pub_command = self.create_publisher(TwistStamped, "teleop/cmd_vel", reliable(1))
        self._set_knob: Client = self.create_client(SetParameters, "sim_bridge/set_parameters")
        self._loop = LoopDiagnostics(self, min_rate_hz=0.5 / _DRAW_S, max_execution_ms=1e3 * _DRAW_S)
        steady = Clock(clock_type=ClockType.STEADY_TIME)
        self.create_timer(_DRAW_S, self._draw, clock=steady)
        self.create_timer(1.0, self._each_second, clock=steady)

    # ---- what comes in

    def _on_mode(self, msg: DiagnosticStatus) -> None:
        self.view.on_supervisor(msg.message, status_values(msg), time.monotonic())

    def _on_report(self, msg: DiagnosticStatus) -> None:
        self.view.on_report(msg.message, status_values(msg))

    def _on_diagnostics(self, msg: DiagnosticArray) -> None:
        for status in msg.status:
            level = int.from_bytes(status.level, "little")
            self.view.on_diagnostics(
                status.name, level, status.message, status_values(status), time.monotonic()
            )

    # ---- the page

    def _draw(self) -> None:
        begin = time.monotonic()
        while not self._asked.empty():
            self._pass_on(*self._asked.get())
        if self.server.pages:
            self._look()
            self.server.show(self.view, begin)
        self._loop.ran(time.monotonic_ns(), time.monotonic() - begin)

    def _each_second(self) -> None:
        pages = self.server.pages
        self._loop.tell(self.get_clock().now().nanoseconds, f"{pages} pages are open", pages=pages)

    def _look(self) -> None:
        """Take the newest of what comes at the robot's rate."""
        view = self.view
        if (joints := self._joints.last()) is not None:
            try:
                view.q = self._order.sort(joints.name, joints.position)
            except ValueError as error:
                self.get_logger().error(f"A state is not drawn: {error}.", throttle_duration_sec=5.0)
        if (odom := self._odom.last()) is not None:
            place, turn, speed = odom.pose.pose.position, odom.pose.pose.orientation, odom.twist.twist.linear
            view.position = np.array((place.x, place.y, place.z))
            view.quat = np.array((turn.w, turn.x, turn.y, turn.z))
            view.velocity = np.array((speed.x, speed.y, speed.z))
        if (contacts := self._contacts.last()) is not None:
            view.contacts = np.array(contacts.data)
        if (command := self._cmd_vel.last()) is not None:
            twist = command.twist
            view.command = np.array((twist.linear.x, twist.linear.y, twist.angular.z))

    # ---- what the operator asks for

    def _pass_on(self, request: str, value: Any) -> None:
        kind, _, name = request.partition("/")
        if kind == "sim":
            self._turn_knob(name, value)
        elif kind == "drive":
            self._drive(value)
        else:
            self._asking.ask(request)

    def _drive(self, velocity: tuple[float, float, float]) -> None:
        msg = TwistStamped()
        msg.header.stamp, msg.header.frame_id = self.get_clock().now().to_msg(), "base_link"
        msg.twist.linear.x, msg.twist.linear.y, msg.twist.angular.z = velocity
        self._pub_command.publish(msg)

    def _turn_knob(self, name: str, value: float) -> None:
        if not self._set_knob.service_is_ready():
            self.view.notes.append(f"{name}: there is no simulator to change")
            return
        number = ParameterValue(type=ParameterType.PARAMETER_DOUBLE, double_value=value)
        request = SetParameters.Request(parameters=[ParameterMsg(name=name, value=number)])

        def answered(future: Future) -> None:
            result = future.result().results[0]
            self._note(name, f"{value:g}" if result.successful else result.reason)

        self._set_knob.call_async(request).add_done_callback(answered)

    def _note(self, what: str, answer: str) -> None:
        self.view.notes.append(f"{what}: {answer}")


def _knobs(gap: str) -> list[Knob]:
    """What of the simulator can be changed, with the values of its gap."""
    values = flatten(load_gap(gap))
    return [
        Knob(setting.name, setting.description, setting.low, setting.high, values[setting.name])
        for setting in settings()
        if setting.name.startswith(_KNOBS)
    ]


def main(args: list[str] | None = None) -> int:
    """Entry point of ``ros2 run ros2_rl console``."""
    return run(ConsoleNode, args)


if __name__ == "__main__":
    sys.exit(main())
