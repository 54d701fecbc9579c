"""Node ``go2_sim``: a simulated Go2 that speaks Unitree's own DDS protocol, for rehearsals.

Robot and world are one MuJoCo plant, the wire is Cyclone DDS; to ``go2_driver`` and to Unitree's SDK it is a
robot. As a node it has only what a robot has not: the reality gap as parameters and its switching by
``learner/phase``, somebody who presses buttons of the remote (``go2_sim/remote``), a reset.
"""

import time

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from rclpy.clock import Clock, ClockType
from rclpy.node import Node
from sensor_msgs.msg import Joy

from ros2_rl.durations import labelled
from ros2_rl.nodes._main import run
from ros2_rl.nodes.asking import offer
from ros2_rl.nodes.conversions import reliable, status_values
from ros2_rl.nodes.hot_loop import HotLoop
from ros2_rl.nodes.loop_diagnostics import LoopDiagnostics
from ros2_rl.nodes.phases import follow_phases
from ros2_rl.nodes.realtime_parameters import treat
from ros2_rl.nodes.sim_parameters import SimParameters
from ros2_rl.policy.onnx_policy import load_equipped
from ros2_rl.realtime import collect, quiet_collector, yield_soon
from ros2_rl.robots import NS_PER_S
from ros2_rl.sim.gap_switch import GapSwitch
from ros2_rl.sim.go2 import PHYSICS_DT, STATE_RATE_HZ, SimulatedGo2
from ros2_rl.sim.latency import POLICY
from ros2_rl.sim.pace import Pacer, RealTimeFactor
from ros2_rl.sim.perturbations import Perturbations
from ros2_rl.sim.plant import Plant
from ros2_rl.sim.round_trip import RoundTrip
from ros2_rl.sim.viewer import Viewer
from ros2_rl.unitree import services
from ros2_rl.unitree.connection import REHEARSAL
from ros2_rl.unitree.dds import Link
from ros2_rl.unitree.idl import LowCmd_, LowState_, low_state
from ros2_rl.unitree.interface import check_interface
from ros2_rl.unitree.remote import BUTTONS, Remote
from ros2_rl.unitree.takeover import MODES

_FEW = 25
"""Every so manieth state is published on rt/lf/lowstate as well, and services are looked after."""
_MAX_LAG_S = 0.02
"""After a longer stall of this machine the robot goes on where it was: in a rush to make up for it, states
would come faster than anybody can answer."""
_VIEW_S = 1 / 30
_FAREWELL_S = 3.5


