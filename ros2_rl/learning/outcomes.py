"""What became of control steps: what each brought in, and who acted in it; and their counts."""

from collections import deque
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from ros2_rl.learning.events import Label
from ros2_rl.policy.step import StepRecord
from ros2_rl.robots import RobotDescription
from ros2_rl.tasks import Task
from ros2_rl.tasks.clock import STEPS_PER_MINUTE

HOLD_BACK = 5
"""Control steps that a record waits, so that the label of its stamp is known for sure."""
_NS = 1e-9


@dataclass(frozen=True, slots=True)
class Outcome:
    """A control step and the one that was heard of next."""

    record: StepRecord
    after: StepRecord
    reward: float
    label: Label
    """Who acted."""
    label_after: Label

    @property
    def fell(self) -> bool:
        return self.label_after.falls > self.label.falls

    @property
    def driven(self) -> bool:
        """Whether a person drove the base policy."""
        return self.label.actor == "human" and self.record.version == 0

    @property
    def learned(self) -> Label:
        """The label as learners take it: its falls are those of this step."""
        return Label(self.label.stamp_ns, self.label.actor, int(self.fell))


class Outcomes:
    """Joins control steps with what the supervisor says of their stamps."""

    def __init__(self, task: Task, robot: RobotDescription):
        self._robot, self._scorer = robot, task.scorer()
        self._labels: deque[Label] = deque([Label(0, "supervisor", 0)], maxlen=1000)
        self._held: deque[StepRecord] = deque()

    def on_label(self, label: Label) -> None:
        """Who acts from ``label.stamp_ns`` on."""
        self._labels.append(label)

    def on_step(self, record: StepRecord) -> list[Outcome]:
        """A control step came in; what is known by now of earlier ones."""
        self._held.append(record)
        known = []
        while len(self._held) > HOLD_BACK:
            known.append(self._outcome(self._held.popleft(), self._held[0]))
        return known

    @property
    def newest(self) -> StepRecord | None:
        """The newest control step that came in."""
        return self._held[-1] if self._held else None

    def _outcome(self, record: StepRecord, after: StepRecord) -> Outcome:
        reward = self._scorer.outcome(self._robot, record, after)
        return Outcome(record, after, reward, self._label(record.stamp_ns), self._label(after.stamp_ns))

    def _label(self, stamp_ns: int) -> Label:
        for label in reversed(self._labels):
            if label.stamp_ns <= stamp_ns:
                return label
        return self._labels[0]


@dataclass
class Counters:
    """What happened while fine-tuning (from the first training step on)."""

    steps: int = 0
    overridden: int = 0
    human: int = 0
    falls: int = 0
    lost: int = 0
    action_rate_sum: float = 0.0
    updates: int = 0
    rollbacks: int = 0
    """Looks after which the promotion gate went back to the last good adapter."""

    def __post_init__(self) -> None:
        self._driven_since_ns: int | None = None

    def count(self, outcome: Outcome) -> None:
        record, after = outcome.record, outcome.after
        self.steps += after.step - record.step
        self.lost += after.step - record.step - 1
        self.falls += outcome.label_after.falls - outcome.label.falls
        if not outcome.driven:
            self._driven_since_ns = None
        elif self._driven_since_ns is None:
            self._driven_since_ns = record.stamp_ns
        self.human += outcome.driven
        self.overridden += outcome.label.actor != "policy" and not outcome.driven
        if after.step == record.step + 1:
            self.action_rate_sum += float(np.linalg.norm(after.action - record.action))

    def driven_s(self, until_ns: int) -> float:
        """How long a person has been driving without a break, s; 0 when nobody is."""
        return 0.0 if self._driven_since_ns is None else (until_ns - self._driven_since_ns) * _NS

    @property
    def robot_minutes(self) -> float:
        """Robot time since training began, looks included, min."""
        return self.steps / STEPS_PER_MINUTE

    @property
    def override_share(self) -> float:
        return self.overridden / max(self.steps, 1)

    @property
    def intervention_share(self) -> float:
        """Share of the control steps in which a person drove."""
        return self.human / max(self.steps, 1)

    def state(self) -> dict[str, Any]:
        """As plain values for a checkpoint."""
        return asdict(self)
