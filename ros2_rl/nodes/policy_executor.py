"""Node ``policy_executor``: observation to joint targets at the policy's rate, with adapters."""

import math
import queue
import sys
import threading
import time
from array import array
from collections import deque
from pathlib import Path

import numpy as np
from diagnostic_msgs.msg import DiagnosticStatus
from rclpy.clock import Clock, ClockType
from rclpy.node import Node
from sensor_msgs.msg import JointState
from std_msgs.msg import Float32MultiArray, MultiArrayDimension, UInt8MultiArray

from ros2_rl.learning.phase import Phase
from ros2_rl.nodes._main import run
from ros2_rl.nodes.conversions import command_msg, reliable, status_msg, status_values
from ros2_rl.nodes.loop_diagnostics import LoopDiagnostics
from ros2_rl.nodes.parameters import SEEDS, Row, declare
from ros2_rl.nodes.phases import follow_phases
from ros2_rl.nodes.realtime_parameters import treat
from ros2_rl.nodes.step_inputs import Inputs, StepInputs
from ros2_rl.policy.runtime import PolicyFault, PolicyRuntime, Verdict
from ros2_rl.policy.schedule import (
    CommandInbox,
    DriverSchedule,
    MemoryGuard,
    NoiseSchedule,
    PunctualPhases,
)
from ros2_rl.policy.stats import TickStats
from ros2_rl.policy.step import StepRecord, pack
from ros2_rl.realtime import collect, quiet_collector, yield_soon
from ros2_rl.robots import NS_PER_S, load_robot
from ros2_rl.tasks import load_task

_PATIENCE_S = 0.02
"""A control step that is later than this is no longer expected."""
_PARAMETERS: tuple[Row, ...] = (
    ("robot", "go2", "robot, as in config/robots"),
    ("task", "trot", "task, as in config/tasks"),
    ("policy", "", "ONNX policy; empty: that of the task"),
    ("seed", 0, "seed of the exploration noise", SEEDS),
    ("lockstep", False, "wait for every input of a control step"),
    ("lockstep_timeout_s", 10.0, "longest such wait, s of wall time", (0.1, 600.0)),
    ("command_timeout_s", 0.5, "older commands count as zero, s", (0.02, 10.0)),
)


