"""SLowRL's update: PPO (Schulman et al. 2017) on low-rank adapters and the exploration noise.

The base stays frozen (mode ``lora``) or learns as a whole (mode ``full``, the baseline); everything
else is the same code. Names follow CleanRL: ``b_`` is the whole batch, ``mb_`` a minibatch.
"""

from typing import NamedTuple

import numpy as np
import torch

from ros2_rl.learning.agent import Agent
from ros2_rl.learning.critic import NonFinite, Window, epochs, explained_variance, step
from ros2_rl.learning.mirror import Mirror
from ros2_rl.learning.networks import entropy, gaussian_kl, log_prob
from ros2_rl.learning.rollout import Batch
from ros2_rl.learning.stats import UpdateStats

_LR_FACTOR = 1.5


class _ActorBatch(NamedTuple):
    """What the actor learns from; tensors, (T, ...)."""

    obs: torch.Tensor
    actions: torch.Tensor
    means: torch.Tensor
    log_stds: torch.Tensor
    logprobs: torch.Tensor
    """Of the actions under the policy that acted, (T,)."""
    base_means: torch.Tensor
    advantages: torch.Tensor

    def take(self, inds: torch.Tensor) -> "_ActorBatch":
        return _ActorBatch(*(part[inds] for part in self))


class SlowRL(Agent):
    """Learns adapters of one policy from windows of its own control steps."""

    def update(self, batch: Batch) -> UpdateStats:
        """Learn from one window; an update that cannot be used leaves everything as it was.

        Raises:
            ContractError: the batch does not fit the networks.
        """
        self.updates += 1
        stats = self._describe(batch)
        if len(batch) < self.cfg.min_batch_steps:
            return self._drop(stats, f"{len(batch)} usable steps, {self.cfg.min_batch_steps} are needed")
        before, windows = self._trained(), list(self.critic.windows)
        try:
            self._learn(batch, stats)
        except NonFinite as error:
            self._restore(before)
            self.critic.windows.clear()
            self.critic.windows.extend(windows)
            return self._drop(self._describe(batch), f"not finite: {error}")
        return stats

    def _learn(self, batch: Batch, stats: UpdateStats) -> None:
        """Advantages from the critic as it is; then the actor learns, then the critic."""
        window = Window.of(batch, self.cfg.reward_scale)
        advantages, returns, values = self.critic.targets(window)
        stats.explained_variance = explained_variance(values, returns)
        stopped = False
        if self.updates > self.cfg.critic_warmup_updates:
            stopped = self._fit_actor(self._actor_batch(batch, advantages), stats)
        self.critic.windows.append(window)
        stats.value_loss, stats.critic_grad_norm = self.critic.fit()
        values = self.critic.values(window.critic_obs).numpy()
        stats.explained_variance_after = explained_variance(values, returns)
        self._measure(batch, stats)
        if self.cfg.schedule == "adaptive" and (stopped or stats.actor_steps):
            self._adapt_learning_rate(stats.kl, stopped)
        stats.learning_rate = self.learning_rate

    def _fit_actor(self, b: _ActorBatch, stats: UpdateStats) -> bool:
        """Epochs over shuffled minibatches; True when the KL to the behaviour stopped them."""
        cfg, sums = self.cfg, np.zeros(3)
        for mb_inds in epochs(len(b.obs), cfg.epochs, cfg.minibatches, self.generator):
            loss, kl, clipfrac = self._actor_loss(b.take(mb_inds))
            if kl > cfg.kl_stop * cfg.target_kl:
                return True
            sums += (*step(loss, self.optimizer, self.parameters, cfg.max_grad_norm), clipfrac)
            self.actor.clamp_()
            stats.actor_steps += 1
            means = (sums / stats.actor_steps).tolist()
            stats.surrogate_loss, stats.actor_grad_norm, stats.clipfrac = means
        return False

    def _actor_loss(self, mb: _ActorBatch) -> tuple[torch.Tensor, float, float]:
        """Loss, KL(behaviour || new) and share of clipped ratios of a minibatch."""
        cfg, log_std = self.cfg, self.actor.log_std
        mean = self.actor(mb.obs)
        logratio = log_prob(mb.actions, mean, log_std) - mb.logprobs
        ratio = logratio.clamp(-cfg.log_ratio_limit, cfg.log_ratio_limit).exp()
        clipped = ratio.clamp(1.0 - cfg.clip, 1.0 + cfg.clip)
        pg_loss = -torch.minimum(mb.advantages * ratio, mb.advantages * clipped).mean()
        loss = pg_loss - cfg.entropy_coef * entropy(log_std) + self._tether(mean, mb.base_means)
        with torch.no_grad():
            kl = float(gaussian_kl(mb.means, mb.log_stds, mean, log_std).mean())
            clipfrac = float(((ratio - 1.0).abs() > cfg.clip).float().mean())
        return loss, kl, clipfrac

    def _tether(self, mean: torch.Tensor, base_mean: torch.Tensor) -> torch.Tensor:
        """What keeps the policy near its base."""
        cfg, loss = self.cfg, torch.zeros(())
        if cfg.base_kl_coef > 0.0:
            kl = gaussian_kl(mean, self.actor.log_std, base_mean, self._base_log_std)
            loss = loss + cfg.base_kl_coef * kl.mean()
        if cfg.correction_coef > 0.0:
            share = (mean - base_mean).abs() * self._scale_deg / cfg.correction_limit_deg
            loss = loss + cfg.correction_coef * (share - 1.0).clamp(min=0.0).square().sum(-1).mean()
        return loss

    def _actor_batch(self, batch: Batch, advantages: np.ndarray) -> _ActorBatch:
        """Tensors of a batch, its mirror image behind it where that is asked for."""
        obs, actions, means, stds = map(torch.from_numpy, (batch.obs, batch.actions, batch.means, batch.stds))
        scaled = torch.from_numpy((advantages - advantages.mean()) / (advantages.std() + 1e-8))
        log_stds = stds.log()
        with torch.no_grad():
            logprobs = log_prob(actions, means, log_stds)
            b = _ActorBatch(obs, actions, means, log_stds, logprobs, self.base(obs), scaled)
            return b if self._mirror is None else self._with_mirrored(b, self._mirror)

    def _with_mirrored(self, b: _ActorBatch, mirror: Mirror) -> _ActorBatch:
        """Mirrored steps count as taken by the present policy, whose ratio to itself is 1."""
        obs, actions = mirror.obs(b.obs), mirror.action(b.actions)
        means, log_stds = self.actor(obs), self.actor.log_std.expand_as(actions)
        logprobs = log_prob(actions, means, log_stds)
        image = _ActorBatch(obs, actions, means, log_stds, logprobs, self.base(obs), b.advantages)
        return _ActorBatch(*map(torch.cat, zip(b, image, strict=True)))

    def _adapt_learning_rate(self, kl: float, stopped: bool) -> None:
        """Smaller steps after an update that the KL stopped, larger ones after a timid one."""
        low, high = self.cfg.learning_rate_bounds
        if stopped:
            self.learning_rate = max(low, self.learning_rate / _LR_FACTOR)
        elif kl < 0.5 * self.cfg.target_kl:
            self.learning_rate = min(high, self.learning_rate * _LR_FACTOR)
        for group in self.optimizer.param_groups:
            group["lr"] = self.learning_rate

    # ---------------------------------------------------------------- figures

    def _describe(self, batch: Batch) -> UpdateStats:
        """What is known before the update."""
        return UpdateStats(
            update=self.updates,
            used=len(batch),
            overridden=batch.counts.overridden,
            lost=batch.counts.lost,
            action_rate=batch.action_rate,
            reward=float(batch.rewards.mean()) if len(batch) else 0.0,
            learning_rate=self.learning_rate,
            dropped_updates=self.dropped_updates,
        )

    @torch.no_grad()
    def _measure(self, batch: Batch, stats: UpdateStats) -> None:
        """How far the new policy is from the one that acted and from the base."""
        obs, log_std = torch.from_numpy(batch.obs), self.actor.log_std
        mean, base_mean = self.actor(obs), self.base(obs)
        means, log_stds = torch.from_numpy(batch.means), torch.from_numpy(batch.stds).log()
        stats.kl = float(gaussian_kl(means, log_stds, mean, log_std).mean())
        stats.kl_to_base = float(gaussian_kl(mean, log_std, base_mean, self._base_log_std).mean())
        correction = ((mean - base_mean).abs() * self._scale_deg).flatten().numpy()
        stats.correction_deg = float(np.percentile(correction, 99.0))
        stats.entropy, stats.std = float(entropy(log_std)), float(log_std.exp().mean())

    def _drop(self, stats: UpdateStats, reason: str) -> UpdateStats:
        self.dropped_updates += 1
        stats.dropped_updates, stats.reason = self.dropped_updates, reason
        return stats
