"""A record through the executor: what would this policy have done, given what the robot saw?

The recorded policy with its adapters and its exploration noise repeats the record bit for bit.
Another policy proposes without noise, from its own last action; it never moves the robot, so the
states are those that the recorded policy has led to.
"""

from pathlib import Path
from typing import Any

import numpy as np

from ros2_rl.cdr import header_stamp, layout_stamp
from ros2_rl.errors import ContractError, RecordError
from ros2_rl.learning.phase import Phase
from ros2_rl.messages import JointOrder, base_estimate, imu_reading, status_values, to_ns
from ros2_rl.policy.adapter import Adapter
from ros2_rl.policy.runtime import PolicyFault, PolicyRuntime
from ros2_rl.policy.schedule import CommandInbox, MemoryGuard, NoiseSchedule
from ros2_rl.policy.step import StepRecord, unpack
from ros2_rl.recording.compare import Comparison, stack
from ros2_rl.recording.decode import Decoder
from ros2_rl.recording.inputs import Window
from ros2_rl.recording.reader import Bag
from ros2_rl.recording.settings import RunSettings
from ros2_rl.robots import BaseEstimate, JointCommand, RobotState

_ESTIMATE_MAX_AGE_NS, _IMU_MAX_AGE_NS = 100_000_000, 20_000_000
_STAMPED = {
    "joint_states": header_stamp,
    "imu/data": header_stamp,
    "odom": header_stamp,
    "contacts": layout_stamp,
    "policy/targets": header_stamp,
}
_OTHERS = ("cmd_vel", "policy/step", "policy/adapter", "learner/phase", "supervisor/state")


def replay_executor(bag: Bag, policy: Path | None = None) -> list[Comparison]:
    """Targets in robot order and raw mean actions of every recorded control step.

    Raises:
        RecordError: the record lacks an input.
        ContractError: the policy does not fit the robot or the task.
    """
    return ExecutorReplay(bag, policy).run()


class ExecutorReplay:
    """Feeds a :class:`PolicyRuntime` with a record. The mean is compared for the recorded policy only."""

    def __init__(self, bag: Bag, policy: Path | None):
        settings = RunSettings(bag)
        self._bag, self._decoder, self._settings = bag, Decoder(bag), settings.executor()
        for name in ("joint_states", "imu/data", "policy/step", "policy/targets"):
            bag.full_name(name)
        robot, task = settings.robot(), settings.task()
        self.own = policy is None
        source = settings.policy().data if policy is None else policy
        self.runtime = PolicyRuntime(source, robot, self._settings.seed, task)
        low, high = np.array(list(task.command_ranges.values())).T
        self._commands = CommandInbox(low, high, self.runtime.step_ns, self._settings.command_timeout_ns)
        self._noise, self._memory = NoiseSchedule(), MemoryGuard()
        self._order, self._joints = JointOrder(robot.joints), robot.joints
        self._windows = {name: Window(self._decoder, stamp_of) for name, stamp_of in _STAMPED.items()}
        self._velocities: list[tuple[int, np.ndarray]] = []
        self._adapters: dict[int, bytes] = {}
        self._targets: list = []
        self._means: list = []

    def run(self) -> list[Comparison]:
        names = {self._bag.full_name(n): n for n in (*_STAMPED, *_OTHERS) if self._bag.has(n)}
        for message in self._bag.messages(names):
            name = names[message.topic]
            if name in self._windows:
                self._windows[name].add(message)
            else:
                self._hear(name, self._decoder.decode(message))
        found = [stack("targets", self._joints, self._targets)]
        if self.own:
            found.append(stack("mean", self.runtime.contract.joint_names, self._means))
        return found

    def _hear(self, name: str, msg: Any) -> None:
        if name == "cmd_vel":
            twist = np.array((msg.twist.linear.x, msg.twist.linear.y, msg.twist.angular.z))
            self._velocities.append((to_ns(msg.header.stamp), twist))
        elif name == "policy/adapter":
            data = bytes(msg.data)
            self._adapters[Adapter.from_bytes(data).version] = data
        elif name == "learner/phase":
            phase = Phase.from_values(msg.message, status_values(msg))
            self._noise.announce(phase.start_ns, phase.noise)
        elif name == "supervisor/state":
            values = status_values(msg)
            self._memory.on_mode(msg.message, int(values.get("policy_from_ns", 0)))
            self.runtime.reach.limit_deg = float(values.get("residual_limit_deg", 0.0))
        else:
            self._step(unpack(np.asarray(msg.data), [(dim.label, dim.size) for dim in msg.layout.dim]))

    def _step(self, recorded: StepRecord) -> None:
        stamp_ns, runtime = recorded.stamp_ns, self.runtime
        state, estimate, command = self._state(stamp_ns), self._estimate(stamp_ns), self._command(stamp_ns)
        self._swap(recorded)
        if self._memory.resets_at(stamp_ns):
            runtime.reset()
        noise = self._noise.at(stamp_ns) and self.own
        targets, mean = np.full(len(self._joints), np.nan), np.full(len(recorded.mean), np.nan)
        if state is not None and not (estimate is None and runtime.needs_estimate):
            try:
                proposed, record = runtime.tick(state, estimate, command, noise)
                targets, mean = proposed.q, record.mean
            except PolicyFault:
                pass  # a gap in the curve
        before = self._windows["policy/targets"].at(stamp_ns)
        if before is not None:
            self._targets.append((stamp_ns, self._recorded(before).q, targets))
        if self.own:
            self._means.append((stamp_ns, recorded.mean, mean))

    def _swap(self, recorded: StepRecord) -> None:
        """Let the adapter act that acted then."""
        data = self._adapters.pop(recorded.version, None) if self.own else None
        if data is not None:
            verdict = self.runtime.submit(data)
            if not verdict.accepted:
                raise ContractError(verdict.reason)
        if self.own and self.runtime.swap_if_due(recorded.step) is None:
            self._check_version(recorded)

    def _check_version(self, recorded: StepRecord) -> None:
        if self.runtime.active.version != recorded.version:
            raise RecordError(
                f"The record {self._bag.path} lacks adapter {recorded.version}, which acted at "
                f"{recorded.stamp_ns / 1e9:.2f} s; replay a policy of your own with policy:=<file>."
            )

    def _recorded(self, msg: Any) -> JointCommand:
        return self._order.command(msg)

    def _state(self, stamp_ns: int) -> RobotState | None:
        joints = self._windows["joint_states"].at(stamp_ns)
        imu = self._windows["imu/data"].newest(stamp_ns, _IMU_MAX_AGE_NS)
        return None if joints is None or imu is None else self._order.state(joints, imu_reading(imu))

    def _estimate(self, stamp_ns: int) -> BaseEstimate | None:
        odom = self._windows["odom"].newest(stamp_ns, _ESTIMATE_MAX_AGE_NS)
        contacts = self._windows["contacts"].newest(stamp_ns, _ESTIMATE_MAX_AGE_NS)
        if odom is None or contacts is None:
            return None
        return base_estimate(odom, np.asarray(contacts.data, dtype=float))

    def _command(self, stamp_ns: int) -> np.ndarray:
        for sent_ns, twist in self._velocities:
            self._commands.put(sent_ns, twist, stamp_ns)
        self._velocities.clear()
        answering = self._commands.answering(stamp_ns) if self._settings.lockstep else None
        return self._commands.newest(stamp_ns) if answering is None else answering
