"""From the stream of control steps to labelled transitions.

A transition holds what was executed, not what was proposed. Nothing follows a fall, nor a step in which
recovery had to take over: the rest of that episode earns nothing. A person who takes over is no loss: the
policy's step is bootstrapped as at a time limit, so that being overridden is never a cost to be avoided.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial

import numpy as np

from ros2_rl.learning.sac.relabel import Relabel, Step
from ros2_rl.learning.sac.replay import LABELS
from ros2_rl.policy.step import StepRecord

Lookup = Callable[[StepRecord], np.ndarray | None]
"""The executed raw action (J,) of a control step, policy's order; None where it is not known."""
_POLICY, _HUMAN, _RECOVERY = LABELS


@dataclass
class Counts:
    """What became of the control steps of a window."""

    policy: int = 0
    human: int = 0
    recovery: int = 0
    cut: int = 0
    """The next record did not arrive."""
    unusable: int = 0
    """A number was not finite, or what was executed is not known."""


@dataclass(frozen=True)
class Transitions:
    """Consecutive transitions, float32, (T, ...)."""

    steps: np.ndarray
    """Numbers of the control steps, (T,), int."""
    obs: np.ndarray
    critic_obs: np.ndarray
    actions: np.ndarray
    """Executed raw actions, (T, J)."""
    rewards: np.ndarray
    next_obs: np.ndarray
    next_critic_obs: np.ndarray
    terminal: np.ndarray
    """1.0 where nothing follows, (T,)."""
    labels: np.ndarray
    """Index of LABELS, (T,), uint8."""
    counts: Counts
    relabelled: "Callable[[], Transitions | None]" = lambda: None
    """Makes the same steps under other commands, as far as that was asked for and can be; slow, so it is left
    to the thread that learns."""

    def __len__(self) -> int:
        return len(self.steps)


@dataclass
class Experience:
    """Collects the steps of a window; the newest ``hold_back`` of them wait for a person's judgement.

    A step is settled once its successor's label is known, for somebody may take over in between.
    """

    executed: Lookup
    fall_blame_steps: int = 50
    hold_back: int = 50
    relabel: Relabel | None = None
    counts: Counts = field(default_factory=Counts)
    _settled: list[Step] = field(default_factory=list)
    _held: Step | None = None

    def __len__(self) -> int:
        """Settled steps that were not drained."""
        return len(self._settled)

    def add(self, record: StepRecord, after: StepRecord, reward: float, actor: str, fell: bool) -> None:
        """One control step, the next record, and who acted in the step."""
        self._settle(record, actor)
        if fell and actor != _POLICY:
            self._blame(record.step)
        if actor not in LABELS:
            return
        if after.step != record.step + 1:
            self.counts.cut += 1
            return
        action = self.executed(record)
        if action is None and actor == _POLICY:
            action = record.action
        if action is None or not _finite(record, after, action, reward):
            self.counts.unusable += 1
            return
        self._held = Step(record, after, action, reward, actor, fell)
        if fell:
            self._settle(record, actor)

    def judge(self, first_ns: int, last_ns: int, reward: float) -> int:
        """Spread a person's judgement over the steps of a span of stamps; returns how many there were."""
        judged = [s for s in self._settled if first_ns <= s.record.stamp_ns <= last_ns]
        for step in judged:
            step.reward += reward / len(judged)
        return len(judged)

    def drain(self) -> Transitions:
        """What is settled, but for the newest ``hold_back`` steps."""
        count = max(len(self._settled) - self.hold_back, 0)
        taken, self._settled = self._settled[:count], self._settled[count:]
        counts, self.counts = self.counts, Counts()
        return replace(_transitions(taken, counts), relabelled=partial(self._relabelled, taken))

    def _relabelled(self, taken: Sequence[Step]) -> Transitions | None:
        found = self.relabel(taken) if self.relabel else []
        return _transitions(found, Counts()) if found else None

    def _settle(self, record: StepRecord, actor: str) -> None:
        held, self._held = self._held, None
        if held is None:
            return
        follows = record.step == held.record.step + 1
        held.terminal |= follows and held.label == _POLICY and actor in (_RECOVERY, "supervisor")
        self._settled.append(held)
        setattr(self.counts, held.label, getattr(self.counts, held.label) + 1)

    def _blame(self, step: int) -> None:
        """A fall while somebody else acts is laid to the policy that was taken over."""
        for settled in reversed(self._settled):
            if settled.label == _POLICY:
                settled.terminal |= 0 <= step - settled.record.step <= self.fall_blame_steps
                return


def _finite(record: StepRecord, after: StepRecord, action: np.ndarray, reward: float) -> bool:
    return bool(
        np.isfinite(np.concatenate((record.critic_obs(), after.critic_obs(), action, [reward]))).all()
    )


def _transitions(taken: Sequence[Step], counts: Counts) -> Transitions:
    def stack(rows: list) -> np.ndarray:
        return np.array(rows, dtype=np.float32).reshape(len(taken), -1 if taken else 0)

    return Transitions(
        steps=np.array([s.record.step for s in taken], dtype=int),
        obs=stack([s.record.obs for s in taken]),
        critic_obs=stack([s.record.critic_obs() for s in taken]),
        actions=stack([s.action for s in taken]),
        rewards=np.array([s.reward for s in taken], dtype=np.float32),
        next_obs=stack([s.after.obs for s in taken]),
        next_critic_obs=stack([s.after.critic_obs() for s in taken]),
        terminal=np.array([s.terminal for s in taken], dtype=np.float32),
        labels=np.array([LABELS.index(s.label) for s in taken], dtype=np.uint8),
        counts=counts,
    )
