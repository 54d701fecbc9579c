"""The supervisor's node: topics, services and watchdogs around ``ros2_rl.safety``.

It alone writes ``joint_commands``. Watchdogs count the ticks of a steady timer, never a clock: a
process that was held up itself does not take its own pause for a silent robot.
"""

import time
from array import array
from functools import partial
from pathlib import Path

from diagnostic_msgs.msg import DiagnosticStatus
from rclpy.clock import Clock, ClockType
from rclpy.node import Node
from sensor_msgs.msg import JointState

from ros2_rl.nodes._main import run
from ros2_rl.nodes.asking import offer
from ros2_rl.nodes.conversions import joint_reader, reliable, status_msg, status_values
from ros2_rl.nodes.hearing import Hearing
from ros2_rl.nodes.loop_diagnostics import LoopDiagnostics
from ros2_rl.nodes.parameters import Row, declare, describe
from ros2_rl.nodes.realtime_parameters import treat
from ros2_rl.nodes.sole_writer import SoleWriter
from ros2_rl.nodes.state_input import StateInput
from ros2_rl.paths import share_path
from ros2_rl.policy.onnx_policy import load_equipped
from ros2_rl.realtime import collect, quiet_collector, yield_soon
from ros2_rl.robots import NS_PER_S, JointCommand, RobotState
from ros2_rl.safety.blackbox import EventWriter
from ros2_rl.safety.config import load_safety
from ros2_rl.safety.learned import load_recovery
from ros2_rl.safety.modes import Mode
from ros2_rl.safety.reaction import OK, Reaction, Verdict
from ros2_rl.safety.recovery import RecoveryController
from ros2_rl.safety.requests import REQUESTS
from ros2_rl.safety.supervisor import Supervisor

_LEVELS = {
    Mode.RECOVERY: DiagnosticStatus.WARN,
    Mode.DAMPING: DiagnosticStatus.ERROR,
    Mode.ESTOP: DiagnosticStatus.ERROR,
}
_FAREWELL_S = 0.3
_PARAMETERS: tuple[Row, ...] = (
    ("robot", "go2", "robot in config/robots and config/safety"),
    ("policy", "", "ONNX policy whose gains are carried out; empty: only the robot's own"),
    ("autostart", True, "stand up and start the policy without a person"),
    ("lockstep", False, "wait for the policy's target of every control step"),
    ("lockstep_timeout_s", 10.0, "longest wait in lockstep, wall time, s", (0.5, 600.0)),
    ("policy_step_s", 0.02, "control step of the policy, s", (0.001, 0.2)),
    ("recovery_policy", "config/policies/recovery.onnx", "in the share folder, or absolute"),
    ("events_dir", "", "folder for a file an event, with the second before it; empty: none"),
)


