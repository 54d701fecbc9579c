"""The arm's stack in one process, without ROS: plant, supervisor, episodes, and whoever acts.

The very classes that the nodes wrap, joined by function calls in the order of lockstep.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from ros2_rl.manipulation.episode import Act, Episodes, Note, Transition
from ros2_rl.manipulation.expert import Expert, expert_for
from ros2_rl.manipulation.observation import Observation
from ros2_rl.manipulation.operator import ScriptedOperator
from ros2_rl.manipulation.task import load_arm_task
from ros2_rl.robots import load_robot
from ros2_rl.safety.config import load_safety
from ros2_rl.safety.modes import Mode
from ros2_rl.safety.recovery import RecoveryController
from ros2_rl.safety.supervisor import Supervisor
from ros2_rl.sim.arm_plant import ArmPlant
from ros2_rl.sim.perturbations import Perturbations

STEP_NS = 20_000_000


@dataclass
class ArmCell:
    """One simulated arm with everything that runs on it."""

    task_name: str
    seed: int = 0
    gap: Perturbations | None = None
    state_rate_hz: float = 100.0

    def __post_init__(self) -> None:
        self.robot, self.task = load_robot("arm"), load_arm_task(self.task_name)
        safety = load_safety(self.robot.name)
        box = safety.guards.workspace
        assert box is not None
        self.plant = ArmPlant(self.robot, self.task, self.gap, self.seed, state_rate_hz=self.state_rate_hz)
        recovery = RecoveryController(self.robot, safety, None)
        self.supervisor = Supervisor(self.robot, safety, recovery, lockstep=True, autostart=True)
        low, high = np.array(box.low), np.array(box.high)
        self.episodes = Episodes(self.robot, self.task, low, high, self.seed, STEP_NS / 1e9)

    def step(self, act: Act) -> tuple[list[Note], list[Transition]]:
        """One control step: what was announced, and what was experienced."""
        while True:
            state = self.plant.state()
            command = self.supervisor.on_state(state)
            if state.stamp_ns % STEP_NS == 0:
                active = self.supervisor.mode is Mode.POLICY
                target = self.episodes.tick(state, self.plant.seen(), active, act)
                command = self.supervisor.on_target(target) or command
            assert command is not None
            self.plant.apply(command)
            self.plant.advance()
            if self.plant.stamp_ns % STEP_NS == 0:
                return self._told()

    def run(self, episodes: int, act: Act, most_s: float = 600.0) -> tuple[list[Note], list[Transition]]:
        """Go on until so many more episodes are over, or for so much robot time."""
        end, end_ns = self.episodes.number + episodes, self.plant.stamp_ns + round(most_s * 1e9)
        notes, transitions = [], []
        while self.episodes.number < end and self.plant.stamp_ns < end_ns:
            told, experienced = self.step(act)
            notes += told
            transitions += experienced
        return notes, transitions

    def _told(self) -> tuple[list[Note], list[Transition]]:
        notes, transitions = self.episodes.notes, self.episodes.transitions
        self.episodes.notes, self.episodes.transitions = [], []
        for note in notes:
            if note.layout_ns:
                self.plant.lay_out_at(note.number, note.layout_ns)
        return notes, transitions


def by_expert(cell: ArmCell) -> Act:
    """The expert of the cell's task acts, exactly and at once."""
    expert: Expert = expert_for(cell.task)
    number = -1

    def act(seen: Observation) -> tuple[np.ndarray, str]:
        nonlocal number
        if cell.episodes.number != number:
            number = cell.episodes.number
            expert.reset()
        return np.clip(expert.move(seen) / cell.task.reach, -1.0, 1.0)[cell.task.axes], "human"

    return act


def helped(cell: ArmCell, operator: ScriptedOperator, policy: Callable[[np.ndarray], np.ndarray]) -> Act:
    """The policy acts on what a network sees; the operator takes over and gives back as it likes."""
    number = -1

    def act(seen: Observation) -> tuple[np.ndarray, str]:
        nonlocal number
        if cell.episodes.number != number:
            number = cell.episodes.number
            operator.rest()
            operator.begin()
        velocity = operator.watch(seen).velocity
        if velocity is None:
            return policy(seen.vector()), "policy"
        return np.clip(velocity * cell.task.step_dt / cell.task.reach, -1.0, 1.0)[cell.task.axes], "human"

    return act
