"""An arm's fine-tuning in one process: the cell, the learner, the operator, joined in the order of lockstep.

What the nodes exchange goes through the same bytes, so that a session here is one of the graph but for time.
"""

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from ros2_rl.learning.arm_tuning import ArmTuning
from ros2_rl.manipulation.active import ActivePolicy
from ros2_rl.manipulation.arm_base import ArmBase
from ros2_rl.manipulation.arm_policy import ArmPolicy
from ros2_rl.manipulation.demos import DemoWriter
from ros2_rl.manipulation.episode import Act, Note, Transition
from ros2_rl.manipulation.observation import Observation
from ros2_rl.manipulation.operator import ScriptedOperator
from ros2_rl.manipulation.practice import Told
from ros2_rl.manipulation.upload import EpisodeEnd, Uploads
from ros2_rl.sim.arm_loop import ArmCell, helped

_ALL = 1_000_000
_PATIENCE_NS = 60_000_000_000
"""An arm that is neither at its start nor done with its trial after so long is held somewhere."""


class _Steps:
    """The control steps of a cell, as long as its episodes get on."""

    def __init__(self, cell: ArmCell):
        self._cell, self._last_ns = cell, cell.plant.stamp_ns

    def step(self, act: Act) -> tuple[list[Note], list[Transition]]:
        """As the cell's own.

        Raises:
            RuntimeError: for a minute of the arm's time no stage of an episode has ended.
        """
        told = self._cell.step(act)
        if told[0]:
            self._last_ns = self._cell.plant.stamp_ns
        if self._cell.plant.stamp_ns - self._last_ns > _PATIENCE_NS:
            snapshot, episodes = self._cell.supervisor.snapshot(), self._cell.episodes
            raise RuntimeError(
                f"Episode {episodes.number} does not end ({episodes.stage}); supervisor: {snapshot.mode}, "
                f"{snapshot.reason}."
            )
        return told


def practise(
    cell: ArmCell,
    tuning: ArmTuning,
    seed: int,
    operator: ScriptedOperator | None = None,
    told: Callable[[Told], None] = lambda _: None,
) -> None:
    """Go on until the session is over; ``seed`` is that of the exploration noise.

    Raises:
        RuntimeError: the arm is held somewhere.
    """
    active, uploads, steps = ActivePolicy(cell.task, seed, tuning.base), Uploads(), _Steps(cell)
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
        notes, transitions = steps.step(act)
        for item in uploads.of(transitions, notes):
            if not isinstance(item, EpisodeEnd):
                tuning.on_transition(item)
                continue
            for report in tuning.on_end(item):
                told(report)
            tuning.work(_ALL)
            verdict = active.offer(tuning.policy().to_bytes())


def tried(cell: ArmCell, policy: ArmPolicy, count: int, base: ArmBase | None = None) -> list[int | None]:
    """So many trials of a policy: the actions that each took, None where it did not succeed.

    Raises:
        RuntimeError: the arm is held somewhere.
    """
    active = ActivePolicy(cell.task, cell.seed, base)
    verdict = active.offer(replace(policy, kind="trial").to_bytes())
    assert verdict.accepted, verdict.reason

    def act(seen: Observation) -> tuple[np.ndarray, str]:
        return active.act(seen.vector(), seen.stamp_ns), "policy"

    uploads = Uploads()
    found: list[int | None] = []
    steps = _Steps(cell)
    while len(found) < count:
        notes, transitions = steps.step(act)
        ends = (item for item in uploads.of(transitions, notes) if isinstance(item, EpisodeEnd))
        found += [end.steps if end.outcome == "success" else None for end in ends]
    return found


def demonstrate(cell: ArmCell, operator: ScriptedOperator, writer: DemoWriter, count: int) -> None:
    """Let the operator show the task until so many demonstrations are written.

    Raises:
        RuntimeError: the arm is held somewhere.
    """
    steps = _Steps(cell)
    act = helped(cell, operator, lambda _: np.zeros(len(cell.task.axes)))
    while writer.written < count:
        for transition in steps.step(act)[1]:
            writer.add(transition)
