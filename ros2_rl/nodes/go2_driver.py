"""Node ``go2_driver``: a Unitree Go2 behind the topics of the stack.

``rt/lowstate`` becomes ``joint_states``, ``imu/data``, ``foot_forces``, ``battery_state``,
``joint_temperatures`` and ``joy``;
``joint_commands`` becomes ``rt/lowcmd``, 500 times a second. One thread waits for the robot, one for the
supervisor; the node's own thread serves everything slow. What the motors are told is decided in
``ros2_rl/unitree/machine.py``.
"""

import sys
import time

import numpy as np
from diagnostic_msgs.msg import DiagnosticStatus
from rclpy.clock import Clock, ClockType
from rclpy.node import Node
from sensor_msgs.msg import JointState
from std_srvs.srv import Trigger

from ros2_rl.durations import labelled
from ros2_rl.errors import ConfigError
from ros2_rl.nodes._main import run
from ros2_rl.nodes.asking import offer
from ros2_rl.nodes.audience import Audience
from ros2_rl.nodes.conversions import joint_reader, reliable
from ros2_rl.nodes.go2_topics import WARM, Go2Topics
from ros2_rl.nodes.hot_loop import HotLoop
from ros2_rl.nodes.loop_diagnostics import LoopDiagnostics
from ros2_rl.nodes.parameters import Row, declare
from ros2_rl.nodes.realtime_parameters import treat
from ros2_rl.nodes.robot_topics import StateTopics
from ros2_rl.nodes.topic_wait import TopicWait
from ros2_rl.policy.onnx_policy import load_equipped
from ros2_rl.realtime import collect, quiet_collector, yield_soon
from ros2_rl.robots import NS_PER_S, RobotState
from ros2_rl.safety.config import load_safety
from ros2_rl.sim.latency import TickLatency
from ros2_rl.unitree import layout, services
from ros2_rl.unitree.cadence import PERIOD_S, Cadence
from ros2_rl.unitree.codec import Codec
from ros2_rl.unitree.connection import Connection
from ros2_rl.unitree.machine import DriverMachine, State, Timeouts
from ros2_rl.unitree.remote import Remote
from ros2_rl.unitree.takeover import TakeOver, folded
from ros2_rl.unitree.ticks import TickClock

_SLOW_NS, _HEALTH_NS = 20_000_000, 1_000_000_000
"""Periods of the remote and of battery and temperatures, robot time."""
_STATE_RATES_HZ = (500, 250, 100)
_FAREWELL_S, _OFF_S = 1.0, 0.05
"""At the end the joints are damped for so long, then the motors are off, s."""
_LOST_S = 3.0
"""Without a LowState for so long the node ends."""
_PARAMETERS: tuple[Row, ...] = (
    ("robot", "go2", "robot in config/robots and config/safety"),
    ("policy", "", "ONNX policy whose gains are carried out; empty: only the robot's own"),
    ("interface", "lo", "network interface to the robot, as in ip link"),
    ("domain", 0, "DDS domain of the robot: 0 a real one, 1 a rehearsal", (0, 230)),
    ("robot_timeout_s", 5.0, "how long the robot is waited for, s", (0.5, 120.0)),
    ("command_timeout_s", 0.05, "without a command for so long: damping, s", (0.01, 1.0)),
    ("state_timeout_s", 0.1, "without rt/lowstate for so long: damping, s", (0.01, 1.0)),
    ("damping_s", 2.0, "damping for so long, then motors off, s", (0.1, 60.0)),
    ("state_rate_hz", 250, "states a second for the graph: 500, 250 or 100, Hz"),
    ("foot_force_scale", 1.0, "N per unit of the robot's foot_force", (0.001, 100.0)),
    ("restore_mode", True, "at the end, select the motion mode that was released"),
    ("wait_for_topics", [""], "states are published once each has a publisher"),
)


