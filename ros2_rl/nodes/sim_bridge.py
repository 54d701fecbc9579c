"""Node ``sim_bridge``: a MuJoCo robot behind the topics of a real one.

Robot time runs in real time, N times as fast, or in lockstep with the commands. One command after
the other sets the pace, so the node waits for them itself (:class:`TopicWait`), in turns of a
fraction of a second; between two turns the executor serves everything else.
"""

import gc
import math
import time

from diagnostic_msgs.msg import DiagnosticStatus
from rclpy.clock import Clock, ClockType
from rclpy.node import Node
from sensor_msgs.msg import JointState

from ros2_rl.durations import labelled
from ros2_rl.errors import ConfigError
from ros2_rl.manipulation.task import load_arm_task
from ros2_rl.nodes._main import run
from ros2_rl.nodes.arm_topics import ArmTopics
from ros2_rl.nodes.asking import offer
from ros2_rl.nodes.audience import Audience
from ros2_rl.nodes.conversions import joint_reader, reliable
from ros2_rl.nodes.loop_diagnostics import LoopDiagnostics
from ros2_rl.nodes.phases import follow_phases
from ros2_rl.nodes.robot_topics import TRUTH_NS, RobotTopics
from ros2_rl.nodes.sim_parameters import SimParameters
from ros2_rl.nodes.topic_wait import TopicWait
from ros2_rl.policy.onnx_policy import load_equipped
from ros2_rl.robots import NS_PER_S, RobotDescription
from ros2_rl.sim.arm_plant import ArmPlant
from ros2_rl.sim.drives import COMMAND_TIMEOUT_S
from ros2_rl.sim.gap_switch import GapSwitch
from ros2_rl.sim.joint_plant import JointPlant
from ros2_rl.sim.latency import TickLatency
from ros2_rl.sim.pace import LockstepWait, Pacer, RealTimeFactor
from ros2_rl.sim.perturbations import Perturbations, nominal
from ros2_rl.sim.plant import Plant
from ros2_rl.sim.viewer import Viewer

_TURN_S = 0.02
"""How long one topic has the node to itself, s."""
_FAREWELL_S = 1.0
_RIVAL_LOOKS = 2
"""Looks in a row at which there is a second writer, before the node ends."""
_VIEW_S = 1 / 30

_AWAITED = ["joint_commands", "policy/targets", "odom", "cmd_vel"]
_PARAMETERS = (
    ("lockstep", False, "step as soon as a state is answered, however fast that is"),
    ("lockstep_timeout_s", 10.0, "longest wait for an answer in lockstep, wall, s", (0.5, 600.0)),
    ("state_rate_hz", 200.0, "states a second of robot time, Hz", (10.0, 2000.0)),
    ("task", "", "task whose things lie on an arm's table, in config/tasks; empty: nothing"),
    ("physics_dt", 0.0025, "physics time step, s", (0.0002, 0.01)),
    ("wait_for_topics", _AWAITED, "robot time begins when each of these has a publisher"),
)


