"""Node ``arm_executor``: runs an arm's episodes; a person's velocities become actions, these joint targets.

While nobody drives the learner's policy acts, and each step is told on ``policy/step`` (``learning``);
without a learner the arm stays where it is. An episode begins once the policy that was made for it is there,
so that what is a trial and what is practice never depends on who is faster. With ``demos_dir`` every episode
that a person brings to success is kept as a demonstration; once there are as many as asked for the node ends
with status 0.
"""

import time
from functools import partial
from pathlib import Path

import numpy as np
from diagnostic_msgs.msg import DiagnosticStatus, KeyValue
from geometry_msgs.msg import TwistStamped
from rclpy.clock import Clock, ClockType
from rclpy.node import Node
from sensor_msgs.msg import JointState
from std_msgs.msg import Float32MultiArray, MultiArrayDimension, UInt8MultiArray

from ros2_rl.errors import ConfigError
from ros2_rl.manipulation.active import ActivePolicy
from ros2_rl.manipulation.arm_base import ArmBase
from ros2_rl.manipulation.demos import DemoWriter
from ros2_rl.manipulation.episode import Episodes, Note, Stage, Transition
from ros2_rl.manipulation.observation import Observation
from ros2_rl.manipulation.poses import ScenePoses
from ros2_rl.manipulation.task import load_arm_task
from ros2_rl.manipulation.upload import Uploads, pack
from ros2_rl.nodes._main import run
from ros2_rl.nodes.arm_input import ArmInput
from ros2_rl.nodes.arm_topics import EPISODE
from ros2_rl.nodes.asking import offer
from ros2_rl.nodes.conversions import command_msg, reliable, status_msg, status_values, to_ns
from ros2_rl.nodes.loop_diagnostics import LoopDiagnostics
from ros2_rl.nodes.parameters import SEEDS, Row, declare
from ros2_rl.policy.schedule import DriverSchedule, MemoryGuard
from ros2_rl.robots import RobotState, load_robot
from ros2_rl.safety.config import load_safety
from ros2_rl.tasks.clock import STEP_NS
from ros2_rl.tasks.steering import FRESH_NS

_FAREWELL_S = 0.5
"""So long the node goes on after the last demonstration, so that everybody hears of it, wall time, s."""
_PARAMETERS: tuple[Row, ...] = (
    ("robot", "arm", "robot in config/robots"),
    ("task", "reach", "task of that robot in config/tasks"),
    ("seed", 0, "seed of where the tool begins", SEEDS),
    ("policy", "", "ONNX policy whose actions the learner's changes; empty: there is none"),
    ("learning", False, "act by the learner's policy, and tell it every step"),
    ("lockstep", False, "wait for the velocity of a person who drives, at every action"),
    ("demos_dir", "", "folder for demonstrations; empty: none are kept"),
    ("demos", 20, "demonstrations after which the node ends", (1, 100_000)),
)