class SupervisorNode(Node):
    """Answers ``joint_states`` with ``joint_commands``."""

    def __init__(self) -> None:
        super().__init__("supervisor")
        self._value = declare(self, _PARAMETERS)
        self._rivals = SoleWriter(self, "joint_commands")
        robot, lockstep = load_equipped(self._value("robot"), self._value("policy")), self._value("lockstep")
        config = load_safety(robot.name)
        self._rules, self._step_ns = config.guards, round(self._value("policy_step_s") * NS_PER_S)
        self.supervisor = self._build(robot, config, lockstep)
        self._reader = joint_reader(robot.joints)
        self._msg = JointState(name=list(robot.joints))
        self._told = -1
        folder = self._value("events_dir")
        self._events = EventWriter(Path(folder)) if folder else None
        self._happened = 0
        self._heard, self._tick_at = False, time.perf_counter()
        self._lockstep, self._shown_ns = lockstep, -1
        self._quiet = self._waited = 0
        period = 0.25 if lockstep else 0.01
        self._silences = self._watchdogs(lockstep, period)
        self._patience = max(self._silences)
        self._learner_quiet = -1
        self._connect(robot, period)
        self._take_residual_limit(config.residual.limit_deg)
        treat(self)
        yield_soon()  # the thread that writes events must not hold up a command
        quiet_collector()

    def close(self) -> None:
        """Damp the joints, and go on answering for a moment, so that the last command is a safe one."""
        self._send(self.supervisor.react(Reaction.DAMPING, "shutting down"))
        self._tell()
        end = time.monotonic() + _FAREWELL_S
        while (left := end - time.monotonic()) > 0:
            self._send(self.supervisor.answer())
            if self.executor is None:
                break
            self.executor.spin_once(timeout_sec=min(left, 0.05))
        self._send(self.supervisor.answer())
        if self._events is not None:
            self._events.close()

    # ---- set-up

    def _take_residual_limit(self, limit_deg: float) -> None:
        """The one setting that may change while the robot works, and only below what is configured."""
        text = "largest change of a joint target by a learned residual, deg; 0: the base alone"
        descriptor = describe(limit_deg, text, (0.0, limit_deg), read_only=False)
        self.declare_parameter("residual_limit_deg", limit_deg, descriptor)
        self.supervisor.limit_residual(self._value("residual_limit_deg"))
        self.add_post_set_parameters_callback(self._on_parameters)

    def _on_parameters(self, parameters) -> None:
        for parameter in parameters:
            if parameter.name == "residual_limit_deg":
                self.supervisor.limit_residual(parameter.value)
                self._tell()

    def _build(self, robot, config, lockstep: bool) -> Supervisor:
        path = share_path() / self._value("recovery_policy")
        learned = load_recovery(path, robot) if robot.floating else None
        if robot.floating and learned is None:
            self.get_logger().warning(f"There is no recovery policy {path.name}; recovery is scripted.")
        return Supervisor(
            robot,
            config,
            RecoveryController(robot, config, learned),
            step_ns=self._step_ns,
            lockstep=lockstep,
            autostart=self._value("autostart"),
        )

    def _watchdogs(self, lockstep: bool, period: float) -> dict[int, Verdict]:
        """What silence of the robot leads to, by the ticks of the watchdog's timer that it has lasted."""
        brief, lasting = self._rules.state_silence, self._rules.lasting_state_silence
        found = {} if lockstep else {"state silence": (brief.after_s, brief.reaction)}
        lasting_s = self._value("lockstep_timeout_s") if lockstep else lasting.after_s
        found["lasting state silence"] = (lasting_s, lasting.reaction)
        return {
            max(round(after_s / period), 1): Verdict(reaction, f"no state for {after_s:g} s", guard)
            for guard, (after_s, reaction) in found.items()
        }

    def _connect(self, robot, period: float) -> None:
        self._commands = self.create_publisher(JointState, "joint_commands", reliable(1))
        self._states = self.create_publisher(
            DiagnosticStatus, "supervisor/state", reliable(100, latched=True)
        )
        self._loop = LoopDiagnostics(self, min_rate_hz=90.0, max_execution_ms=4.0, max_latency_ms=15.0)
        for name in REQUESTS:
            offer(self, f"supervisor/{name}", partial(self._asked, name))
        self._hearing = Hearing(self, robot, self.supervisor.senses)
        self.states = StateInput(self, robot, self._on_state).subscription
        """What the robot's states come by, for who serves this node without a wait set."""
        self.create_subscription(JointState, "policy/targets", self._on_target, reliable(1), raw=True)
        steady = Clock(clock_type=ClockType.STEADY_TIME)
        self.create_timer(period, self._watch, clock=steady)
        self.create_timer(1.0, self._every_second, clock=steady)

    # ---- what comes in

    def _on_state(self, state: RobotState) -> None:
        begin = time.perf_counter()
        if state.stamp_ns != self._shown_ns or self._lockstep:  # a clock that stands still is silence, too
            self._quiet, self._heard, self._shown_ns = 0, True, state.stamp_ns
        if state.stamp_ns % self._step_ns == 0:
            self._tick_at = begin
            self._hearing.look(state.stamp_ns)
        else:
            self._look_for_rival()
        self._send(self.supervisor.on_state(state))
        self._tell()
        self._loop.ran(state.stamp_ns, time.perf_counter() - begin)

    def _on_target(self, raw: bytes) -> None:
        try:
            target = self._reader.command(raw)
        except ValueError as error:
            self.get_logger().error(f"A target of the policy is dropped: {error}.", throttle_duration_sec=1.0)
            return
        self._send(self.supervisor.on_target(target))
        self._look_for_rival()
        self._loop.delayed(time.perf_counter() - self._tick_at)
        self._tell()

    def _asked(self, name: str) -> tuple[bool, str]:
        answer = self.supervisor.request(name)
        self._send(self.supervisor.answer())
        self._tell()
        return answer

    # ---- watchdogs

    def _watch(self) -> None:
        """Count the ticks without a state and, in lockstep, those of a wait for a target."""
        self._quiet += 1
        self._waited = self._waited + 1 if self.supervisor.waiting else 0
        silence = self._silences.get(self._quiet) if self._heard else None
        if silence is not None:
            self._send(self.supervisor.silence(silence))
            self._tell()
        if self._waited == self._patience:
            cause = f"no target of the policy for {self._value('lockstep_timeout_s'):g} s"
            self._send(self.supervisor.go_on(Verdict(Reaction.HOLD, cause, "target silence")))
            self._tell()

    def _react(self, reaction: Reaction, cause: str, guard: str) -> None:
        self._send(self.supervisor.react(reaction, cause, guard))
        self._tell()

    def _watch_learner(self) -> None:
        """Count the seconds without the learner, once it has been heard."""
        heard, self._hearing.learner_heard = self._hearing.learner_heard, False
        if not heard and self._learner_quiet < 0:
            return
        self._learner_quiet = 0 if heard else self._learner_quiet + 1
        rule = self._rules.learner_silence
        silent = self._learner_quiet >= rule.after_s
        cause = f"the learner has been silent for {self._learner_quiet} s"
        self.supervisor.panel.tell("learner", Verdict(rule.reaction, cause, "learner") if silent else OK)

    def _every_second(self) -> None:
        self._watch_learner()
        collect()
        self._look_for_rival()
        self._rivals.each_second("the robot is damped")
        status = self._status()
        self._states.publish(status)
        self._tell_of_events()
        now_ns = self.get_clock().now().nanoseconds
        self._loop.tell(now_ns, status.message, status.level, **status_values(status))

    def _look_for_rival(self) -> None:
        """Stop at once beside a second writer.

        Done at every state, but at a control step only once the policy's target is on its way.
        """
        if self._rivals.appears():
            self._react(self._rules.second_writer.reaction, self._rivals.cause, "second writer")

    # ---- what goes out

    def _send(self, command: JointCommand | None) -> None:
        if command is None:
            return
        msg = self._msg
        msg.header.stamp.sec, msg.header.stamp.nanosec = divmod(command.stamp_ns, NS_PER_S)
        msg.header.frame_id = command.gains
        msg.position = array("d", command.q.tobytes())
        msg.velocity = array("d", command.dq.tobytes())
        msg.effort = array("d", command.tau.tobytes())
        self._commands.publish(msg)

    def _tell(self) -> None:
        """Publish ``supervisor/state`` if something has changed."""
        if self.supervisor.revision == self._told:
            return
        self._told = self.supervisor.revision
        self._states.publish(self._status())
        snapshot = self.supervisor.snapshot()
        if self._events is not None and snapshot.events != self._happened:
            self._happened = snapshot.events
            self._events.keep(snapshot, self.supervisor.recent())
            self.supervisor.told()
        self.get_logger().info(f"{snapshot.mode} at {snapshot.stamp_ns / NS_PER_S:.3f} s: {snapshot.reason}")

    def _tell_of_events(self) -> None:
        """Say that an event is not on the disk, each time one is lost."""
        events = self._events
        if events is not None and events.fault:
            self.get_logger().warning(f"An event is lost ({events.lost} so far): {events.fault}.")
            events.fault = ""

    def _status(self) -> DiagnosticStatus:
        snapshot = self.supervisor.snapshot()
        return status_msg(
            "supervisor",
            snapshot.mode,
            _LEVELS.get(snapshot.mode, DiagnosticStatus.OK),
            reason=snapshot.reason,
            actor=snapshot.actor,
            since_ns=snapshot.since_ns,
            stamp_ns=snapshot.stamp_ns,
            policy_from_ns=snapshot.policy_from_ns,
            human_from_ns=snapshot.human_from_ns,
            human_until_ns=snapshot.human_until_ns,
            falls=snapshot.falls,
            overrides=snapshot.overrides,
            limited=snapshot.limited,
            guard=snapshot.guard,
            tripped=", ".join(snapshot.tripped),
            distrusted=snapshot.distrusted,
            residual_limit_deg=snapshot.residual_limit_deg,
            events=snapshot.events,
            events_lost=0 if self._events is None else self._events.lost,
        )


def main(args: list[str] | None = None) -> int:
    return run(SupervisorNode, args)


if __name__ == "__main__":
    raise SystemExit(main())