class SimBridge(Node):
    """Publishes the states of a :class:`Plant` and lets it do what ``joint_commands`` says."""

    def __init__(self, polled: bool = False) -> None:
        """``polled``: whoever owns the node calls :meth:`poll` and :meth:`listen`; nothing ever waits."""
        super().__init__("sim_bridge")
        self._polled = polled
        self.parameters = SimParameters(self, _PARAMETERS)
        value = self.parameters.value
        robot = load_equipped(value("robot"), value("policy"))
        gap = self.parameters.gap()
        self.plant = self._build(robot, gap)
        self._gap = GapSwitch(self.plant, gap, value("gap_from_start"))
        self._lockstep = value("lockstep")
        period_s = 1.0 / (value("state_rate_hz") * value("speed"))
        self._pacer, self._wait = Pacer(period_s), LockstepWait(value("lockstep_timeout_s"))
        self._loop = LoopDiagnostics(self, max_execution_ms=4.0, max_latency_ms=15.0)
        self._latency, self._factor = TickLatency(told=self._loop.delayed), RealTimeFactor()
        self._reader = joint_reader(robot.joints)
        self._audience = Audience(self, value("wait_for_topics"))
        self._running = False
        self._rivalled = 0
        self._states = self._received = self._dropped = 0
        self._viewer = None if value("headless") else Viewer(self.plant.model, self.plant.data)
        self._viewed = 0.0
        self._connect(robot)
        gc.collect()
        gc.freeze()

    def close(self) -> None:
        """Go on for a moment, so that the supervisor's last command, a safe one, gets through."""
        end = time.monotonic() + _FAREWELL_S
        while not self._damped and time.monotonic() < end and self.count_publishers(self._inbox.topic):
            self._run_until(min(time.monotonic() + 0.005, end))
        if self._viewer is not None:
            self._viewer.close()

    @property
    def lockstep(self) -> bool:
        """Whether robot time waits for commands."""
        return self._lockstep

    def left_s(self, now: float) -> float:
        """Wall time until the next state is due, s; in lockstep nobody is in a hurry."""
        return math.inf if self._lockstep or not self._running else self._pacer.left(now)

    @property
    def _damped(self) -> bool:
        return self.plant.drives.gains == "damping"

    # ---- set-up

    def _build(self, robot: RobotDescription, gap: Perturbations) -> JointPlant:
        value = self.parameters.value
        # The ground cannot be changed later, so a gap that begins later has its ground from the start.
        roughness = {"terrain_roughness_m": gap.terrain_roughness_m}
        start = gap if value("gap_from_start") else nominal(robot).model_copy(update=roughness)
        settings = start, value("seed"), value("physics_dt"), value("state_rate_hz")
        try:
            if robot.floating:
                return Plant(robot, *settings)
            return ArmPlant(robot, load_arm_task(value("task")) if value("task") else None, *settings)
        except ValueError as error:
            raise ConfigError(f"The rates do not fit, {error}: change one of the two.") from error

    def _connect(self, robot: RobotDescription) -> None:
        plant = self.plant
        self._topics = ArmTopics(self, plant) if isinstance(plant, ArmPlant) else RobotTopics(self, robot)
        self._inbox = TopicWait(self, JointState, "joint_commands", reliable(1))
        follow_phases(self, lambda: self.plant.stamp_ns, self._gap.on_phase)
        offer(self, "sim/reset", self._on_reset)
        self.parameters.follow(self._gap.change)
        steady = Clock(clock_type=ClockType.STEADY_TIME)
        if not self._polled:
            self.create_timer(0.001, self._turn, clock=steady)
        self.create_timer(1.0, self._each_second, clock=steady)

    # ---- robot time

    def _turn(self) -> None:
        """Let robot time run until it is the executor's turn again."""
        if self._running or self._begin():
            self._run_until(time.monotonic() + _TURN_S)
        else:
            self._inbox.next(_TURN_S)
        if self._viewer is not None and time.monotonic() - self._viewed > _VIEW_S:
            self._viewed = time.monotonic()
            self._viewer.show()

    def poll(self) -> None:
        """Let robot time run as far as it can without waiting for anybody."""
        now = time.monotonic()
        if not self._running:
            self._begin()
        elif self._lockstep and not self._wait.broken:
            self._step_by_command(now, now)
        else:
            self._step_by_wall(now, now)

    def listen(self) -> None:
        """Take the command that has come, if one has; robot time stays where it is."""
        raw = self._inbox.next(0.0) if self._running else None
        if raw is not None:
            self._hear(raw)

    def _begin(self) -> bool:
        """Start once everybody whom the robot needs is there."""
        self._running = self._audience.there(self._topics.readers)
        if self._running:
            self._show()
            self._pacer.restart(time.monotonic())
        return self._running

    def _run_until(self, end: float) -> None:
        while (now := time.monotonic()) < end:
            if self._lockstep and not self._wait.broken:
                self._step_by_command(now, end)
            else:
                self._step_by_wall(now, end)

    def _step_by_command(self, now: float, end: float) -> None:
        raw = self._inbox.next(min(end, now + self._wait.left(now)) - now)
        if raw is not None:
            self._hear(raw)
        elif self._wait.repeats(time.monotonic()):
            self._topics.publish_state(self.plant.state())
        elif self._wait.broken:
            self._pacer.restart(time.monotonic())

    def _step_by_wall(self, now: float, end: float) -> None:
        left = self._pacer.left(now)
        raw = self._inbox.next(min(left, end - now))
        if raw is not None:
            self._hear(raw)
        elif left <= 0.0:
            self._advance()
            self._pacer.count(now)

    def _hear(self, raw: bytes) -> None:
        """Pass a command on to the robot; in lockstep the one that answers its state lets time go on."""
        self._received += 1
        if self._rivalled:
            return
        try:
            command = self._reader.command(raw)
        except ValueError as error:
            self._dropped += 1
            self.get_logger().error(f"A command is dropped: {error}.", throttle_duration_sec=1.0)
            return
        answer = self._lockstep and command.stamp_ns == self.plant.stamp_ns
        if self._lockstep and not answer and not self._wait.broken:
            return  # the second answer to an earlier state, which was shown twice
        late_s = (self.plant.stamp_ns - command.stamp_ns) / NS_PER_S
        if late_s > COMMAND_TIMEOUT_S:
            self._dropped += 1
            self.get_logger().error(
                f"A command is dropped: it answers a state of {late_s:.2f} s ago.", throttle_duration_sec=1.0
            )
            return
        self.plant.apply(command)
        self._wait.heard()
        self._latency.came(command.stamp_ns, command.gains, time.monotonic())
        if answer:
            self._advance()

    def _advance(self) -> None:
        """Simulate up to the next state; in lockstep to the next one that gets through."""
        begin = time.perf_counter()
        self.plant.advance()
        self._show()
        self._loop.ran(self.plant.stamp_ns, time.perf_counter() - begin)
        while self._lockstep and self.plant.lost:
            self.plant.advance()
            self._show()

    def _show(self) -> None:
        plant, now = self.plant, time.monotonic()
        stamp_ns = plant.stamp_ns
        self._wait.asked(now)
        if not plant.lost:
            self._latency.sent(stamp_ns, now)
            self._topics.publish_state(plant.state())
            self._states += 1
        if stamp_ns % TRUTH_NS == 0 and self._topics.truth_has_readers:
            self._topics.publish_truth(plant.truth())
        self._topics.publish_slow(stamp_ns, plant.perturbations)

    # ---- what others ask for

    def _on_reset(self) -> tuple[bool, str]:
        """Robot time goes on: a clock that jumps back would be a new session for every other node."""
        sentence = self.plant.begin()
        self._latency.restart()
        if self._running:
            self._advance()
        return True, sentence

    # ---- once a second

    def _each_second(self) -> None:
        rivals = self.count_publishers(self._inbox.topic) > 1
        self._rivalled = self._rivalled + 1 if rivals else 0
        if rivals:
            self.plant.drives.release()
        self._publish_diagnostics()
        if self._rivalled >= _RIVAL_LOOKS:
            raise ConfigError(
                f"{self._inbox.topic} has two writers and nobody could say whom the robot obeys: "
                "it is damped; end one of them, then start again."
            )

    def _publish_diagnostics(self) -> None:
        plant, drives, now = self.plant, self.plant.drives, time.monotonic()
        level, text = self._health()
        self._loop.tell(
            plant.stamp_ns, text, level,
            real_time_factor=f"{self._factor.look(plant.stamp_ns / NS_PER_S, now):.2f}",
            stamp_ns=plant.stamp_ns,
            states=self._states,
            commands=self._received,
            rejected=drives.rejected + self._dropped,
            timeouts=drives.timeouts,
            out_of_limits=drives.out_of_limits,
            worst_excess=f"{drives.worst_excess:.6f}",
            **labelled("state_to_command", self._latency.figures_ms()),
            missed_ticks=self._latency.missed,
            lockstep_breaks=self._wait.breaks,
            given_up_s=f"{self._pacer.given_up_s:.3f}",
        )  # fmt: skip

    def _health(self) -> tuple[bytes, str]:
        drives = self.plant.drives
        if not self._running:
            return DiagnosticStatus.OK, "waits for " + ", ".join(self._audience.awaited)
        if self._rivalled:
            return DiagnosticStatus.ERROR, f"two writers of {self._inbox.topic}: the joints are damped"
        if self._wait.broken:
            return DiagnosticStatus.ERROR, "no answer in lockstep: the joints are damped"
        if drives.rejected or drives.timeouts or drives.out_of_limits:
            return DiagnosticStatus.WARN, "there were commands that were late or bad"
        return DiagnosticStatus.OK, "runs"


def main(args: list[str] | None = None) -> int:
    """Entry point of ``ros2 run ros2_rl sim_bridge``."""
    return run(SimBridge, args)


if __name__ == "__main__":
    raise SystemExit(main())