class Go2Sim(Node):
    """See the module."""

    def __init__(self) -> None:
        super().__init__("go2_sim")
        self.parameters = SimParameters(self, _PARAMETERS)
        value = self.parameters.value
        robot = load_equipped(value("robot"), value("policy"))
        gap, on = self.parameters.gap(), value("gap_from_start")
        start = gap if on else Perturbations(terrain_roughness_m=gap.terrain_roughness_m)
        plant = Plant(robot, start, value("seed"), PHYSICS_DT, STATE_RATE_HZ)
        self.go2 = SimulatedGo2(plant, value("mode"))
        self._gap = GapSwitch(plant, gap, on)
        self._pacer = Pacer(1.0 / (STATE_RATE_HZ * value("speed")), _MAX_LAG_S)
        self._factor = RealTimeFactor()
        stiff = [gains for name, gains in robot.gains.items() if name.startswith(POLICY)]
        self._rounds = LoopDiagnostics(self, max_execution_ms=2.0, max_latency_ms=15.0)
        self._round_trip = RoundTrip(stiff, told=self._rounds.delayed)
        self._viewer = None if value("headless") else Viewer(plant.model, plant.data)
        self._states, self._viewed = 0, 0.0
        self._reset = False
        self._remote = Remote()
        self._connect(value("interface"), value("domain"))
        quiet_collector()
        yield_soon()  # the robot's loop and the node's own thread to each other
        self._loop.start()
        treat(self)

    def close(self) -> None:
        """Go on while somebody commands the legs: a robot does not leave before its driver."""
        end = time.monotonic() + _FAREWELL_S
        while self._commands.writers and time.monotonic() < end:
            time.sleep(0.02)
        self._loop.stop()
        self._link.close()
        if self._viewer is not None:
            self._viewer.close()

    def _connect(self, interface: str, domain: int) -> None:
        check_interface(interface)
        link = self._link = Link(domain, interface)
        self._commands = link.reader("rt/lowcmd", LowCmd_)
        self._writer = link.writer("rt/lowstate", LowState_)
        self._slow_writer = link.writer("rt/lf/lowstate", LowState_)
        self._servers = [
            services.Server(link, services.MOTION_SWITCHER, self.go2.motion_switcher),
            services.Server(link, services.SPORT, self.go2.sport),
        ]
        follow_phases(self, lambda: self.go2.plant.stamp_ns + self._gap.offset_ns, self._gap.on_phase)
        self.create_subscription(DiagnosticArray, "diagnostics", self._on_diagnostics, reliable(10))
        self.create_subscription(Joy, "go2_sim/remote", self._on_remote, reliable(1))
        offer(self, "sim/reset", self._on_reset)
        self.parameters.follow(self._gap.change)
        steady = Clock(clock_type=ClockType.STEADY_TIME)
        self.create_timer(1.0, self._each_second, clock=steady)
        self._loop = HotLoop("robot", self._turn)

    # ---- the robot's thread

    def _turn(self) -> None:
        """Hear commands until the next state is due, then go on to it."""
        self._hear(0.0)  # commands count, however late the robot is
        while (left := self._pacer.left(time.monotonic())) > 0.0:
            self._hear(left)
        begin = time.monotonic()
        self._pacer.count(begin)
        self._look_after()
        self.go2.advance()
        if not self.go2.plant.lost:
            self._publish()
        self._rounds.ran(self.go2.plant.stamp_ns, time.monotonic() - begin)

    def _hear(self, timeout_s: float) -> None:
        for message in self._commands.wait(timeout_s):
            if self.go2.low_cmd(message.payload) and self.go2.last is not None:
                self._round_trip.came(self.go2.last, time.monotonic())

    def _publish(self) -> None:
        message = low_state(self.go2.low_state())
        self._round_trip.sent(self.go2.plant.stamp_ns + self._gap.offset_ns, time.monotonic())
        self._writer.write(message)
        if self._states % _FEW == 0:
            self._slow_writer.write(message)
        self._states += 1

    def _look_after(self) -> None:
        """What others ask for, between two states."""
        if self._states % _FEW == 0:
            for server in self._servers:
                server.serve()
        self.go2.remote = self._remote
        if self._reset:
            self._reset = False
            self.go2.plant.lay_down()
        if self._viewer is not None and time.monotonic() - self._viewed > _VIEW_S:
            self._viewed = time.monotonic()
            self._viewer.show()

    # ---- the node's own thread

    def _on_diagnostics(self, msg: DiagnosticArray) -> None:
        """The driver says which stamp the robot's tick 0 has in the graph."""
        for status in msg.status:
            offset = status_values(status).get("tick_zero_ns")
            if offset is not None:
                self._gap.offset_ns = int(offset)

    def _on_remote(self, msg: Joy) -> None:
        held = frozenset(name for name, down in zip(BUTTONS, msg.buttons, strict=False) if down)
        lx, ly, rx, ry = [*msg.axes, 0.0, 0.0, 0.0, 0.0][:4]
        self._remote = Remote(lx, ly, rx, ry, held)

    def _on_reset(self) -> tuple[bool, str]:
        self._reset = True
        return True, "The robot lies on its belly."

    def _each_second(self) -> None:
        self._loop.check()
        go2, drives = self.go2, self.go2.plant.drives
        factor = self._factor.look(go2.plant.stamp_ns / NS_PER_S, time.monotonic())
        bad = go2.bad_frames or drives.timeouts or drives.out_of_limits
        self._rounds.tell(
            go2.plant.stamp_ns + self._gap.offset_ns,
            f"motion mode {go2.mode or 'released'}",
            DiagnosticStatus.WARN if bad else DiagnosticStatus.OK,
            real_time_factor=f"{factor:.2f}",
            tick=go2.tick,
            commands=go2.received,
            bad_frames=go2.bad_frames,
            ignored=go2.ignored,
            drives=drives.gains or "commanded",
            timeouts=drives.timeouts,
            out_of_limits=drives.out_of_limits,
            worst_excess=f"{drives.worst_excess:.6f}",
            **labelled("round_trip", self._round_trip.figures_ms()),
            round_trips_missed=self._round_trip.missed,
            given_up_s=f"{self._pacer.given_up_s:.3f}",
        )
        collect()


_PARAMETERS = (
    ("interface", "lo", "network interface that the robot speaks on"),
    ("domain", REHEARSAL, "DDS domain that the robot speaks in", (0, 230)),
    ("mode", MODES[0], "motion mode at the start; empty: released"),
)


def main(args: list[str] | None = None) -> int:
    """Entry point of ``ros2 run ros2_rl go2_sim``."""
    return run(Go2Sim, args)


if __name__ == "__main__":
    raise SystemExit(main())
