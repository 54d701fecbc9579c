"""The robot of bench/slowrl.py: with or without a catching supervisor, examined on a twin.

A method without safety is not caught: the robot falls, and a person puts it back on its feet. That
costs no robot time but the standing up, which favours such a method; each time is counted.
"""

from dataclasses import dataclass, replace

import numpy as np

from ros2_rl.estimation import Estimator
from ros2_rl.learning.evaluation import Evaluation
from ros2_rl.learning.events import Label
from ros2_rl.learning.phase import EVALUATE, IDLE, Phase
from ros2_rl.policy.adapter import Adapter
from ros2_rl.policy.runtime import Active, PolicyRuntime, Verdict
from ros2_rl.policy.step import StepRecord
from ros2_rl.safety.config import load_safety
from ros2_rl.safety.modes import LATCHED, Mode
from ros2_rl.safety.recovery import RecoveryController
from ros2_rl.safety.supervisor import Supervisor
from ros2_rl.sim.loop import Robot
from ros2_rl.tasks.clock import STEP_NS

_REST_S = 2.0
"""Time on the spot before an exam, s."""
_PATIENCE_S = 60.0
"""Longest time in which a robot gets back on its feet, s."""


@dataclass
class BenchRobot(Robot):
    """A robot that a person helps up when nobody and nothing else does."""

    recovery: bool = True
    """Whether the supervisor catches a robot that tilts."""
    updates_late: int = 0
    """How many updates late an adapter acts in training; an exam has the newest at once."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.helped = 0
        """How often a person put the robot on its feet."""
        self._to_arm, self._falls = False, 0
        if not self.recovery:
            self.supervisor = self._uncatching()
        if self.updates_late:
            self.runtime = LateRuntime(self.runtime, self)

    def step(self) -> tuple[StepRecord, list[Label]]:
        answer = super().step()
        falls = self.supervisor.snapshot().falls
        if (falls > self._falls and not self.recovery) or self.supervisor.mode in LATCHED:
            self._help_up()
        self._falls = falls
        if self._to_arm and self.supervisor.mode is Mode.STAND:
            self.supervisor.request("arm")
        self._to_arm &= self.supervisor.mode is not Mode.POLICY
        return answer

    def _uncatching(self) -> Supervisor:
        """A supervisor that acts only on a fall, by standing up, and on no adapter."""
        config = load_safety(self.robot.name)
        config = config.with_guard("tilt", limit_deg=config.recovery.fall_deg)
        config = config.with_guard("predicted_tilt", limit_deg=180.0, lookahead_s=0.0)
        config = config.with_guard("adapter", overrides=10**9, falls=10**9)
        script = RecoveryController(self.robot, config, None)
        return Supervisor(self.robot, config, script, lockstep=True, autostart=True)

    def _help_up(self) -> None:
        self.helped += 1
        qpos = self.plant.data.qpos.copy()
        qpos[:7] = (0.0, 0.0, self.robot.stand_height + 0.02, 1.0, 0.0, 0.0, 0.0)
        qpos[7:] = self.robot.stand_pose
        self.plant.place(qpos)
        self.estimator = Estimator(self.robot)
        if self.supervisor.mode in LATCHED:
            self.supervisor.request("reset")
            self.supervisor.request("stand")
            self._to_arm = True


class LateRuntime(PolicyRuntime):
    """An executor to which adapters come some updates late, as over a slow or busy learner."""

    def __init__(self, runtime: PolicyRuntime, robot: BenchRobot):
        self.__dict__.update(runtime.__dict__)
        self._bench = robot
        self._line: list[Active] = []
        """The adapter that acts in training and those after it; until the first is due, the base acts."""

    def submit(self, data: bytes) -> Verdict:
        verdict = super().submit(data)
        if verdict.accepted:
            self._line.append(self._ready.pop())
        return verdict

    def swap_if_due(self, step: int) -> Active | None:
        due = [active for active in self._line if active.since_step <= step]
        if not due:
            return None
        evaluates = self._bench.phase.name == EVALUATE
        newest, late = len(due) - 1, self._bench.updates_late
        active = due[newest if evaluates else max(newest - late, 0)]
        del self._line[: max(newest - late, 0)]
        if active.version == self.active.version:
            return None
        self.active = replace(active, since_step=step)
        return self.active


@dataclass(frozen=True)
class Exam:
    """What a deterministic policy did in a number of episodes."""

    mean_return: float
    falls: int
    override_share: float
    action_rate: float
    """Mean |a_t - a_(t-1)| while the policy acted, raw action."""


class Twin:
    """A second robot with the same gap on which policies are examined, at no robot time."""

    def __init__(self, robot: Robot, seed: int, episodes: int):
        self._robot, self._seed, self._episodes = robot, seed, episodes
        self._version = 0

    def examine(self, adapter: Adapter | None, gap: bool = True) -> Exam:
        """Let a policy (None: the base) walk; always asked for the same commands."""
        if adapter is not None:
            self._version += 1
            fresh = replace(adapter, version=self._version, activate_at_step=0, next_at_step=0)
            verdict = self._robot.runtime.submit(fresh.to_bytes())
            assert verdict.accepted, verdict.reason
        phase = self._announce(gap)
        records: list[StepRecord] = []
        labels = [Label(0, "policy", self._robot.supervisor.snapshot().falls)]
        while not records or records[-1].step < phase.end_step:
            record, said = self._robot.step()
            records.append(record)
            labels += said
        return self._marks(phase, records, labels)

    def _announce(self, gap: bool) -> Phase:
        """Get ready: the robot stands in mode POLICY, then the exam is announced."""
        robot = self._robot
        robot.announce(Phase(IDLE, robot.plant.stamp_ns, gap=gap))
        for _ in range(round(_PATIENCE_S * 50)):
            record, _ = robot.step()
            if robot.supervisor.mode is Mode.POLICY:
                break
        task = robot.task
        start = task.clock.next_start(record.step + round(_REST_S * 50))
        phase = Phase(EVALUATE, start * STEP_NS, self._seed, gap, False, task.episode, self._episodes)
        robot.announce(phase)
        return phase

    def _marks(self, phase: Phase, records: list[StepRecord], labels: list[Label]) -> Exam:
        robot, evaluation, rates = self._robot, Evaluation(phase), []
        scorer = robot.task.scorer()
        for record, after in zip(records, records[1:], strict=False):
            now, then = _label(labels, record.stamp_ns), _label(labels, after.stamp_ns)
            acts = now.actor == "policy"
            reward = scorer.outcome(robot.robot, record, after)
            evaluation.add(record.step, reward, acts, then.falls > now.falls)
            if acts and record.step >= phase.start_step:
                rates.append(float(np.linalg.norm(after.action - record.action)))
        share = evaluation.overridden / max(evaluation.steps, 1)
        return Exam(evaluation.mean_return, evaluation.falls, share, float(np.mean(rates or [0.0])))


def _label(labels: list[Label], stamp_ns: int) -> Label:
    """Who acts at a stamp; labels are in order of time."""
    return next(label for label in reversed(labels) if label.stamp_ns <= stamp_ns)
