"""Node ``arm_driver``: an arm under ros2_control behind the topics of the stack.

The states of ``joint_state_broadcaster`` become ``joint_states``, the arm's joints alone and in order;
``joint_commands`` become the commands of ``forward_position_controller``, bounded, with a watchdog.
"""

import sys
import time

import numpy as np
from diagnostic_msgs.msg import DiagnosticStatus
from rclpy.clock import Clock, ClockType
from rclpy.duration import Duration
from rclpy.node import Node
from rclpy.qos import qos_profile_sensor_data
from sensor_msgs.msg import JointState
from std_msgs.msg import Float64MultiArray

from ros2_rl.arm import Limits, PositionGate, Stance
from ros2_rl.messages import JointOrder, to_ns
from ros2_rl.nodes._main import run
from ros2_rl.nodes.conversions import reliable
from ros2_rl.nodes.loop_diagnostics import LoopDiagnostics
from ros2_rl.nodes.parameters import Row, declare
from ros2_rl.nodes.realtime_parameters import treat
from ros2_rl.nodes.sole_writer import SoleWriter
from ros2_rl.realtime import collect, quiet_collector

_WATCH_S = 0.01
_FAREWELL_S = 0.5
_LEVELS = {Stance.FOLLOWING: DiagnosticStatus.OK, Stance.HOLDING: DiagnosticStatus.OK}
_PARAMETERS: tuple[Row, ...] = (
    ("joints", [""], "the arm's joints in the order of forward_position_controller"),
    ("lower", [0.0], "lowest position of each joint, rad"),
    ("upper", [0.0], "highest position of each joint, rad"),
    ("max_velocity", [1.0], "fastest move of each target, or of all, rad/s"),
    ("command_timeout_s", 0.1, "without a command for so long the arm holds, s", (0.01, 10.0)),
    ("state_timeout_s", 0.2, "without a state for so long nothing is sent, s", (0.01, 10.0)),
    ("state_topic", "joint_state_broadcaster/joint_states", "where ros2_control says its states"),
    ("command_topic", "forward_position_controller/commands", "where the controller listens"),
)


class ArmDriver(Node):
    """Topics and watchdogs around :class:`PositionGate`."""

    def __init__(self) -> None:
        super().__init__("arm_driver")
        self._value = declare(self, _PARAMETERS)
        value = self._value
        joints = tuple(name for name in value("joints") if name)
        limits = Limits.of(joints, value("lower"), value("upper"), value("max_velocity"))
        self._gate = PositionGate(limits, value("command_timeout_s"), value("state_timeout_s"))
        self._order = JointOrder(joints)
        self._state = JointState(name=list(joints))
        self._told = Stance.WAITING, ""
        self._shown = -1, 0.0
        self._rivals = SoleWriter(self, value("command_topic"))
        self._connect()
        treat(self)
        quiet_collector()

    def close(self) -> None:
        """The arm stays where it is, and its controller has heard so."""
        self._send(self._gate.stop("shutting down"))
        self._commands.wait_for_all_acked(Duration(seconds=_FAREWELL_S))

    def _connect(self) -> None:
        self._commands = self.create_publisher(Float64MultiArray, self._value("command_topic"), reliable(1))
        self._states = self.create_publisher(JointState, "joint_states", qos_profile_sensor_data)
        self._loop = LoopDiagnostics(self, min_rate_hz=90.0, max_execution_ms=4.0, max_latency_ms=15.0)
        self.create_subscription(
            JointState, self._value("state_topic"), self._on_state, qos_profile_sensor_data
        )
        self.create_subscription(JointState, "joint_commands", self._on_command, reliable(1))
        steady = Clock(clock_type=ClockType.STEADY_TIME)
        self.create_timer(_WATCH_S, self._watch, clock=steady)
        self.create_timer(1.0, self._each_second, clock=steady)

    # ---- what comes in

    def _on_state(self, msg: JointState) -> None:
        state, begin = self._state, time.monotonic()
        try:
            position = self._positions(msg)
            velocity, effort = (self._order.sort(msg.name, part) for part in (msg.velocity, msg.effort))
        except ValueError as error:
            self.get_logger().error(f"A state of the arm is dropped: {error}.", throttle_duration_sec=1.0)
            return
        self._send(self._gate.on_state(position, time.monotonic()))
        state.header = msg.header
        state.position, state.velocity, state.effort = position.tolist(), velocity.tolist(), effort.tolist()
        self._states.publish(state)
        self._shown = to_ns(msg.header.stamp), begin
        self._loop.ran(self._shown[0], time.monotonic() - begin)

    def _on_command(self, msg: JointState) -> None:
        try:
            q = self._positions(msg)
        except ValueError as error:
            self._gate.refused += 1
            self.get_logger().error(f"A command to the arm is dropped: {error}.", throttle_duration_sec=1.0)
            return
        stamp_ns = to_ns(msg.header.stamp)
        if not self._rivals.rivalled:
            now, (shown_ns, shown) = time.monotonic(), self._shown
            self._send(self._gate.on_command(q, msg.header.frame_id, stamp_ns, now))
            if stamp_ns == shown_ns:
                self._loop.delayed(now - shown)

    def _positions(self, msg: JointState) -> np.ndarray:
        """Positions in the controller's order, (J,).

        Raises:
            ValueError: a joint or the positions are missing.
        """
        if not msg.position:
            raise ValueError("joint message has no positions")
        return self._order.sort(msg.name, msg.position)

    def _watch(self) -> None:
        self._send(self._gate.on_tick(time.monotonic()))

    # ---- what goes out

    def _send(self, q: np.ndarray | None) -> None:
        if q is not None:
            self._commands.publish(Float64MultiArray(data=q.tolist()))
        now = self._gate.stance, self._gate.reason
        if now != self._told:
            self._told = now
            self.get_logger().info(self._sentence())

    def _sentence(self) -> str:
        return ": ".join(filter(None, (self._gate.stance, self._gate.reason)))

    def _each_second(self) -> None:
        collect()
        if self._rivals.appears():
            self._send(self._gate.stop(self._rivals.cause))
        self._rivals.each_second("the arm holds")
        gate, listeners = self._gate, self._commands.get_subscription_count()
        level, text = _LEVELS.get(gate.stance, DiagnosticStatus.WARN), self._sentence()
        if not listeners:
            level = DiagnosticStatus.WARN
            text = f"nobody listens to {self._commands.topic_name}: activate forward_position_controller"
        values = {"stance": gate.stance, "limited": gate.limited, "refused": gate.refused}
        self._loop.tell(self.get_clock().now().nanoseconds, text, level, listeners=listeners, **values)


def main(args: list[str] | None = None) -> int:
    """Entry point of ``ros2 run ros2_rl arm_driver``."""
    return run(ArmDriver, args)


if __name__ == "__main__":
    sys.exit(main())
