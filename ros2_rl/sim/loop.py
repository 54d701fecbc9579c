"""The whole stack in one process, without ROS: plant, estimator, executor, supervisor, learner.

The very classes that the nodes wrap, joined by function calls in the order in which lockstep
joins the nodes. For benchmarks, recipes and scenario tests.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ros2_rl.estimation import Estimator
from ros2_rl.learning.events import Announce, Event, Finish, Label, Learn, Report, Restore
from ros2_rl.learning.finetune import FineTuning
from ros2_rl.learning.phase import IDLE, Phase
from ros2_rl.paths import share_path
from ros2_rl.policy.onnx_policy import load_equipped
from ros2_rl.policy.runtime import PolicyRuntime
from ros2_rl.policy.schedule import DriverSchedule, MemoryGuard, NoiseSchedule, PunctualPhases
from ros2_rl.policy.step import StepRecord
from ros2_rl.robots import BaseEstimate, JointCommand, RobotDescription, RobotState
from ros2_rl.safety.config import load_safety
from ros2_rl.safety.learned import load_recovery
from ros2_rl.safety.recovery import RecoveryController
from ros2_rl.safety.supervisor import Supervisor
from ros2_rl.sim.perturbations import Perturbations
from ros2_rl.sim.plant import Plant
from ros2_rl.sim.shoves import shoves
from ros2_rl.tasks import Task
from ros2_rl.tasks.practice import PracticeCommands
from ros2_rl.tasks.steering import Steering

RECOVERY_POLICY = ("config", "policies", "recovery.onnx")


@dataclass
class Robot:
    """One simulated robot with everything that runs on it."""

    task: Task
    policy_path: Path
    seed: int
    gap: Perturbations
    robot_name: str = "go2"
    state_rate_hz: float = 100.0

    def __post_init__(self) -> None:
        self.robot: RobotDescription = load_equipped(self.robot_name, self.policy_path)
        self.plant = self._make_plant()
        self.estimator = Estimator(self.robot)
        self.runtime = PolicyRuntime(self.policy_path, self.robot, self.seed, self.task)
        config = load_safety(self.robot.name)
        recovery = RecoveryController(
            self.robot, config, load_recovery(share_path(*RECOVERY_POLICY), self.robot)
        )
        self.supervisor = Supervisor(self.robot, config, recovery, lockstep=True, autostart=True)
        self.practice = PracticeCommands(self.task.command_ranges, seed=self.seed)
        self.phase = Phase(IDLE, 0)
        self._next: list[Phase] = []
        self._noise, self._memory, self._driver = NoiseSchedule(), MemoryGuard(), DriverSchedule()
        self._punctual = PunctualPhases()
        self.steering = Steering(self.task.command_ranges)
        self._command = np.zeros(3)
        self._revision = -1
        self.executed: JointCommand
        """What the supervisor commanded at the newest control step."""

    def _make_plant(self) -> Plant:
        return Plant(self.robot, seed=self.seed, state_rate_hz=self.state_rate_hz)

    def announce(self, phase: Phase) -> None:
        """Let a phase begin at its stamp."""
        self._next.append(phase)
        self._noise.announce(phase.start_ns, phase.noise)
        self._punctual.announce(phase.start_ns, self.plant.stamp_ns)
        self.plant.set_perturbations(self.gap if phase.gap else Perturbations(), phase.start_ns)
        self.plant.plan_shoves(shoves(phase), phase.start_ns)

    def step(self) -> tuple[StepRecord, list[Label]]:
        """One control step: its record, and what the supervisor said meanwhile."""
        labels, record = [], None
        while True:
            state = self.plant.state()
            estimate = self.estimator.update(state)
            command = self.supervisor.on_state(state)
            self._tell_supervisor(state.stamp_ns, estimate)
            if self.runtime.is_tick(state.stamp_ns):
                target, record = self._tick(state, estimate)
                command = self.supervisor.on_target(target) or command
            labels += self._labels()
            assert command is not None
            if self.runtime.is_tick(state.stamp_ns):
                self.executed = command
            self.plant.apply(command)
            self.plant.advance()
            if self.runtime.is_tick(self.plant.stamp_ns):
                assert record is not None
                return record, labels

    def _tell_supervisor(self, stamp_ns: int, estimate: BaseEstimate) -> None:
        """What it hears beside the states; as on the graph, in time for the next state."""
        senses = self.supervisor.senses
        senses.estimate, senses.command_ns = estimate, stamp_ns
        senses.adapter = self.runtime.active.version

    def _tick(self, state: RobotState, estimate: BaseEstimate) -> tuple[JointCommand, StepRecord]:
        while self._next and self._next[0].start_ns <= state.stamp_ns:
            self.phase = self._next.pop(0)
        step = self.runtime.step_of(state.stamp_ns)
        self.runtime.swap_if_due(step)
        if self._memory.resets_at(state.stamp_ns):
            self.runtime.reset()
        noise, human = self._noise.at(state.stamp_ns), self._driver.at(state.stamp_ns)
        target, record = self.runtime.tick(state, estimate, self._command, noise, human)
        record.phase_ns = self._punctual.at(state.stamp_ns)
        # As on the graph, the executor uses the command of the control step before.
        practised = self.practice.command(step, self.phase, estimate)
        self._command = self.steering.choose(state.stamp_ns, human, practised)
        return target, record

    def _labels(self) -> list[Label]:
        if self.supervisor.revision == self._revision:
            return []
        self._revision = self.supervisor.revision
        snapshot = self.supervisor.snapshot()
        self._memory.on_mode(str(snapshot.mode), snapshot.policy_from_ns)
        self._driver.announce(snapshot.human_from_ns, snapshot.human_until_ns)
        self.runtime.reach.limit_deg = snapshot.residual_limit_deg
        self.runtime.distrust(snapshot.distrusted, self.runtime.step_of(snapshot.stamp_ns) + 1)
        return [Label(snapshot.stamp_ns, str(snapshot.actor), snapshot.falls)]


def run(robot: Robot, tuning: FineTuning, report: Callable[[Report], None]) -> str:
    """Run a session to its end; returns why it ended."""
    session = tuning.session
    robot.runtime.submit(tuning.initial().to_bytes())
    todo: list[Event] = session.begin()
    while True:
        for event in todo:
            if isinstance(event, Announce):
                robot.announce(event.phase)
            elif isinstance(event, Learn):
                update = tuning.learn(event, tuning.drain())
                robot.runtime.submit(update.adapter.to_bytes())
                report(Report("update", update.stats.scalars()))
            elif isinstance(event, Restore):
                robot.runtime.submit(tuning.restore(event).to_bytes())
            elif isinstance(event, Report):
                report(event)
            elif isinstance(event, Finish):
                return event.reason
        record, labels = robot.step()
        tuning.on_command(robot.executed)
        for label in labels:
            session.on_label(label)
        todo = session.on_step(record)
