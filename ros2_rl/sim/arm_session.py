"""An arm's fine-tuning in one process: the cell, the learner, the operator, joined in the order of lockstep.

What the nodes exchange goes through the same bytes, so that a session here is one of the graph but for time.
"""

from collections.abc import Callable

import numpy as np

from ros2_rl.learning.arm_tuning import ArmTuning
from ros2_rl.manipulation.active import ActivePolicy
from ros2_rl.manipulation.arm_base import ArmBase
from ros2_rl.manipulation.arm_policy import ArmPolicy
from ros2_rl.manipulation.demos import DemoWriter
from ros2_rl.manipulation.observation import Observation
from ros2_rl.manipulation.operator import ScriptedOperator
from ros2_rl.manipulation.practice import Told
from ros2_rl.manipulation.upload import EpisodeEnd, Uploads
from ros2_rl.sim.arm_loop import ArmCell, helped

_ALL = 1_000_000


def practise(
    cell: ArmCell,
    tuning: ArmTuning,
    seed: int,
    operator: ScriptedOperator | None = None,
    told: Callable[[Told], None] = lambda _: None,
) -> None:
    """Go on until the session is over; ``seed`` is that of the exploration noise."""
    active, uploads = ActivePolicy(cell.task, seed, tuning.base), Uploads()
    help_it = None if operator is None else helped(cell, operator, lambda _: np.zeros(0))

    def act(seen: Observation) -> tuple[np.ndarray, str]:
        if help_it is not None and active.kind == "practice":
            action, label = help_it(seen)
            if label == "human":
                return action, label
        return active.act(seen.vector(), seen.stamp_ns), "policy"

    verdict = active.offer(tuning.policy().to_bytes())
    while not tuning.practice.over:
        assert verdict.accepted, verdict.reason
        notes, transitions = cell.step(act)
        for item in uploads.of(transitions, notes):
            if not isinstance(item, EpisodeEnd):
                tuning.on_transition(item)
                continue
            for report in tuning.on_end(item):
                told(report)
            tuning.work(_ALL)
            verdict = active.offer(tuning.policy().to_bytes())


def tried(cell: ArmCell, policy: ArmPolicy, count: int, base: ArmBase | None = None) -> list[int | None]:
    """So many trials of a policy: the actions that each took, None where it did not succeed."""

    def act(seen: Observation) -> tuple[np.ndarray, str]:
        return policy.act(seen.vector(), base), "policy"

    uploads = Uploads()
    found: list[int | None] = []
    while len(found) < count:
        notes, transitions = cell.step(act)
        ends = (item for item in uploads.of(transitions, notes) if isinstance(item, EpisodeEnd))
        found += [end.steps if end.outcome == "success" else None for end in ends]
    return found


def demonstrate(cell: ArmCell, operator: ScriptedOperator, writer: DemoWriter, count: int) -> None:
    """Let the operator show the task until so many demonstrations are written."""
    act = helped(cell, operator, lambda _: np.zeros(len(cell.task.axes)))
    while writer.written < count:
        for transition in cell.step(act)[1]:
            writer.add(transition)