class ArmExecutor(Node):
    """Publishes ``policy/targets``, ``task/episode`` and, with a learner, ``policy/step``."""

    def __init__(self) -> None:
        super().__init__("arm_executor")
        self._value = declare(self, _PARAMETERS)
        robot, self._task = load_robot(self._value("robot")), load_arm_task(self._value("task"))
        box = load_safety(robot.name).guards.workspace
        if box is None or self._task.robot != robot.name:
            task = self._task
            raise ConfigError(f"The task '{task.name}' is one of the robot {task.robot}; choose it.")
        low, high = np.array(box.low), np.array(box.high)
        self._episodes = Episodes(robot, self._task, low, high, self._value("seed"), STEP_NS / 1e9)
        base = ArmBase(self._value("policy"), self._task) if self._value("policy") else None
        self._learning = self._value("learning")
        self._active = ActivePolicy(self._task, self._value("seed"), base)
        self._uploads = Uploads()
        folder = self._value("demos_dir")
        self._demos = DemoWriter(Path(folder), self._task) if folder else None
        self._memory, self._driver = MemoryGuard(), DriverSchedule()
        self._velocity, self._heard_ns, self._stamp_ns = np.zeros(3), -FRESH_NS - 1, 0
        self._asked_ns = -1
        self._pending: tuple[RobotState, ScenePoses] | None = None
        self._every_ns = round(self._task.step_dt * 1e9)
        self._outcomes: dict[str, int] = {}
        self._end_s = 0.0
        self._joints = list(robot.joints)
        self._targets = self.create_publisher(JointState, "policy/targets", reliable(1))
        self._notes = self.create_publisher(DiagnosticStatus, EPISODE, reliable(10, latched=True))
        self._loop = LoopDiagnostics(self, min_rate_hz=45.0, max_execution_ms=10.0)
        self._steps = self.create_publisher(Float32MultiArray, "policy/step", reliable(2000))
        self._verdicts = self.create_publisher(DiagnosticStatus, "policy/active", reliable(10, latched=True))
        if self._learning:
            self.create_subscription(UInt8MultiArray, "policy/adapter", self._on_policy, reliable(1, True))
        self.create_subscription(
            DiagnosticStatus, "supervisor/state", self._on_supervisor, reliable(100, latched=True)
        )
        self.create_subscription(TwistStamped, "teleop/cmd_vel", self._on_velocity, reliable(1))
        for kind in ("success", "failure", "not_good"):
            offer(self, f"learner/judge_{kind}", partial(self._judge, kind))
        self._input = ArmInput(self, robot, self._task, STEP_NS, self._on_input)
        self.create_timer(1.0, self._each_second, clock=Clock(clock_type=ClockType.STEADY_TIME))

    # ---- what comes in

    def _on_supervisor(self, msg: DiagnosticStatus) -> None:
        values = status_values(msg)
        self._memory.on_mode(msg.message, int(values.get("policy_from_ns", 0)))
        self._driver.announce(int(values.get("human_from_ns", 0)), int(values.get("human_until_ns", 0)))

    def _on_velocity(self, msg: TwistStamped) -> None:
        """A person's velocity of the tool, m/s, axes of the base; it holds for half a second."""
        asked = msg.twist.linear
        self._velocity, self._heard_ns = np.array((asked.x, asked.y, asked.z)), self._stamp_ns
        self._asked_ns = to_ns(msg.header.stamp)
        if self._pending is not None:
            self._on_input(*self._pending)

    def _on_policy(self, msg: UInt8MultiArray) -> None:
        verdict = self._active.offer(bytes(msg.data))
        level = DiagnosticStatus.OK if verdict.accepted else DiagnosticStatus.WARN
        text = "active" if verdict.accepted else f"refused: {verdict.reason}"
        if not verdict.accepted:
            self.get_logger().warning(f"Policy refused: {verdict.reason}")
        self._verdicts.publish(
            status_msg("arm_executor", text, level, version=verdict.version, sha256=verdict.sha256)
        )
        if self._pending is not None:
            self._on_input(*self._pending)

    @property
    def _policy_ready(self) -> bool:
        """Whether the policy of this episode is there, and somebody to whom its steps can be told."""
        heard = self._steps.get_subscription_count() > 0
        return not self._learning or (heard and self._active.ready(self._episodes.number))

    def _waits(self, stamp_ns: int) -> bool:
        """In lockstep, whether somebody has not yet answered: the learner, or a person who drives."""
        if not self._value("lockstep"):
            return False
        if not self._policy_ready:
            return True
        due = self._episodes.stage is Stage.RUN and stamp_ns % self._every_ns == 0
        return due and self._driver.at(stamp_ns) and self._asked_ns < stamp_ns

    def _on_input(self, state: RobotState, scene: ScenePoses) -> None:
        self._stamp_ns = state.stamp_ns
        self._pending = (state, scene) if self._waits(state.stamp_ns) else None
        if self._pending is not None:
            return
        begin = time.perf_counter()
        self._memory.resets_at(state.stamp_ns)
        self._episodes.may_run = self._policy_ready
        target = self._episodes.tick(state, scene, self._memory.running, self._act)
        self._targets.publish(command_msg(target, self._joints))
        transitions, self._episodes.transitions = self._episodes.transitions, []
        notes, self._episodes.notes = self._episodes.notes, []
        if self._demos is not None:
            for transition in transitions:
                self._demos.add(transition)
        if self._learning:
            self._upload(transitions, notes)
        for note in notes:
            self._tell(note)
        self._loop.ran(state.stamp_ns, time.perf_counter() - begin)

    def _judge(self, kind: str) -> tuple[bool, str]:
        if kind == "not_good":
            return False, "An arm's episode is judged as a whole: a success or a failure."
        return self._episodes.stage is Stage.RUN, self._episodes.judge(kind)

    def _act(self, seen: Observation) -> tuple[np.ndarray, str]:
        if not self._driver.at(seen.stamp_ns):
            return self._active.act(seen.vector(), seen.stamp_ns), "policy"
        fresh = 0 <= seen.stamp_ns - self._heard_ns <= FRESH_NS
        if not fresh or not np.isfinite(self._velocity).all():
            return np.zeros(len(self._task.axes)), "human"
        return (self._velocity * self._task.step_dt / self._task.reach)[self._task.axes], "human"

    # ---- what goes out

    def _upload(self, transitions: list[Transition], notes: list[Note]) -> None:
        """Tell the learner, while the episode goes on."""
        for item in self._uploads.of(transitions, notes):
            data, dims = pack(item)
            msg = Float32MultiArray(data=data.tolist())
            msg.layout.dim = [MultiArrayDimension(label=label, size=size) for label, size in dims]
            self._steps.publish(msg)

    def _tell(self, note: Note) -> None:
        kind = self._active.kind
        msg = status_msg(
            EPISODE,
            str(note.stage),
            number=note.number,
            stamp_ns=note.stamp_ns,
            outcome=note.outcome,
            kind=kind,
        )
        if note.layout_ns:
            msg.values.append(KeyValue(key="layout_ns", value=str(note.layout_ns)))
        self._notes.publish(msg)
        if note.stage == "lift" and note.outcome:
            self._outcomes[note.outcome] = self._outcomes.get(note.outcome, 0) + 1

    def _each_second(self) -> None:
        kept = 0 if self._demos is None else self._demos.written
        counted = self._outcomes
        waits = "" if self._stamp_ns else "waits for joint_states and scene/goal"
        if self._stamp_ns and not self._policy_ready:
            waits = f"waits for the learner's policy of episode {self._episodes.number}"
        trouble = self._episodes.trouble(self._stamp_ns) or (
            "poses were missing" if self._input.missed else ""
        )
        level = DiagnosticStatus.WARN if trouble else DiagnosticStatus.OK
        text = waits or trouble or f"episode {self._episodes.number}"
        self._loop.tell(
            self._stamp_ns,
            text,
            level,
            demos=kept,
            version=self._active.version,
            missed=self._input.missed,
            success=counted.get("success", 0),
            time_limit=counted.get("time limit", 0),
            failure=counted.get("failure", 0),
        )
        if self._demos is not None and kept >= self._value("demos"):
            self._end_s = self._end_s or time.monotonic() + _FAREWELL_S
            if time.monotonic() >= self._end_s:
                raise SystemExit(0)


def main(args: list[str] | None = None) -> int:
    """Entry point of ``ros2 run ros2_rl arm_executor``."""
    return run(ArmExecutor, args)


if __name__ == "__main__":
    raise SystemExit(main())