class Go2Driver(Node):
    """See the module."""

    def __init__(self) -> None:
        super().__init__("go2_driver")
        self._value = declare(self, _PARAMETERS)
        value = self._value
        self._robot = load_equipped(value("robot"), value("policy"))
        self._period_ns = _period_ns(value("state_rate_hz"))
        self._codec = Codec(self._robot, value("foot_force_scale"))
        self._connection = Connection(value("interface"), value("domain"))
        timeouts = Timeouts(value("command_timeout_s"), value("state_timeout_s"), value("damping_s"))
        self.machine = DriverMachine(self._robot, load_safety(self._robot.name).stand, timeouts)
        self._loop = LoopDiagnostics(self, min_rate_hz=450.0, max_execution_ms=2.0, max_latency_ms=15.0)
        self._cadence = Cadence(per_command=round(self._period_ns / (NS_PER_S * PERIOD_S)))
        self._latency = TickLatency(told=self._loop.delayed)
        self._reader = joint_reader(self._robot.joints)
        self._audience = Audience(self, value("wait_for_topics"))
        self._publishing, self._closing = False, False
        self._heard = time.monotonic()
        self._remote, self._emergency, self._stamp_ns = Remote(), False, 0
        self._fatal: str | None = None
        self._told: tuple[State, str] | None = None
        self._payload = self._connection.find(value("robot_timeout_s"))
        self._take_over()
        self._ticks = TickClock(time.time_ns(), state_ns=self._period_ns)
        self._connect()
        quiet_collector()
        yield_soon()  # the two loops and the node's own thread to each other
        _, commands = (loop.start() for loop in self._loops)
        treat(self, urgent=(commands,))

    def close(self) -> None:
        """Damp, switch the motors off, and give the legs back to the mode that had them."""
        self._closing = True
        self.machine.halt("shutting down", time.monotonic())
        time.sleep(_FAREWELL_S)
        for loop in self._loops:
            loop.stop()
        end = time.monotonic() + _OFF_S
        while time.monotonic() < end:
            self._connection.send(self._codec.command(None))
            time.sleep(0.002)
        if self._value("restore_mode") and not self._take.give_back():
            self.get_logger().error(
                f"The robot's motion mode '{self._take.released}' could not be restored: "
                "select it in Unitree's app."
            )
        self._connection.close()

    # ---- set-up

    def _take_over(self) -> None:
        connection = self._connection
        self._take = TakeOver(
            connection.service(services.MOTION_SWITCHER),
            connection.service(services.SPORT),
            lying=lambda: folded(self._robot, self._newest_state()),
            commanded=connection.foreign_commands,
            wait=time.sleep,
        )
        self._take.take()
        if self._take.released:
            self.get_logger().info(f"The motion mode '{self._take.released}' has let go of the legs.")

    def _newest_state(self) -> RobotState:
        """The robot as it is now, before the loops run."""
        self._payload = (self._connection.receive(0.0) or [self._payload])[-1]
        return self._codec.state(self._payload, 0)

    def _connect(self) -> None:
        self._topics, self._slow = StateTopics(self, self._robot), Go2Topics(self, self._robot)
        self._inbox = TopicWait(self, JointState, "joint_commands", reliable(1))
        self._estop = self.create_client(Trigger, "supervisor/estop")
        offer(self, "go2_driver/stand_up", lambda: self.machine.stand_up(time.monotonic()))
        offer(self, "go2_driver/lie_down", lambda: self.machine.lie_down(time.monotonic()))
        steady = Clock(clock_type=ClockType.STEADY_TIME)
        self.create_timer(0.05, self._look, clock=steady)
        self.create_timer(1.0, self._publish_diagnostics, clock=steady)
        self._connection.open_commands()
        self._loops = [HotLoop("states", self._hear_robot), HotLoop("commands", self._serve_motors)]

    # ---- the thread of the states

    def _hear_robot(self) -> None:
        for payload in self._connection.receive(0.05):
            begin = time.monotonic()
            self._on_low_state(payload, begin)
            self._loop.ran(self._stamp_ns, time.monotonic() - begin)

    def _on_low_state(self, payload: bytes, now: float) -> None:
        frame = np.frombuffer(payload, layout.LOW_STATE)[0]
        stamp_ns = self._ticks.stamp(int(frame["tick"]))
        if stamp_ns is None:
            return
        state = self._codec.state(payload, stamp_ns)
        self._heard, self._payload, self._stamp_ns = now, payload, stamp_ns
        self.machine.on_state(state, now)
        if self._publishing and self._ticks.is_due(stamp_ns):
            self._latency.sent(stamp_ns, now)
            self._topics.publish_state(state)
        if stamp_ns % _SLOW_NS == 0:
            self._on_remote(Remote.unpack(frame["wireless_remote"].tobytes()), stamp_ns, now)
        if stamp_ns % _HEALTH_NS == 0:
            self._slow.publish_health(payload, self._codec.temperatures(payload), stamp_ns)

    def _on_remote(self, remote: Remote, stamp_ns: int, now: float) -> None:
        if remote.emergency and not self._remote.emergency:
            self.machine.halt("L2 + B on the remote control", now)
            self._emergency = True
        self._remote = remote
        self._slow.publish_remote(remote, stamp_ns)

    # ---- the thread of the commands

    def _serve_motors(self) -> None:
        left = self._cadence.left(time.monotonic())
        raw = self._inbox.next(left) if left > 0.0 else None
        if raw is not None and not self._follow(raw):
            return
        now = time.monotonic()
        if raw is None and self._cadence.left(now) > 0.0:
            return
        command = self.machine.output(now)
        self._connection.send(self._codec.command(command))
        now = time.monotonic()
        self._cadence.sent(now, fresh=raw is not None)
        if raw is not None and command is not None:
            self._latency.came(command.stamp_ns, command.gains, now)

    def _follow(self, raw: bytes) -> bool:
        """Hand a command on; whether it is followed."""
        if self._closing or self._fatal is not None:
            return False
        try:
            fault = self.machine.on_command(self._reader.command(raw), time.monotonic())
        except ValueError as error:
            fault = str(error)
            self.machine.refused += 1
        if fault is not None:
            self.get_logger().error(f"A command is refused: {fault}.", throttle_duration_sec=1.0)
        return fault is None

    # ---- the node's own thread

    def _look(self) -> None:
        """What must not be missed but takes no place in the loops."""
        for loop in self._loops:
            loop.check()
        self._publishing = self._publishing or self._audience.there(self._topics.readers)
        self._tell()
        if self._emergency:
            self._emergency = False
            self._estop.call_async(Trigger.Request())
        now = time.monotonic()
        if self._fatal is None:
            self._fatal = self._find_fault(now)
            if self._fatal is not None:
                self.machine.halt(self._fatal, now)
                self._tell()
        else:
            raise ConfigError(self._fatal)

    def _find_fault(self, now: float) -> str | None:
        if self._connection.foreign_commands(0.0):
            return "Another program writes rt/lowcmd now: the joints are damped; end it, then start again."
        if now - self._heard > _LOST_S:
            return (
                f"The robot has not been heard for {_LOST_S:g} s, and may not hear that it is to damp: check "
                "its cable and its battery, then start again."
            )
        return None

    def _tell(self) -> None:
        """Log a change of state."""
        told = (self.machine.state, self.machine.reason)
        if told != self._told:
            self._told = told
            self.get_logger().info(f"{told[0]}: {told[1]}")

    def _publish_diagnostics(self) -> None:
        ticks, temperatures = self._ticks, self._codec.temperatures(self._payload)
        level, text = self._health(int(temperatures.max()))
        self._loop.tell(
            self._stamp_ns, text, level,
            state=self.machine.state,
            frames=ticks.frames,
            lost_frames=ticks.lost,
            repeated_frames=ticks.repeated,
            bad_frames=self._connection.bad_frames,
            unchecked_frames=self._connection.unchecked,
            longest_gap_ms=ticks.longest_gap_ms,
            tick_zero_ns=ticks.offset_ns,
            clock_offset_ms=f"{1e-6 * (time.time_ns() - self._stamp_ns):.1f}",
            commands_sent=self._cadence.frames,
            commands_refused=self.machine.refused,
            command_timeouts=self.machine.timeouts,
            **labelled("period", self._cadence.figures_ms()),
            **labelled("state_to_command", self._latency.figures_ms()),
            missed_ticks=self._latency.missed,
            motor_temperatures=" ".join(str(t) for t in temperatures),
            remote="+".join(sorted(self._remote.held)),
        )  # fmt: skip
        collect()

    def _health(self, hottest: int) -> tuple[bytes, str]:
        state = self.machine.state
        if state in (State.HALTED, State.OFF, State.DAMPING):
            return DiagnosticStatus.ERROR, f"{state}: {self.machine.reason}"
        if not self._publishing:
            return DiagnosticStatus.OK, "waits for " + ", ".join(self._audience.awaited or ["readers"])
        if hottest >= WARM:
            return DiagnosticStatus.WARN, f"a motor has {hottest} °C"
        if self.machine.refused or self._ticks.lost or self._connection.bad_frames:
            return DiagnosticStatus.WARN, "there were lost frames or refused commands"
        return DiagnosticStatus.OK, f"{state}: {self.machine.reason}"


def _period_ns(rate_hz: int) -> int:
    """Distance of the states that are handed on.

    Raises:
        ConfigError: control steps would fall between them, or there are not so many.
    """
    if rate_hz not in _STATE_RATES_HZ:
        raise ConfigError(f"state_rate_hz is {rate_hz}; it must be {' or '.join(map(str, _STATE_RATES_HZ))}.")
    return NS_PER_S // rate_hz


def main(args: list[str] | None = None) -> int:
    """Entry point of ``ros2 run ros2_rl go2_driver``."""
    return run(Go2Driver, args)


if __name__ == "__main__":
    sys.exit(main())
