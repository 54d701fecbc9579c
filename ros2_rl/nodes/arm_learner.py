"""Node ``arm_learner``: an arm's policy learns between its episodes from everything that was experienced.

It hears ``policy/step`` and says ``policy/adapter``, a version for each episode, which the executor
acknowledges on ``policy/active``. Gradient steps are made in slices, so that the node stays responsive.
"""

import sys
import time
from pathlib import Path

from diagnostic_msgs.msg import DiagnosticStatus
from rclpy.clock import Clock, ClockType
from rclpy.node import Node
from std_msgs.msg import Float32MultiArray, UInt8MultiArray

from ros2_rl.learning.arm_tuning import ArmTuning
from ros2_rl.learning.config import load_arm_learner
from ros2_rl.learning.run_log import RunLog
from ros2_rl.manipulation.arm_base import ArmBase
from ros2_rl.manipulation.practice import PracticeConfig, Told
from ros2_rl.manipulation.task import load_arm_task
from ros2_rl.manipulation.upload import EpisodeEnd, unpack
from ros2_rl.nodes._main import run
from ros2_rl.nodes.conversions import reliable, status_msg, status_values
from ros2_rl.nodes.loop_diagnostics import LoopDiagnostics
from ros2_rl.nodes.parameters import SEEDS, Row, declare

_SLICE = 20
"""Gradient steps between two looks at what has come."""
_PAUSE_S = 0.005
"""From one slice to the next, at most, wall time, s."""
_KEEP_EVERY = 10
"""Episodes of practice from one writing of the run to the next."""
_GRACE_S = 10.0
"""Wall time without any step after which the learner says that it waits, s."""
_FAREWELL_S = 0.5
"""So long the node goes on after the last trial, so that everybody hears of it, wall time, s."""
_PARAMETERS: tuple[Row, ...] = (
    ("robot", "arm", "robot in config/robots"),
    ("task", "reach", "task of that robot in config/tasks"),
    ("learner", "rlpd", "learner, as in config/learners"),
    ("minutes", 60.0, "practice, robot minutes, resets included", (0.1, 10_000.0)),
    ("episodes", 16, "trials before and after", (1, 1000)),
    ("seed", 1, "seed of the run", SEEDS),
    ("policy", "", "ONNX policy whose actions are changed within a bound; empty: there is none"),
    ("demos", "", "folder of demonstrations, or of an earlier run; empty: from scratch"),
    ("resume", "", "run_dir of an earlier run to go on from; empty: start anew"),
    ("run_dir", "", "folder of the run; empty: runs/<time>"),
)


