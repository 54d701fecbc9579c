"""The running graph of bench/faults.py: all nodes, in one process or apart, in lockstep or with the wall.

What estimator, executor and practice say goes through a relay (``raw/...``), so that it can be spoilt. Only
where processes are killed do the nodes have some of their own. With the wall the supervisor stays in the
robot's process all the same, where a busy host cannot come between the two; else every watchdog of the
campaign would tell of the host.
"""

import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import rclpy
from diagnostic_msgs.msg import DiagnosticStatus
from fault_lines import Line, relay
from fault_plant import WatchedRobot
from geometry_msgs.msg import TwistStamped
from nav_msgs.msg import Odometry
from rclpy.node import Node
from rclpy.publisher import Publisher
from rclpy.qos import qos_profile_sensor_data
from rclpy.signals import SignalHandlerOptions
from sensor_msgs.msg import JointState
from std_msgs.msg import Float32MultiArray, UInt8MultiArray
from std_srvs.srv import Trigger

from ros2_rl.domain import lease_domain
from ros2_rl.launch_values import LOCKSTEP_STATE_RATE_HZ, STATE_RATE_HZ
from ros2_rl.nodes.conversions import reliable, status_values
from ros2_rl.nodes.policy_executor import PolicyExecutor
from ros2_rl.nodes.practice import Practice
from ros2_rl.nodes.stack import Poller
from ros2_rl.nodes.state_estimator import StateEstimator
from ros2_rl.nodes.supervisor import SupervisorNode
from ros2_rl.paths import share_path
from ros2_rl.sim.perturbations import Perturbations

_REMAPPED = {
    "state_estimator": ("odom", "contacts"),
    "policy_executor": ("policy/targets",),
    "practice": ("cmd_vel",),
}
_LEASE = """<profiles xmlns="http://www.eprosima.com/XMLSchemas/fastRTPS_Profiles">
  <participant profile_name="campaign" is_default_profile="true"><rtps><builtin><discovery_config>
    <leaseDuration><sec>3</sec></leaseDuration>
    <leaseAnnouncement><sec>1</sec></leaseAnnouncement>
  </discovery_config></builtin></rtps></participant>
</profiles>
"""
"""The dead are forgotten in 3 s instead of 20, so that a supervisor may be started again."""


_LOCKSTEP_TIMEOUT_S = 4.0
"""Of the robot; the supervisor waits for half of it."""
_STEP_NS, _LATE_NS = 20_000_000, 40_000_000
"""Control step; age of an estimate at which a busy host is given time."""


class Observer(Node):
    """Hears what the graph says of itself, asks services, and carries the topics that may be spoilt."""

    def __init__(self, clock: Callable[[], float]) -> None:
        super().__init__("campaign")
        sensor = qos_profile_sensor_data
        self.lines: dict[str, Line] = {
            # contacts first, as the estimator sends them.
            "contacts": relay(self, Float32MultiArray, "contacts", sensor, clock),
            "odom": relay(self, Odometry, "odom", sensor, clock),
            "policy/targets": relay(self, JointState, "policy/targets", reliable(1), clock),
            "cmd_vel": relay(self, TwistStamped, "cmd_vel", reliable(1), clock),
        }
        self.said: list[tuple[float, str, dict[str, str]]] = []
        """Wall time, mode and values of ``supervisor/state`` since it was last cleared."""
        self.mode = ""
        self.values: dict[str, str] = {}
        self.refusals: list[tuple[float, str]] = []
        """Wall time and what the executor said of an adapter that it refuses."""
        self.recording = ""
        self.asked: TwistStamped = TwistStamped()
        latched = reliable(100, latched=True)
        self.create_subscription(DiagnosticStatus, "supervisor/state", self._on_state, latched)
        self.create_subscription(
            DiagnosticStatus, "policy/active", self._on_active, reliable(10, latched=True)
        )
        self.create_subscription(
            DiagnosticStatus, "recorder/state", self._on_recorder, reliable(10, latched=True)
        )
        self.create_subscription(TwistStamped, "cmd_vel", self._on_command, reliable(1))
        self.adapters = self.create_publisher(UInt8MultiArray, "policy/adapter", reliable(1, latched=True))
        self.person = self.create_publisher(TwistStamped, "teleop/cmd_vel", reliable(1))
        self._asking = {
            name: self.create_client(Trigger, f"supervisor/{name}")
            for name in ("arm", "stand", "damp", "estop", "reset", "take_over", "give_back")
        }

    def ask(self, name: str) -> None:
        """Ask the supervisor for something; nobody waits for the answer."""
        if self._asking[name].service_is_ready():
            self._asking[name].call_async(Trigger.Request())

    def _on_state(self, msg: DiagnosticStatus) -> None:
        self.mode, self.values = msg.message, status_values(msg)
        self.said.append((time.monotonic(), self.mode, self.values))

    def _on_active(self, msg: DiagnosticStatus) -> None:
        if msg.message.startswith(("refused", "reverted")):
            self.refusals.append((time.monotonic(), msg.message))

    def _on_recorder(self, msg: DiagnosticStatus) -> None:
        self.recording = msg.message

    def _on_command(self, msg: TwistStamped) -> None:
        self.asked = msg


