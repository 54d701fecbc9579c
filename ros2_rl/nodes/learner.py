"""Node ``learner``: runs a fine-tuning session; updates are made in a thread of their own.

It hears ``policy/step`` and ``supervisor/state``, and says ``learner/phase`` and
``policy/adapter``. The robot does not wait for it: it may die, and the last good policy goes on.
"""

import sys
import time
from pathlib import Path

import numpy as np
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from rclpy.clock import Clock, ClockType
from rclpy.node import Node
from sensor_msgs.msg import JointState
from std_msgs.msg import Float32MultiArray, UInt8MultiArray

from ros2_rl.errors import ConfigError
from ros2_rl.learning.config import load_learner
from ros2_rl.learning.critic_fit import critic_for
from ros2_rl.learning.events import Announce, Event, Finish, Label, Learn, Report, Restore
from ros2_rl.learning.finetune import FineTuning
from ros2_rl.learning.run_log import RunLog, plot_curves, print_summary, progress_line, summary
from ros2_rl.learning.session_config import SessionConfig
from ros2_rl.learning.worker import Worker
from ros2_rl.messages import JointOrder
from ros2_rl.nodes import phases
from ros2_rl.nodes._main import run
from ros2_rl.nodes.conversions import reliable, status_msg, status_values
from ros2_rl.nodes.learner_parameters import LEARNER_PARAMETERS
from ros2_rl.nodes.learner_services import LearnerServices
from ros2_rl.nodes.loop_diagnostics import LoopDiagnostics
from ros2_rl.nodes.parameters import declare
from ros2_rl.nodes.realtime_parameters import keep_to_cores
from ros2_rl.policy.adapter import Adapter
from ros2_rl.policy.step import unpack
from ros2_rl.realtime import give_way
from ros2_rl.robots import load_robot
from ros2_rl.tasks import load_task

_GIVEN_UP, _FAREWELL = ("DAMPING", "ESTOP"), "shutting down"
"""Modes of the supervisor that end a run, and the reason with which it leaves by itself."""
_PATIENCE_S = 60.0
"""Robot time after which a person who still drives is reminded, s."""
_GRACE_S = 10.0
"""Wall time without any control step after which the learner says that it waits."""