class ArmLearner(Node):
    """Topics and timers around :class:`ArmTuning`."""

    def __init__(self) -> None:
        super().__init__("arm_learner")
        self._value = declare(self, _PARAMETERS)
        value = self._value
        self._run_dir = Path(value("run_dir") or Path("runs") / time.strftime("%Y%m%d-%H%M%S"))
        session = PracticeConfig(value("minutes"), value("episodes"), value("episodes"))
        demos = Path(value("demos")) if value("demos") else None
        task = load_arm_task(value("task"))
        base = ArmBase(value("policy"), task) if value("policy") else None
        config = load_arm_learner(value("learner"))
        self._tuning = ArmTuning(session, config, task, demos, value("seed"), base)
        if value("resume"):
            for note in self._tuning.resume(Path(value("resume"))):
                self.get_logger().warning(note)
        self._log = RunLog(self._run_dir)
        self._begin = self._heard_s = time.monotonic()
        self._working, self._end_s, self._practised = False, 0.0, 0
        self._stamp_ns, self._refused = 0, ""
        self._policies = self.create_publisher(UInt8MultiArray, "policy/adapter", reliable(1, True))
        self._reports = self.create_publisher(DiagnosticStatus, "learner/report", reliable(1000, True))
        self._loop = LoopDiagnostics(self)
        self.create_subscription(Float32MultiArray, "policy/step", self._on_step, reliable(2000))
        self.create_subscription(DiagnosticStatus, "policy/active", self._on_active, reliable(10, True))
        steady = Clock(clock_type=ClockType.STEADY_TIME)
        self.create_timer(_PAUSE_S, self._work, clock=steady)
        self.create_timer(1.0, self._each_second, clock=steady)
        self._publish()
        self.get_logger().info(f"The run is kept in {self._run_dir}.")

    @property
    def finished(self) -> bool:
        """Whether the last trial is over."""
        return self._tuning.practice.over

    def close(self) -> None:
        """Keep what was learned and from what."""
        self._tuning.keep(self._run_dir)
        practice = self._tuning.practice
        results = practice.results.items()
        data = {
            **{f"{name}_{key}": value for name, figures in results for key, value in figures.items()},
            **(practice.curve[-1] if practice.curve else {}),
            "lost_steps": practice.lost,
            "wall_seconds": round(time.monotonic() - self._begin, 1),
            "version": self._tuning.version,
            "seed": self._value("seed"),
            "ended": "budget" if self.finished else "interrupted",
        }  # fmt: skip
        self._log.write_json("summary.json", data)
        self._log.write_json("curve.json", {"practice": practice.curve})
        self._log.close()

    # ---- what comes in

    def _on_step(self, msg: Float32MultiArray) -> None:
        if self.finished:
            return  # what the arm still does until it has heard of the end is of no run
        try:
            item = unpack(msg.data, [(dim.label, dim.size) for dim in msg.layout.dim])
        except ValueError as error:
            self.get_logger().error(f"A step is dropped: {error}.", throttle_duration_sec=1.0)
            return
        begin, self._heard_s, self._stamp_ns = time.perf_counter(), time.monotonic(), item.stamp_ns
        if isinstance(item, EpisodeEnd):
            self._told(self._tuning.on_end(item))
            self._working = True
        else:
            self._tuning.on_transition(item)
        self._loop.ran(item.stamp_ns, time.perf_counter() - begin)

    def _on_active(self, msg: DiagnosticStatus) -> None:
        self._refused = "" if msg.level == DiagnosticStatus.OK else msg.message
        if self._refused:
            self.get_logger().warning(f"policy/active: {msg.message} {status_values(msg)}")

    # ---- what goes out

    def _work(self) -> None:
        """Some gradient steps; the next version once all are made."""
        if not self._working:
            return
        done, stats = self._tuning.work(_SLICE)
        if not done:
            return
        self._working = False
        if stats is not None:
            self._tell("update", stats.scalars())
            self._practised += 1
            if stats.reason:
                self.get_logger().warning(f"Update {stats.update} dropped: {stats.reason}.")
            if self._practised % _KEEP_EVERY == 0:
                self._tuning.keep(self._run_dir)
        self._publish()

    def _publish(self) -> None:
        self._policies.publish(UInt8MultiArray(data=self._tuning.policy().to_bytes()))

    def _told(self, reports: list[Told]) -> None:
        for report in reports:
            figures = "  ".join(f"{name.replace('_', ' ')} {v:.3g}" for name, v in report.values.items())
            print(f"{report.kind.replace('_', '-')}: {figures}", flush=True)
            self._tell(report.kind, report.values)

    def _tell(self, kind: str, values: dict[str, float]) -> None:
        self._log.scalars(values, self._tuning.learner.updates)
        figures = {name: f"{value:.6g}" for name, value in values.items()}
        self._reports.publish(status_msg("arm_learner", kind, DiagnosticStatus.OK, **figures))

    def _each_second(self) -> None:
        practice = self._tuning.practice
        silent = time.monotonic() - self._heard_s
        complaint = self._tuning.complaint or self._refused
        if silent > _GRACE_S and not self._working:
            complaint = complaint or f"no policy/step for {silent:.0f} s: is arm_executor running?"
        point = practice.curve[-1] if practice.curve else {}
        self._loop.tell(
            self._stamp_ns,
            complaint or practice.kind,
            DiagnosticStatus.WARN if complaint else DiagnosticStatus.OK,
            version=self._tuning.version,
            intervention_rate=f"{point.get('intervention_rate', 0.0):.4f}",
            robot_minutes=f"{practice.robot_minutes:.2f}",
            lost_steps=practice.lost,
        )
        if self.finished:
            self._end_s = self._end_s or time.monotonic() + _FAREWELL_S
            if time.monotonic() >= self._end_s:
                raise SystemExit(0)


def main(args: list[str] | None = None) -> int:
    """Entry point of ``ros2 run ros2_rl arm_learner``."""
    return run(ArmLearner, args)


if __name__ == "__main__":
    sys.exit(main())