class Graph:
    """A context: started on entry, everything ended on exit.

    Args:
        folder: for events and logs.
        lockstep: whether robot time waits for the graph; else it runs with the wall.
        apart: whether nodes have processes of their own.
        seed: of everything.
    """

    def __init__(self, folder: Path, lockstep: bool, apart: bool, seed: int):
        self.folder, self.lockstep, self.apart, self._seed = folder, lockstep, apart, seed
        self.processes: dict[str, subprocess.Popen] = {}
        self.throttle: tuple[str, float, float] | None = None
        """A process that is stopped and let go on in turn, and for how long each, s of robot time."""
        self.free = False
        """Whether robot time goes on although processes do not keep up."""
        self.rival: Publisher | None = None
        self.filled: list[str] = []
        """Processes whose disk is full."""
        self.records: list[Path] = []
        """Folders of the recorders that were started, oldest first."""
        self.version = 0
        """Of the newest adapter that was sent."""
        self._stack = ExitStack()
        self._poller = Poller()

    def __enter__(self) -> "Graph":
        self.folder.mkdir(parents=True, exist_ok=True)
        profile = self.folder / "fastdds.xml"
        profile.write_text(_LEASE)
        domain = self._stack.enter_context(lease_domain())
        os.environ |= {
            "ROS_DOMAIN_ID": str(domain),
            "FASTRTPS_DEFAULT_PROFILES_FILE": str(profile),
            # As around a robot: through shared memory a reader that is frozen can hold up a writer.
            "FASTDDS_BUILTIN_TRANSPORTS": "UDPv4",
        }
        values = {
            "lockstep": self.lockstep,
            "seed": self._seed,
            "events_dir": self.folder / "supervisor",
            "lockstep_timeout_s": _LOCKSTEP_TIMEOUT_S if self.apart else 2.0 * _LOCKSTEP_TIMEOUT_S,
            "state_rate_hz": LOCKSTEP_STATE_RATE_HZ if self.lockstep else STATE_RATE_HZ,
        }
        given = [word for name, value in values.items() for word in ("-p", f"{name}:={value}")]
        maps = [
            word
            for node, topics in _REMAPPED.items()
            for topic in topics
            for word in ("-r", f"{node}:{topic}:=raw/{topic}")
        ]
        rclpy.init(args=["--ros-args", *given, *maps], signal_handler_options=SignalHandlerOptions.NO)
        self.nodes: list[Node] = [] if self.lockstep and self.apart else [SupervisorNode()]
        if not self.apart:
            self.nodes += [StateEstimator(), PolicyExecutor(), Practice()]
        self.robot = WatchedRobot()
        self.observer = Observer(self.robot.clock)
        self.nodes += [self.observer, self.robot]
        self.lines = self.observer.lines | self.robot.lines
        if self.apart:
            self._start_all()
        return self

    def _start_all(self) -> None:
        self.robot.keeps_up = self._keeps_up
        for name in ("state_estimator", "policy_executor", "practice"):
            self.start(name)
        if self.lockstep:
            self.start("supervisor")

    def __exit__(self, *_: object) -> None:
        for name in list(self.processes):
            self.end(name)
        for node in self.nodes:
            close = getattr(node, "close", None)
            if close is not None and node is not self.robot:
                close()
            node.destroy_node()
        rclpy.try_shutdown()
        self._stack.close()

    def _keeps_up(self, stamp_ns: int) -> bool:
        """Whether executor and estimator have answered the states up to a stamp."""
        if self.free:
            return True
        targets, others = self.lines["policy/targets"], (self.lines["odom"], self.lines["cmd_vel"])
        tick_ns = stamp_ns // _STEP_NS * _STEP_NS
        late_ns = min(line.newest_ns for line in others)
        return targets.newest_ns >= tick_ns and late_ns >= stamp_ns - _LATE_NS

    # ---- processes

    def start(self, name: str) -> None:
        """Start a node that does not run."""
        values: dict[str, object] = {"lockstep": self.lockstep}
        if name == "supervisor":
            values |= {
                "events_dir": self.folder / "supervisor",
                "lockstep_timeout_s": 0.5 * _LOCKSTEP_TIMEOUT_S,
            }
        elif name in ("policy_executor", "practice"):
            values |= {"seed": self._seed}
        elif name == "learner":
            values = {"run_dir": self.folder / f"learner{time.monotonic_ns()}", "seed": self._seed}
        elif name == "recorder":
            self.records.append(self.folder / f"bag{time.monotonic_ns()}")
            values = {"folder": self.records[-1]}
        given = [word for key, value in values.items() for word in ("-p", f"{key}:={value}")]
        maps = [word for topic in _REMAPPED.get(name, ()) for word in ("-r", f"{topic}:=raw/{topic}")]
        shared = ["--params-file", str(share_path("config", "ros2_rl.yaml"))]
        with (self.folder / f"{name}.log").open("a") as log:
            self.processes[name] = subprocess.Popen(
                [sys.executable, "-m", f"ros2_rl.nodes.{name}", "--ros-args", *shared, *given, *maps],
                stdout=log, stderr=subprocess.STDOUT,
            )  # fmt: skip

    def signal(self, name: str, number: int) -> None:
        if not self.ended(name):
            self.processes[name].send_signal(number)

    def ended(self, name: str) -> bool:
        """Whether the process of a node is over."""
        return self.processes[name].poll() is not None

    def end(self, name: str) -> None:
        """End a node as a user would, by force if need be."""
        process = self.processes.pop(name)
        if process.poll() is None:
            process.send_signal(signal.SIGCONT)
            process.terminate()
            try:
                process.wait(5.0)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def mend(self) -> None:
        """Take back every fault: let what is frozen go on, start what has died."""
        for line in self.lines.values():
            line.mend()
        self.robot.plant.spoil, self.robot.frozen, self.robot.leap_ns = None, False, 0
        self.robot.plant.set_perturbations(Perturbations(), self.robot.plant.stamp_ns)
        self.throttle, self.free = None, False
        if self.rival is not None:
            self.observer.destroy_publisher(self.rival)
            self.rival = None
        for name in self.filled:
            resource.prlimit(self.processes[name].pid, resource.RLIMIT_FSIZE, (-1, -1))
        self.filled = []
        for name, process in self.processes.items():
            self.signal(name, signal.SIGCONT)
            if process.poll() is not None:
                self.start(name)

    def _starve(self) -> None:
        if self.throttle is not None:
            name, idle_s, busy_s = self.throttle
            idle = self.robot.clock() % (idle_s + busy_s) < idle_s
            self.signal(name, signal.SIGSTOP if idle else signal.SIGCONT)

    # ---- time

    def run(self, until: Callable[[], object], limit_s: float) -> bool:
        """Serve the graph until something is so; False when it is not so within ``limit_s`` of wall time."""
        end = time.monotonic() + limit_s
        while not until():
            if time.monotonic() > end:
                return False
            self._poller.turn(self.nodes)
            self._starve()
            for line in self.observer.lines.values():
                line.pump()
        return True

    def rest(self, seconds: float) -> None:
        self.run(lambda: False, seconds)