class LearnerNode(Node):
    """Topics, services and a thread around :class:`FineTuning`."""

    def __init__(self) -> None:
        super().__init__("learner")
        value = self._value = declare(self, LEARNER_PARAMETERS)
        keep_to_cores(self)
        complaint = give_way() if value("give_way") else ""
        if complaint:
            self.get_logger().warning(complaint)
        robot, self._task = load_robot(value("robot")), load_task(value("task"))
        config = load_learner(value("learner"))
        policy = Path(value("policy") or self._task.policy_path)
        session = SessionConfig(
            minutes=value("minutes"),
            goal=value("goal"),
            episodes=value("episodes"),
            look_episodes=max(value("episodes") // 2, 1),
            measure_pretrained=value("measure_pretrained"),
        )
        clock = None if value("lockstep") else time.monotonic
        self._tuning = FineTuning(
            session, config, self._task, robot, policy, critic_for(policy, self._task, robot), value("seed"),
            clock,
        )  # fmt: skip
        self._run_dir = Path(value("run_dir") or Path("runs") / time.strftime("%Y%m%d-%H%M%S"))
        self._log = RunLog(self._run_dir)
        self._order = JointOrder(robot.joints)
        self._session = self._tuning.session
        self._reports: list[Report] = []
        self._robot: dict[str, float] = {}
        self._finished = ""
        self._begin = self._last_step = time.monotonic()
        self._first_stamp = self._stamp = 0
        self._worker = Worker(self._tuning)
        self._connect()
        self._worker.start()
        self.get_logger().info(f"The run is kept in {self._run_dir}.")
        if value("resume"):
            restored = self._tuning.resume(Path(value("resume")) / "checkpoints")
            for note in restored.notes:
                self.get_logger().warning(note)
        if value("replay"):
            count = self._tuning.mix_in(Path(value("replay")))
            self.get_logger().info(f"{count} steps of an earlier run are mixed in.")
        self._tuning.keep(self._run_dir / "checkpoints")
        if self._tuning.fits_critic:
            self.get_logger().info(
                "The policy has no critic: the first "
                f"{self._tuning.critic_fit_minutes:g} robot minutes go into fitting one, then it learns."
            )
        self._publish(self._tuning.initial())
        self._begun, self._acting = not value("start_with_policy"), False
        if self._begun:
            self._carry_out(self._session.begin())

    @property
    def exit_status(self) -> int:
        """0 when the session came to its end."""
        return 0 if self._finished in ("goal", "budget") else 1

    def close(self) -> None:
        """Keep what was learned: summary, curves, adapter and merged policy."""
        self._worker.close()
        self._save()
        data = summary(self._session, time.monotonic() - self._begin, self._figures(), self._value("gap"))
        data["ended"] = self._finished or "interrupted"
        self._log.write_json("summary.json", data)
        if self._finished:
            plot_curves(self._session, self._reports, self._run_dir / "curves.png")
            print_summary(data)
            sys.stdout.flush()
        self._log.close()

    # ---- set-up

    def _connect(self) -> None:
        self._pub_phase = self.create_publisher(DiagnosticStatus, phases.TOPIC, phases.QOS)
        self._pub_adapter = self.create_publisher(UInt8MultiArray, "policy/adapter", reliable(1, True))
        self._pub_report = self.create_publisher(DiagnosticStatus, "learner/report", reliable(1000, True))
        self._loop = LoopDiagnostics(self, min_rate_hz=45.0, max_execution_ms=20.0)
        self.create_subscription(DiagnosticStatus, "supervisor/state", self._on_label, reliable(100, True))
        self.create_subscription(Float32MultiArray, "policy/step", self._on_step, reliable(2000))
        self.create_subscription(DiagnosticStatus, "policy/active", self._on_active, reliable(10, True))
        if self._tuning.hears_commands:
            self.create_subscription(JointState, "joint_commands", self._on_command, reliable(200))
        self.create_subscription(DiagnosticArray, "diagnostics", self._on_diagnostics, reliable(10))
        LearnerServices(self, self._tuning, self._worker, self._save, lambda: self._stamp)
        steady = Clock(clock_type=ClockType.STEADY_TIME)
        self.create_timer(0.02, self._collect_updates, clock=steady)
        self.create_timer(1.0, self._each_second, clock=steady)

    # ---- what comes in

    def _on_label(self, msg: DiagnosticStatus) -> None:
        values = status_values(msg)
        try:
            label = Label(int(values["stamp_ns"]), values["actor"], int(values["falls"]))
        except (KeyError, ValueError):
            self.get_logger().error("supervisor/state lacks its stamp or actor; it is ignored.", once=True)
            return
        self._session.on_label(label)
        self._acting = label.actor == "policy"
        if msg.message in _GIVEN_UP and values.get("reason") != _FAREWELL and self._in_this_run(values):
            raise ConfigError(
                f"The supervisor has damped the robot ({values.get('reason')}), so the run ends here; "
                f"what was learned is in {self._run_dir}."
            )

    def _in_this_run(self, values: dict[str, str]) -> bool:
        """Whether a mode began since the first control step that was heard.

        The topic keeps what was said before this node began. What is heard before the first step is said
        again, once a second, after it.
        """
        return 0 < self._first_stamp <= int(values.get("since_ns", 0))

    def _on_step(self, msg: Float32MultiArray) -> None:
        try:
            record = unpack(np.asarray(msg.data), [(d.label, d.size) for d in msg.layout.dim])
        except ValueError as error:
            self.get_logger().error(f"A control step is dropped: {error}.", throttle_duration_sec=1.0)
            return
        self._last_step, begin = time.monotonic(), time.perf_counter()
        self._stamp = record.stamp_ns
        self._tuning.answered()
        if not self._first_stamp:
            self._first_stamp, self._first_wall = record.stamp_ns, self._last_step
        if not self._begun and self._acting:
            # What the supervisor said may be from long ago; a step is of now.
            self._begun = True
            self._carry_out(self._session.begin(record.stamp_ns))
        self._carry_out(self._session.on_step(record))
        self._loop.ran(record.stamp_ns, time.perf_counter() - begin)

    def _on_command(self, msg: JointState) -> None:
        try:
            self._tuning.on_command(self._order.command(msg))
        except ValueError as error:
            self.get_logger().error(f"A joint command is dropped: {error}.", throttle_duration_sec=1.0)

    def _on_active(self, msg: DiagnosticStatus) -> None:
        if msg.level != DiagnosticStatus.OK:
            self.get_logger().warning(f"policy/active: {msg.message} {status_values(msg)}")

    def _on_diagnostics(self, msg: DiagnosticArray) -> None:
        """Latency and missed ticks, as the simulator measures them."""
        for status in msg.status:
            values = status_values(status)
            if "missed_ticks" in values and "state_to_command_ms_p50" in values:
                self._robot = {key: float(value) for key, value in values.items() if _is_number(value)}

    # ---- what the session asks for

    def _carry_out(self, events: list[Event]) -> None:
        for event in events:
            if isinstance(event, Announce):
                if event.why_again:
                    self.get_logger().warning(f"The evaluation is made again, since {event.why_again}.")
                self._pub_phase.publish(phases.phase_msg(event.phase))
            elif isinstance(event, Learn | Restore):
                self._worker.take_on(event)
            elif isinstance(event, Report):
                self._report(event)
            elif isinstance(event, Finish):
                self._finished = event.reason

    def _report(self, report: Report) -> None:
        self._reports.append(report)
        print(progress_line(self._session, report, self._real_time_factor()), flush=True)
        self._log.scalars(report.values, self._session.counters.steps)
        self._tell(report.kind, report.values)

    def _tell(self, kind: str, values: dict[str, float]) -> None:
        """Publish a report for whoever looks on."""
        self._pub_report.publish(
            status_msg("learner", kind, DiagnosticStatus.OK, **{k: str(v) for k, v in values.items()})
        )

    def _publish(self, adapter: Adapter) -> None:
        self._pub_adapter.publish(UInt8MultiArray(data=adapter.to_bytes()))

    def _collect_updates(self) -> None:
        for adapter, update in self._worker.done():
            self._publish(adapter)
            if update is not None:
                self._log.scalars(update.stats.scalars(), self._session.counters.steps)
                self._tell("update", update.stats.scalars() | {"robot_minutes": self._session.robot_minutes})
                if update.stats.note:
                    self.get_logger().info(update.stats.note)
                if update.stats.reason:
                    self.get_logger().warning(f"Update {update.stats.update} dropped: {update.stats.reason}.")
        if self._finished and not self._worker.waiting:
            raise SystemExit(self.exit_status)

    # ---- files, diagnostics

    def _save(self) -> str:
        """Adapter and merged policy as files; each appears whole or not at all."""
        self._tuning.export(self._run_dir)
        return f"Saved to {self._run_dir}."

    def _real_time_factor(self) -> float:
        if not self._first_stamp:
            return 0.0
        wall = max(time.monotonic() - self._first_wall, 1e-3)
        return 1e-9 * (self._stamp - self._first_stamp) / wall

    def _figures(self) -> dict[str, object]:
        names = ("state_to_command_ms_p50", "state_to_command_ms_p99", "state_to_command_ms_max")
        latency = {n.rsplit("_", 1)[1]: self._robot[n] for n in names if n in self._robot}
        return {
            "real_time_factor": round(self._real_time_factor(), 2),
            "adapter_version": self._tuning.version,
            "missed_ticks": int(self._robot.get("missed_ticks", 0)),
            "state_to_command_ms": latency,
        }

    def _each_second(self) -> None:
        silent = time.monotonic() - self._last_step
        level, message = DiagnosticStatus.OK, self._session.phase.name if self._session.phase else "starting"
        if silent > _GRACE_S:
            level, message = (
                DiagnosticStatus.WARN,
                f"no policy/step for {silent:.0f} s: is the executor running?",
            )
        elif self._session.driven_s > _PATIENCE_S:
            level = DiagnosticStatus.WARN
            message = f"a person has been driving for {self._session.driven_s:.0f} s; learning waits for them"
        elif self._tuning.complaint:
            level, message = DiagnosticStatus.WARN, self._tuning.complaint
        values = {
            "intervention_share": f"{self._session.counters.intervention_share:.4f}",
            "robot_minutes": f"{self._session.robot_minutes:.2f}",
            "adapter_version": self._tuning.version,
            "paused": self._session.paused,
            "falls": self._session.counters.falls,
            "queue": self._worker.waiting,
            **{name: f"{value:.3g}" for name, value in self._tuning.pace().items()},
            "update_s": f"{self._worker.update_s:.2f}",
        }
        self._loop.tell(self.get_clock().now().nanoseconds, message, level, **values)


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def main(args: list[str] | None = None) -> int:
    return run(LearnerNode, args)


if __name__ == "__main__":
    sys.exit(main())
