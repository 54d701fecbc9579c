"""From control steps to batches: which steps are the policy's own, and where segments end.

Only steps that the policy itself acted and explored in enter a batch. Where somebody else takes
over, a record is lost or a window ends, the segment is truncated and bootstrapped with the value
of the last state; only a fall is terminal.
"""

from dataclasses import dataclass, field

import numpy as np

from ros2_rl.policy.step import StepRecord

POLICY, HUMAN = "policy", "human"


@dataclass
class Counts:
    """What became of the control steps of a window."""

    used: int = 0
    overridden: int = 0
    """Somebody else acted, from the start of the step or from within it."""
    human: int = 0
    """Of these, a person drove."""
    cut: int = 0
    """The step's successor, hence its outcome or its label, is not known: the last before the robot is put
    back, or one of which a message was lost."""
    silent: int = 0
    """The policy acted without exploration noise."""
    invalid: int = 0
    """A number was not finite."""


@dataclass(frozen=True)
class Batch:
    """The usable steps of a window in order of time; float32, (T, ...)."""

    obs: np.ndarray
    """(T, D)."""
    critic_obs: np.ndarray
    """(T, C)."""
    actions: np.ndarray
    """Raw actions, (T, J)."""
    means: np.ndarray
    """Mean of the policy that acted, (T, J)."""
    stds: np.ndarray
    """Its standard deviation, (T, J)."""
    rewards: np.ndarray
    """(T,)."""
    terminal: np.ndarray
    """Whether the step ended in a fall, (T,), bool."""
    cut: np.ndarray
    """Whether the step is the last of its segment, (T,), bool."""
    cut_critic_obs: np.ndarray
    """What the critic sees after each cut, (number of cuts, C)."""
    counts: Counts
    shown_obs: np.ndarray = field(default_factory=lambda: np.zeros((0, 0), np.float32))
    """What the actor would have seen while a person drove, (H, D)."""
    shown_actions: np.ndarray = field(default_factory=lambda: np.zeros((0, 0), np.float32))
    """What was carried out then, raw actions, (H, J)."""

    def __len__(self) -> int:
        return len(self.rewards)

    @property
    def action_rate(self) -> float:
        """Mean |a_t - a_(t-1)| within segments, raw action."""
        steps = np.linalg.norm(np.diff(self.actions, axis=0), axis=1)[~self.cut[:-1]]
        return float(steps.mean()) if steps.size else 0.0


@dataclass(slots=True)
class _Transition:
    record: StepRecord
    after: StepRecord
    reward: float
    terminal: bool = False


@dataclass
class Rollout:
    """Collects the steps of a window.

    A step is held back until its successor's label is known: recovery may take over between two
    control steps, and then the action was carried out in part only. Such a step counts as
    overridden, and the state it began in, which is still the policy's doing, is bootstrapped.
    """

    fall_blame_steps: int = 50
    """A fall this many control steps after a hand-over makes the policy's segment terminal."""
    counts: Counts = field(default_factory=Counts)
    _taken: list[_Transition] = field(default_factory=list)
    _shown: list[StepRecord] = field(default_factory=list)
    _held: _Transition | None = None

    def __len__(self) -> int:
        """Usable steps so far."""
        return len(self._taken)

    def add(self, record: StepRecord, after: StepRecord, reward: float, actor: str, fell: bool) -> None:
        """One control step, the next record, and who acted in the step.

        ``fell`` says that the supervisor counted a fall between the two records.
        """
        self._settle(record, actor)
        if fell and actor != POLICY:
            self._blame(record.step)
        if actor != POLICY:
            self.counts.overridden += 1
            if actor == HUMAN and record.version == 0 and _finite(record, after, reward):
                self.counts.human += 1
                self._shown.append(record)
        elif not np.all(record.std > 0.0):
            self.counts.silent += 1
        elif after.step != record.step + 1:
            self.counts.cut += 1
        elif not _finite(record, after, reward):
            self.counts.invalid += 1
        elif fell:
            self._taken.append(_Transition(record, after, reward, True))
        else:
            self._held = _Transition(record, after, reward)

    def judge(self, first_ns: int, last_ns: int, reward: float) -> int:
        """Spread a person's judgement over the steps of a span of stamps; returns how many there were."""
        judged = [t for t in self._taken if first_ns <= t.record.stamp_ns <= last_ns]
        for transition in judged:
            transition.reward += reward / len(judged)
        return len(judged)

    def drain(self) -> Batch:
        """The batch of what was taken; begins a new window."""
        taken, shown, counts = self._taken, self._shown, self.counts
        counts.used = len(taken)
        self._taken, self._shown, self.counts = [], [], Counts()
        return _batch(taken, shown, counts)

    def clear(self) -> None:
        """Forget everything."""
        self._taken, self._shown, self._held, self.counts = [], [], None, Counts()

    def _settle(self, record: StepRecord, actor: str) -> None:
        """Decide on the step that was held back, now that its successor is labelled."""
        held, self._held = self._held, None
        if held is None:
            return
        if record.step != held.record.step + 1:
            self.counts.cut += 1
        elif actor != POLICY:
            self.counts.overridden += 1
        else:
            self._taken.append(held)

    def _blame(self, step: int) -> None:
        """A fall at ``step``, while somebody else acted, is laid to the policy that was taken over."""
        if self._taken and 0 <= step - self._taken[-1].record.step <= self.fall_blame_steps:
            self._taken[-1].terminal = True


def _finite(record: StepRecord, after: StepRecord, reward: float) -> bool:
    arrays = (record.critic_obs(), after.critic_obs(), record.action, record.mean, record.std, [reward])
    return bool(np.isfinite(np.concatenate(arrays)).all())


def _batch(taken: list[_Transition], shown: list[StepRecord], counts: Counts) -> Batch:
    nothing, no = np.zeros((0, 0), np.float32), np.zeros(0, bool)
    shown_obs = _stack([r.obs for r in shown]) if shown else nothing
    shown_actions = _stack([r.action for r in shown]) if shown else nothing
    if not taken:
        none = np.zeros(0, np.float32)
        return Batch(*(nothing,) * 5, none, no, no, nothing, counts, shown_obs, shown_actions)
    records = [t.record for t in taken]
    terminal = np.array([t.terminal for t in taken])
    steps = np.array([r.step for r in records])
    cut = np.append(np.diff(steps) != 1, True) | terminal
    return Batch(
        obs=_stack([r.obs for r in records]),
        critic_obs=_stack([r.critic_obs() for r in records]),
        actions=_stack([r.action for r in records]),
        means=_stack([r.mean for r in records]),
        stds=_stack([r.std for r in records]),
        rewards=np.array([t.reward for t in taken], dtype=np.float32),
        terminal=terminal,
        cut=cut,
        cut_critic_obs=_stack([taken[i].after.critic_obs() for i in np.flatnonzero(cut)]),
        counts=counts,
        shown_obs=shown_obs,
        shown_actions=shown_actions,
    )


def _stack(arrays: list[np.ndarray]) -> np.ndarray:
    return np.stack(arrays).astype(np.float32)