class PolicyExecutor(Node):
    """Topics, stamps and a thread for adapters around :class:`PolicyRuntime`."""

    def __init__(self, polled: bool = False) -> None:
        """``polled``: whoever owns the node calls :meth:`tell` when the robot has its command."""
        super().__init__("policy_executor")
        self._polled = polled
        self._value = declare(self, _PARAMETERS)
        robot, task = load_robot(self._value("robot")), load_task(self._value("task"))
        path = Path(self._value("policy") or task.policy_path)
        self.runtime = PolicyRuntime(path, robot, self._value("seed"), task)
        self.runtime.reach.limit_deg = 0.0  # until the supervisor says more
        self._lockstep, self._timeout_s = self._value("lockstep"), self._value("lockstep_timeout_s")
        timeout_ns = round(self._value("command_timeout_s") * NS_PER_S)
        low, high = np.array(list(task.command_ranges.values())).T
        self._commands = CommandInbox(low, high, self.runtime.step_ns, timeout_ns)
        self._noise, self._memory, self._stats = NoiseSchedule(), MemoryGuard(), TickStats()
        self._driver, self._phases = DriverSchedule(), PunctualPhases()
        self._joints = list(robot.joints)
        self._since_ns = self._accepted = self._refused = self._faults = self._states = 0
        self._pending: int | None = None
        self._deadline = 0.0
        self._last_stamp, self._last_targets = -1, JointState()
        self._due = math.inf
        self._step_msg = Float32MultiArray()
        self._untold: StepRecord | None = None
        self._connect()
        self._inputs = StepInputs(
            self, robot, self._commands, self._lockstep, self.runtime.needs_estimate,
            self._on_state, self._try_step,
        )  # fmt: skip
        self._start_worker()
        treat(self)
        self._announce("active")
        yield_soon()  # the thread that prepares adapters must not hold up a control step
        quiet_collector()

    @property
    def needs_estimate(self) -> bool:
        """Whether a control step waits for the estimator."""
        return self._inputs.needs_estimate

    def left_s(self, now: float) -> float:
        """Wall time until the next control step is due, s; infinite while there are none."""
        return self._due - now if now < self._due + _PATIENCE_S else math.inf

    def tell(self) -> None:
        """Publish the record of the last control step, if that is still to be done."""
        record, self._untold = self._untold, None
        if record is None:
            return
        if not self.needs_estimate:
            estimate = self._inputs.estimate(record.stamp_ns)
            if estimate is not None:
                record.know(estimate)
        self._publish_step(record)

    def close(self) -> None:
        """End the thread that prepares adapters."""
        self._queue.put(None)
        self._worker.join(timeout=2.0)

    def _connect(self) -> None:
        self._pub_targets = self.create_publisher(JointState, "policy/targets", reliable(1))
        self._pub_step = self.create_publisher(Float32MultiArray, "policy/step", reliable(2000))
        self._pub_active = self.create_publisher(
            DiagnosticStatus, "policy/active", reliable(10, latched=True)
        )
        self._loop = LoopDiagnostics(self, min_rate_hz=45.0, max_execution_ms=10.0, max_latency_ms=15.0)
        self.create_subscription(UInt8MultiArray, "policy/adapter", self._on_adapter, reliable(1, True))
        follow_phases(self, lambda: self._last_stamp, self._on_phase)
        self.create_subscription(DiagnosticStatus, "supervisor/state", self._on_mode, reliable(100, True))
        self.create_timer(1.0, self._each_second, clock=Clock(clock_type=ClockType.STEADY_TIME))

    # ---- control steps

    def _on_state(self, stamp_ns: int) -> None:
        """Begin a control step, or answer one again."""
        self._states += 1
        if not self.runtime.is_tick(stamp_ns):
            return
        if stamp_ns == self._last_stamp:
            self._pub_targets.publish(self._last_targets)
            return
        if stamp_ns < self._last_stamp:  # the robot's time began anew
            self._commands.clear()
            self.runtime.reset()
        if stamp_ns != self._pending:
            self._pending, self._deadline = stamp_ns, time.monotonic() + self._timeout_s
        self._try_step()

    def _try_step(self, give_up: bool = False) -> None:
        """Compute the pending step if all it needs is there."""
        if self._pending is None:
            return
        begin = time.perf_counter()
        inputs = self._inputs.gather(self._pending, give_up)
        if inputs is not None and not self._awaits_adapter(self._pending, give_up):
            self._pending = None
            self._step(inputs, begin)
        elif not self._lockstep or give_up:
            self._pending = None

    def _awaits_adapter(self, stamp_ns: int, give_up: bool) -> bool:
        due = self.runtime.due_version(self.runtime.step_of(stamp_ns)) if self._lockstep else None
        if due is None or not give_up:
            return due is not None
        self.get_logger().warning(f"Adapter {due} did not come within {self._timeout_s} s; going on without.")
        self.runtime.forget_promise()
        return False

    def _step(self, inputs: Inputs, begin: float) -> None:
        stamp_ns = inputs.state.stamp_ns
        step = self.runtime.step_of(stamp_ns)
        swapped = self.runtime.swap_if_due(step)
        if self._memory.resets_at(stamp_ns):
            self.runtime.reset()
        try:
            targets, record = self.runtime.tick(*inputs, self._noise.at(stamp_ns), self._driver.at(stamp_ns))
        except PolicyFault as fault:
            self._faults += 1
            self.get_logger().error(str(fault), throttle_duration_sec=1.0)
            return
        self._last_stamp, self._last_targets = stamp_ns, command_msg(targets, self._joints)
        self._due = time.monotonic() + self.runtime.step_ns / NS_PER_S
        self._pub_targets.publish(self._last_targets)
        self._count(step, stamp_ns, time.perf_counter() - begin)
        record.phase_ns = self._phases.at(stamp_ns)
        self._untold = record
        if swapped:
            self._since_ns = stamp_ns
            self._announce("active")
        if not self._polled:
            self.tell()

    def _count(self, step: int, stamp_ns: int, duration_s: float) -> None:
        self._stats.add(step, duration_s, self._memory.running)
        self._loop.ran(stamp_ns, duration_s)
        self._loop.delayed(time.monotonic() - self._deadline + self._timeout_s)

    def _publish_step(self, record: StepRecord) -> None:
        data, dims = pack(record)
        layout = self._step_msg.layout
        if not layout.dim:
            layout.dim = [MultiArrayDimension(label=label) for label, _ in dims]
        for dim, (_, size) in zip(layout.dim, dims, strict=True):
            dim.size = size
        self._step_msg.data = array("f", data.tobytes())
        self._pub_step.publish(self._step_msg)

    # ---- adapters

    def _start_worker(self) -> None:
        self._queue: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        self._verdicts: deque[Verdict] = deque()
        self._prepared = self.create_guard_condition(self._on_prepared)
        self._worker = threading.Thread(target=self._prepare, name="adapters", daemon=True)
        self._worker.start()

    def _on_adapter(self, msg: UInt8MultiArray) -> None:
        self._queue.put(bytes(msg.data))

    def _prepare(self) -> None:
        """The worker's loop: the slow part of an adapter, off the control thread."""
        while (data := self._queue.get()) is not None:
            self._verdicts.append(self.runtime.submit(data))
            self._prepared.trigger()

    def _on_prepared(self) -> None:
        while self._verdicts:
            verdict = self._verdicts.popleft()
            if verdict.accepted:
                self._accepted = verdict.version
                self._announce("accepted")
            else:
                self._refused += 1
                self.get_logger().warning(f"Adapter refused: {verdict.reason}")
                self._announce(f"refused: {verdict.reason}", DiagnosticStatus.WARN)
        self._try_step()

    def _announce(self, message: str, level: bytes = DiagnosticStatus.OK) -> None:
        """What acts now and which adapter is ready: ``active``, ``accepted`` or ``refused: why``."""
        active = self.runtime.active
        values = {
            "version": active.version,
            "sha256": active.sha256,
            "base_sha256": self.runtime.base.sha256,
            "since_step": active.since_step,
            "since_ns": self._since_ns,
            "accepted_version": self._accepted,
            "refused": self._refused,
        }
        self._pub_active.publish(status_msg("policy_executor", message, level, **values))

    # ---- what the learner and the supervisor say

    def _on_phase(self, phase: Phase) -> None:
        self._noise.announce(phase.start_ns, phase.noise)
        self._phases.announce(phase.start_ns, self._last_stamp)
        self.runtime.promise(phase.adapter_at_step)

    def _on_mode(self, msg: DiagnosticStatus) -> None:
        values = status_values(msg)
        self._memory.on_mode(msg.message, int(values.get("policy_from_ns", 0)))
        self._driver.announce(int(values.get("human_from_ns", 0)), int(values.get("human_until_ns", 0)))
        self.runtime.reach.limit_deg = float(values.get("residual_limit_deg", 0.0))
        distrusted = int(values.get("distrusted", -1))
        if self.runtime.distrust(distrusted, self.runtime.step_of(max(self._last_stamp, 0)) + 1):
            self.get_logger().warning(f"The supervisor distrusts adapter {distrusted}: the base acts again.")
            self._announce(f"reverted: adapter {distrusted} is distrusted", DiagnosticStatus.WARN)

    # ---- once a second

    def _each_second(self) -> None:
        if self._pending is not None and time.monotonic() > self._deadline:
            self._try_step(give_up=True)
        self._publish_diagnostics()
        collect()

    def _publish_diagnostics(self) -> None:
        stats = self._stats
        level = DiagnosticStatus.WARN if stats.missed or self._faults else DiagnosticStatus.OK
        values = {
            "states": self._states,
            "ticks": stats.ticks,
            "missed_ticks": stats.missed,
            "tick_ms_p50": f"{stats.percentile_ms(50):.3f}",
            "tick_ms_p99": f"{stats.percentile_ms(99):.3f}",
            "faults": self._faults,
            "adapter_version": self.runtime.active.version,
            "adapters_refused": self._refused,
        }
        self._loop.tell(max(self._last_stamp, 0), "policy", level, **values)


def main(args: list[str] | None = None) -> int:
    """Entry point of ``ros2 run ros2_rl policy_executor``."""
    return run(PolicyExecutor, args)


if __name__ == "__main__":
    sys.exit(main())
