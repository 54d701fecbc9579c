"""The off-policy learner: replay, soft actor-critic, and how the actor leaves as an adapter.

Rewards are relative to pre-trained values (``fields.py``) and centred by their mean in the first steps.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from ros2_rl.learning.learner_state import Snapshots, check_state
from ros2_rl.learning.networks import Mlp, load_critic
from ros2_rl.learning.sac.adapters import build_actor, to_adapter
from ros2_rl.learning.sac.config import OffPolicyConfig
from ros2_rl.learning.sac.effort import Effort
from ros2_rl.learning.sac.experience import Transitions
from ros2_rl.learning.sac.fields import Fields, sound
from ros2_rl.learning.sac.networks import ResidualActor
from ros2_rl.learning.sac.pauses import Pauses
from ros2_rl.learning.sac.rehearsal import CALM, Hurried, Rehearsal
from ros2_rl.learning.sac.replay import LABELS, Batch, Replay
from ros2_rl.learning.sac.stats import OffPolicyStats
from ros2_rl.learning.sac.update import SoftActorCritic
from ros2_rl.learning.sac.value_guard import ValueGuard
from ros2_rl.policy.adapter import Adapter
from ros2_rl.policy.onnx_policy import OnnxPolicy, activation, linear_layers

if TYPE_CHECKING:
    from ros2_rl.learning.replica.replica import Replica

_SNAPSHOTS = 64
_SAME = (
    "change", "bound_deg", "actor_hidden", "rank", "alpha", "critics", "critic_hidden", "shaping",
    "reward_scale",
)  # fmt: skip
"""Settings without which a state has no meaning."""


class OffPolicyLearner:
    """Learns from everything that was kept; ``clock`` is a wall clock where the robot does not wait."""

    def __init__(
        self,
        policy: OnnxPolicy,
        critic: Path | None,
        cfg: OffPolicyConfig,
        critic_width: int,
        identity: Mapping[str, str],
        clock: Callable[[], float] | None = None,
        replica: "Replica | None" = None,
    ):
        """Build actor and critics on a base policy; without its critic, rewards are not shaped.

        Args:
            critic_width: how many numbers the critics see of a step; the first are what the actor sees.
            identity: what experience must have in common to be mixed, by name.
            clock: s; given where the robot does not wait, so that the ratio of updates is adapted.
            replica: practised in before the actor learns from the critics.

        Raises:
            ContractError: a file is damaged or foreign.
            ConfigError: the rank does not fit the networks.
        """
        torch.set_num_threads(cfg.torch_threads)
        torch.manual_seed(cfg.seed)
        self.policy, self.cfg, self._clock = policy, cfg, clock
        self.generator = torch.Generator().manual_seed(cfg.seed)
        contract = policy.contract
        self._deg = np.degrees(np.abs(np.asarray(contract.action_scale)))
        self.base = Mlp(linear_layers(policy.model), activation(policy.model)).requires_grad_(False)
        actor, self.reach = build_actor(policy, cfg)
        potential = load_critic(critic).requires_grad_(False) if critic and cfg.shaping else None
        self.fields = Fields(self.base, potential, self.reach, cfg)
        self.sac = SoftActorCritic(actor, (policy.input_width, critic_width), cfg, self.generator)
        joints = contract.num_joints
        widths = {
            "critic_obs": critic_width, "next_critic_obs": critic_width, "base": joints, "next_base": joints,
            "change": joints, "reward": 0, "terminal": 0,
        }  # fmt: skip
        self.replay = Replay(widths, identity, cfg.replay_capacity)
        self.earlier = Replay(widths, identity, cfg.replay_capacity)
        """What earlier sessions experienced."""
        self.relabelled = Replay(widths, identity, cfg.replay_capacity)
        """This session's steps under other commands."""
        self.guard = ValueGuard(cfg.gamma, cfg.value_bias_limit)
        share, step_dt = cfg.real_time_share, contract.step_dt
        self.effort = Effort(cfg.utd, cfg.utd_min, share, step_dt, clock is not None)
        self.rehearsal = Rehearsal(replica, self.sac, self.reach, step_dt, clock) if replica else None
        self.pauses = Pauses(clock, step_dt) if clock else None
        """When gradient steps are made; None where the robot waits for them."""
        self.updates = self.dropped_updates = 0
        self.hurried = False
        """Set from another thread when the run ends: an update then makes no further gradient steps."""
        self._mean_reward: float | None = None
        self.snapshots = Snapshots(_SNAPSHOTS)
        self._open_bound()
        self.snapshot(0)

    # ---------------------------------------------------------------- learning

    def update(self, new: Transitions) -> OffPolicyStats:
        """Take in a window of transitions and make the gradient steps that it is worth.

        Should a number not be finite afterwards, the networks are as before and the reason is given.
        """
        self.updates += 1
        stats = OffPolicyStats(update=self.updates, used=len(new), cut=new.counts.cut)
        stats.human, stats.overridden = new.counts.human, new.counts.recovery
        self._breathe()
        fields = self._take_in(self.replay, new)
        self._breathe()
        if relabelled := new.relabelled():
            self._take_in(self.relabelled, relabelled)
        learns = len(self.replay) >= self.cfg.start_steps and self._has_sources(self.replay)
        if learns and self._mean_reward is None:
            self._mean_reward = float(self.replay.tensors()["reward"].mean())
        if learns:
            self._breathe()
            self._watch_values(new, fields)
            # An evaluation brings many steps at once; what a window may take is as long as any other.
            count = min(len(new), self.cfg.window_steps)
            rehearsal = self.rehearsal
            if not (rehearsal and rehearsal(count, self.replay.tensors, self._go_on, stats)):
                self._learn(count, stats)
            elif stats.reason:
                self.dropped_updates += 1
        return self._describe(new, stats)

    def _has_sources(self, replay: Replay) -> bool:
        counts = replay.counts()
        return any(counts[source] for source in self.cfg.learn_from)

    def _take_in(self, replay: Replay, new: Transitions) -> dict[str, np.ndarray]:
        """The window as fields of a replay, in which it then is; nothing where nobody acted."""
        if not len(new):
            return {}
        fields = self.fields(new)
        kept = sound(fields)
        replay.add({name: array[kept] for name, array in fields.items()}, new.labels[kept])
        return fields

    def _watch_values(self, new: Transitions, fields: dict[str, np.ndarray]) -> None:
        own = new.labels == LABELS.index("policy")
        if self.sac.steps and own.any():
            inputs = (torch.from_numpy(fields[name][own]) for name in ("critic_obs", "base", "change"))
            values = self.sac.values(*inputs).numpy()
            rewards = fields["reward"][own] - (self._mean_reward or 0.0)
            self.guard.add(new.steps[own], values, rewards, new.terminal[own])

    def _learn(self, control_steps: int, stats: OffPolicyStats) -> None:
        before = self.sac.state()
        begin = self._clock() if self._clock else 0.0
        steps = self.effort.steps(control_steps)
        self.sac.sums.clear()
        held, sources = self.guard.tripped, self._sources()
        self._open_bound()
        for _ in range(steps):
            if self.hurried:
                break
            learns = not held and self.sac.steps >= self.cfg.critic_warmup
            self.sac.step(self._batch(sources), learns, self._breathe)
        self._breathe()
        if self._clock:
            self.effort.took(steps, self._clock() - begin)
        stats.gradient_steps = steps
        stats.actor_held = float(held or self.sac.steps <= self.cfg.critic_warmup)
        if not self.sac.finite():
            self.sac.load(before)
            self.dropped_updates += 1
            stats.reason = "a weight is no longer finite; everything is as before"

    def _go_on(self) -> None:
        """Breathe; breaks off what takes long when the run ends."""
        if self.hurried:
            raise Hurried
        self._breathe()

    def _breathe(self) -> None:
        """Wait for a pause of the robot's control loop, where that does not wait for us."""
        if self.pauses:
            self.pauses.wait()

    def _open_bound(self) -> None:
        """Let the residual have the share of its bound that its learning has earned."""
        cfg = self.cfg
        learned = max(self.sac.steps - cfg.critic_warmup, 0) / max(cfg.bound_opens_steps, 1)
        share = min(cfg.bound_start + (1.0 - cfg.bound_start) * learned, 1.0)
        for actor in (self.sac.actor, self.sac.acting):
            if isinstance(actor, ResidualActor):
                actor.share = share if cfg.bound_opens_steps else 1.0

    def _sources(self) -> list[tuple[Replay, int]]:
        """How many transitions of a batch come from where: this session, earlier ones, other commands."""
        cfg, left, found = self.cfg, self.cfg.batch, []
        for replay, share in ((self.earlier, cfg.earlier_share), (self.relabelled, cfg.relabelled_share)):
            if count := round(left * share) if self._has_sources(replay) else 0:
                found.append((replay, count))
                left -= count
        return [(self.replay, left), *found]

    def _batch(self, sources: list[tuple[Replay, int]]) -> Batch:
        """So many transitions of each replay, centred by the mean reward of the start."""
        cfg = self.cfg
        batches = [
            replay.sample(count, self.generator, cfg.learn_from, cfg.n_step, cfg.gamma)
            for replay, count in sources
        ]
        batch = {name: torch.cat([part[name] for part in batches]) for name in batches[0]}
        times = (1.0 - batch["discount"]) / (1.0 - cfg.gamma)  # that the mean is in a discounted sum
        batch["reward"] = batch["reward"] - times * (self._mean_reward or 0.0)
        return batch

    def _describe(self, new: Transitions, stats: OffPolicyStats) -> OffPolicyStats:
        sac, sums, cfg = self.sac, self.sac.sums, self.cfg
        stats.replay, stats.utd_wished = len(self.replay), cfg.utd
        stats.utd = stats.gradient_steps / max(min(len(new), cfg.window_steps), 1)
        stats.value, stats.value_loss = sums.mean("value"), sums.mean("critic_loss")
        stats.surrogate_loss, stats.entropy = sums.mean("actor_loss"), sums.mean("entropy")
        stats.temperature, stats.value_bias = sac.temperature, self.guard.bias
        stats.std = float(sac.acting.log_std.exp().mean())
        stats.dropped_updates = self.dropped_updates
        if self.rehearsal:
            self.rehearsal.describe(stats)
        if len(new):
            obs = torch.from_numpy(new.obs)
            with torch.no_grad():
                change = sac.acting.mean(obs, self.base(obs)).numpy() * self.reach
            stats.correction_deg = float(np.quantile(np.abs(change) * self._deg, 0.99))
            stats.reward = float(new.rewards.mean())
            follows = np.diff(new.steps) == 1
            rates = np.linalg.norm(np.diff(new.actions, axis=0), axis=1)[follows]
            stats.action_rate = float(rates.mean()) if rates.size else 0.0
        return stats

    # ------------------------------------------------------------------ export

    def adapter(
        self, version: int, activate_at_step: int = 0, next_at_step: int = 0, created_ns: int = 0
    ) -> Adapter:
        """What was learned, for the executor; kept under its version for :meth:`rollback`."""
        self.snapshot(version)
        found = to_adapter(
            self.policy, self.cfg, self.sac.acting, self.reach,
            version=version, activate_at_step=activate_at_step, next_at_step=next_at_step,
            created_ns=created_ns,
        )  # fmt: skip
        if self.rehearsal and self.rehearsal.leads:
            return replace(found, log_std=np.minimum(found.log_std, CALM))
        return found

    def sizes(self) -> tuple[int, int]:
        """Numbers that learn, and those of the base policy."""
        trained = (*self.sac.actor.parameters(), *self.sac.critics.parameters())
        return (
            sum(p.numel() for p in trained if p.requires_grad),
            sum(p.numel() for p in self.base.parameters()),
        )

    # ------------------------------------------------------------------- state

    def snapshot(self, version: int) -> None:
        """Keep the actor that acts under ``version``; 0 is the base and always there."""
        self.snapshots.keep(version, self.sac.actor_parameters())

    def rollback(self, version: int) -> None:
        """Make the actor what it was at ``version``; the critics keep what they learned.

        Raises:
            ConfigError: no such version is kept.
        """
        self.sac.set_actor(self.snapshots.at(version))

    def state_dict(self) -> dict[str, Any]:
        """Everything that the next update depends on, as tensors, numbers and strings."""
        return {
            "base_sha256": self.policy.sha256,
            "config": self.cfg.model_dump(mode="json"),
            "updates": self.updates,
            "dropped_updates": self.dropped_updates,
            "generator": self.generator.get_state(),
            "snapshots": self.snapshots.contents(),
            "mean_reward": self._mean_reward,
            "replay": self.replay.tensors(),
            "earlier": self.earlier.tensors(),
            "relabelled": self.relabelled.tensors(),
            "guard": self.guard.rows(),
            "replica": self.rehearsal.replica.state() if self.rehearsal else None,
            **self.sac.state(),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Inverse of :meth:`state_dict`.

        Raises:
            ConfigError: the state belongs to another base policy or to other settings.
        """
        check_state(state, self.policy.sha256, self.cfg.model_dump(mode="json"), _SAME)
        self.sac.load(state)
        self._open_bound()
        self.updates, self.dropped_updates = state["updates"], state["dropped_updates"]
        self.generator.set_state(state["generator"])
        self.snapshots.restore(state["snapshots"])
        self._mean_reward = state["mean_reward"]
        self.replay.restore(state["replay"])
        self.earlier.restore(state["earlier"])
        self.relabelled.restore(state["relabelled"])
        self.guard.restore(state["guard"])
        if self.rehearsal and state.get("replica"):
            self.rehearsal.replica.restore(state["replica"])
