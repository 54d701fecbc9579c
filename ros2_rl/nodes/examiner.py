"""Node ``examiner``: examines a policy before it may be promoted, on simulated robots of its own.

It says on ``diagnostics`` how far it is and on ``exam/result`` how it ended; exit status 0 means that
the policy has passed. The trials are lockstep runs of the very classes that the other nodes wrap
(``ros2_rl/sim/loop.py``), joined without a graph, as fast as they go.
"""

import sys
import threading
from pathlib import Path

from diagnostic_msgs.msg import DiagnosticStatus
from rclpy.clock import Clock, ClockType
from rclpy.node import Node

from ros2_rl.evaluation.candidate import Setting
from ros2_rl.evaluation.exam import load_exam
from ros2_rl.evaluation.sheet import print_table
from ros2_rl.evaluation.sitting import Sitting, check_policies, find_policy
from ros2_rl.evaluation.verdict import Check
from ros2_rl.nodes._main import run
from ros2_rl.nodes.conversions import reliable, status_msg
from ros2_rl.nodes.loop_diagnostics import LoopDiagnostics
from ros2_rl.nodes.parameters import SEEDS, Row, declare
from ros2_rl.sim.perturbations import load_gap
from ros2_rl.sim.trial import Outcome
from ros2_rl.tasks import load_task

_JOIN_S = 0.5
"""How long the end of a trial is awaited; a launch has 4 s for everything."""
_PARAMETERS: tuple[Row, ...] = (
    ("robot", "go2", "robot, as in config/robots"),
    ("task", "trot", "task, as in config/tasks"),
    ("policy", "", "ONNX policy or run_dir of a run that is examined; empty: the base alone"),
    ("base", "", "ONNX policy that it is compared with; empty: that of the task"),
    ("gap", "default", "robot on which it is examined, as in config/gaps"),
    ("exam", "standard", "what is asked, as in config/exams"),
    ("seed", 1, "seed of sensors and adversary", SEEDS),
    ("run_dir", ".", "folder of the results"),
    ("video", True, "film the worst trial"),
)


class Examiner(Node):
    """A thread around :class:`Sitting`, and what is told of it."""

    def __init__(self) -> None:
        super().__init__("examiner")
        self._value = declare(self, _PARAMETERS)
        self._sitting = self._read()
        self._done, self._stopped = 0, False
        self._failed: Exception | None = None
        self._verdict: list[Check] | None = None
        self._pub_result = self.create_publisher(DiagnosticStatus, "exam/result", reliable(1, latched=True))
        self._loop = LoopDiagnostics(self)
        steady = Clock(clock_type=ClockType.STEADY_TIME)
        self.create_timer(1.0, self._each_second, clock=steady)
        self.create_timer(0.1, self._look, clock=steady)
        self._thread = threading.Thread(target=self._examine, daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._stopped = True
        self._thread.join(_JOIN_S)

    def _read(self) -> Sitting:
        task = load_task(self._value("task"))
        setting = Setting(
            load_exam(self._value("exam")), task, load_gap(self._value("gap")), self._value("robot"),
            self._value("seed"),
        )  # fmt: skip
        base = find_policy(self._value("base")) if self._value("base") else task.policy_path
        policy = find_policy(self._value("policy")) if self._value("policy") else None
        check_policies([path for path in (policy, base) if path], setting)
        out = Path(self._value("run_dir"))
        out.mkdir(parents=True, exist_ok=True)
        return Sitting(setting, policy or base, base if policy else None, out, self._value("video"))

    # ---- the thread

    def _examine(self) -> None:
        try:
            results, verdict, video = self._sitting.run(self._told, lambda: self._stopped)
            if not self._stopped:
                print_table(results, verdict)
                print(f"The exam is in {self._sitting.out}; film: {video}.", flush=True)
            self._verdict = verdict
        except Exception as error:  # the node's thread reports it and ends
            self._failed = error

    def _told(self, name: str, outcome: Outcome) -> None:
        if self._stopped:
            return
        self._done += 1
        what = f"lost after {outcome.lost_at_s:.1f} s ({outcome.reason})" if outcome.lost else "held"
        error = f"error {outcome.error_v:.2f} m/s"
        print(
            f"{self._done}/{self._sitting.count}  {name}  {outcome.section}, {outcome.name}: {what}, {error}",
            flush=True,
        )

    # ---- what is told

    def _each_second(self) -> None:
        count, now_ns = self._sitting.count, self.get_clock().now().nanoseconds
        self._loop.tell(now_ns, f"{self._done} of {count} trials", trials=self._done, of=count)

    def _look(self) -> None:
        if self._failed is not None:
            raise self._failed
        if self._verdict is None or self._stopped:
            return
        failed = [check for check in self._verdict if not check.passed]
        word = ("failed" if failed else "passed") if self._verdict else "no base to compare with"
        level = DiagnosticStatus.ERROR if failed else DiagnosticStatus.OK
        values = {check.figure: f"{check.reached:.4g}" for check in self._verdict}
        self._pub_result.publish(status_msg("examiner", word, level, **values))
        if failed:
            print(f"The policy has not passed: {'; '.join(check.what for check in failed)}.", flush=True)
        raise SystemExit(1 if failed else 0)


def main(args: list[str] | None = None) -> int:
    """Entry point of ``ros2 run ros2_rl examiner``."""
    return run(Examiner, args)


if __name__ == "__main__":
    sys.exit(main())
