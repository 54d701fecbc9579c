"""SLowRL's update: PPO (Schulman et al. 2017) on low-rank adapters and the exploration noise.

The base stays frozen (mode ``lora``) or learns as a whole (mode ``full``); everything else is the
same code. With ``algorithm: vaco`` the steps of older policies are aligned and the update is
filtered instead of clipped (off_policy.py). Names follow CleanRL: ``b_`` is the whole batch,
``mb_`` a minibatch.
"""

from typing import NamedTuple

import numpy as np
import torch

from ros2_rl.learning.agent import Agent
from ros2_rl.learning.critic import NonFinite, epochs, explained_variance, step
from ros2_rl.learning.mirror import Mirror
from ros2_rl.learning.networks import entropy, gaussian_kl, log_prob
from ros2_rl.learning.off_policy import effective_share, inward, total_variation
from ros2_rl.learning.rollout import Batch
from ros2_rl.learning.stats import UpdateStats
from ros2_rl.learning.window import Window

_LR_FACTOR = 1.5


class _ActorBatch(NamedTuple):
    """What the actor learns from; tensors, (T, ...).

    Ratios, clipping, filter and KL refer to a policy: the one that acted, or, with VACO, the one
    that is being updated; then ``weights`` says how much likelier that one takes the actions.
    """

    obs: torch.Tensor
    actions: torch.Tensor
    means: torch.Tensor
    log_stds: torch.Tensor
    logprobs: torch.Tensor
    """Of the actions, (T,)."""
    base_means: torch.Tensor
    advantages: torch.Tensor
    weights: torch.Tensor

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
        self.corrections.add(batch.shown_obs, batch.shown_actions)
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
        _, returns, values = self.critic.targets(window, self._weigh(window))
        stats.explained_variance = explained_variance(values, returns)
        self.critic.windows.append(window)
        stopped = False
        if self.updates > self.cfg.critic_warmup_updates:
            b = self._actor_batch(stats)
            stopped = self._fit_actor(b, stats)
            stats.kl = self._kl(b)
        stats.value_loss, stats.critic_grad_norm = self.critic.fit(self._weigh)
        values = self.critic.values(window.critic_obs).numpy()
        stats.explained_variance_after = explained_variance(values, returns)
        self._measure(batch, stats)
        if self.cfg.schedule == "adaptive" and (stopped or stats.actor_steps):
            self._adapt_learning_rate(stats.kl, stopped)
        stats.learning_rate = self.learning_rate

    def _fit_actor(self, b: _ActorBatch, stats: UpdateStats) -> bool:
        """Epochs over shuffled minibatches; True when the KL stopped them."""
        cfg, sums = self.cfg, np.zeros(3)
        for group in self.optimizer.param_groups:
            group["lr"] = self.learning_rate * (stats.effective_share if cfg.ess_scaling else 1.0)
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

    @torch.no_grad()
    def _kl(self, b: _ActorBatch) -> float:
        """KL from the reference to the policy as it is now."""
        return float(gaussian_kl(b.means, b.log_stds, self.actor(b.obs), self.actor.log_std).mean())

    def _actor_loss(self, mb: _ActorBatch) -> tuple[torch.Tensor, float, float]:
        """Loss, KL(reference || new) and share of clipped or filtered steps of a minibatch."""
        cfg, log_std = self.cfg, self.actor.log_std
        mean = self.actor(mb.obs)
        logratio = log_prob(mb.actions, mean, log_std) - mb.logprobs
        ratio = logratio.clamp(-cfg.log_ratio_limit, cfg.log_ratio_limit).exp()
        pg_loss, clipfrac = self._surrogate(ratio, mb)
        loss = pg_loss - cfg.entropy_coef * entropy(log_std) + self._tether(mean, mb.base_means)
        loss = loss + self.corrections.loss(self.actor)
        with torch.no_grad():
            kl = float(gaussian_kl(mb.means, mb.log_stds, mean, log_std).mean())
        return loss, kl, clipfrac

    def _surrogate(self, ratio: torch.Tensor, mb: _ActorBatch) -> tuple[torch.Tensor, float]:
        """The loss of the advantages, and the share of steps that were clipped or filtered."""
        gain = mb.weights * mb.advantages
        if self.cfg.algorithm == "vaco":
            near = bool(total_variation(ratio.detach()) <= self.cfg.tv_limit)
            kept = torch.ones_like(ratio) if near else inward(ratio.detach(), mb.advantages).float()
            return -(kept * gain * ratio).mean(), 1.0 - float(kept.mean())
        clipped = ratio.clamp(1.0 - self.cfg.clip, 1.0 + self.cfg.clip)
        outside = float(((ratio.detach() - 1.0).abs() > self.cfg.clip).float().mean())
        return -torch.minimum(gain * ratio, gain * clipped).mean(), outside

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

    @torch.no_grad()
    def _ratios(self, window: Window) -> np.ndarray:
        """How much likelier the present policy takes the actions of a window, (T,)."""
        limit = self.cfg.log_ratio_limit
        present = log_prob(window.actions, self.actor(window.obs), self.actor.log_std)
        return (present - window.logprobs()).clamp(-limit, limit).exp().numpy()

    def _weigh(self, window: Window) -> np.ndarray | None:
        """Importance weights for V-trace; None where steps count as the present policy's own."""
        return self._ratios(window) if self.cfg.algorithm == "vaco" else None

    def _actor_batch(self, stats: UpdateStats) -> _ActorBatch:
        """What the actor learns from: the newest windows, advantages normalised over all of them."""
        windows = list(self.critic.windows)[-self.cfg.actor_reuse_windows :]
        ratios = np.concatenate([self._ratios(window) for window in windows])
        stats.effective_share = effective_share(ratios)
        b = _ActorBatch(*map(torch.cat, zip(*map(self._of_window, windows), strict=True)))
        return b._replace(advantages=(b.advantages - b.advantages.mean()) / (b.advantages.std() + 1e-8))

    @torch.no_grad()
    def _of_window(self, window: Window) -> _ActorBatch:
        """A window's part, its mirror image behind it where that is asked for."""
        weights = self._weigh(window)
        advantages, _, _ = self.critic.targets(window, weights)
        obs, actions, base_means = window.obs, window.actions, self.base(window.obs)
        ones = torch.ones(len(obs))
        if weights is None:
            kept = (window.means, window.log_stds, window.logprobs(), base_means)
            b = _ActorBatch(obs, actions, *kept, torch.from_numpy(advantages), ones)
        else:
            truncated = torch.from_numpy(weights).clamp(max=self.cfg.weight_truncation)
            b = self._as_present(obs, actions, torch.from_numpy(advantages), truncated)
        return b if self._mirror is None else self._with_mirrored(b, self._mirror)

    def _with_mirrored(self, b: _ActorBatch, mirror: Mirror) -> _ActorBatch:
        """Mirrored steps count as taken by the present policy, whose ratio to itself is 1."""
        image = self._as_present(mirror.obs(b.obs), mirror.action(b.actions), b.advantages, b.weights)
        return _ActorBatch(*map(torch.cat, zip(b, image, strict=True)))

    def _as_present(
        self, obs: torch.Tensor, actions: torch.Tensor, advantages: torch.Tensor, weights: torch.Tensor
    ) -> _ActorBatch:
        """Steps whose reference is the policy as it is before the update."""
        means, log_stds = self.actor(obs), self.actor.log_std.expand_as(actions)
        logprobs = log_prob(actions, means, log_stds)
        return _ActorBatch(obs, actions, means, log_stds, logprobs, self.base(obs), advantages, weights)

    def _adapt_learning_rate(self, kl: float, stopped: bool) -> None:
        """Smaller steps after an update that the KL stopped, larger ones after a timid one."""
        low, high = self.cfg.learning_rate_bounds
        if stopped:
            self.learning_rate = max(low, self.learning_rate / _LR_FACTOR)
        elif kl < 0.5 * self.cfg.target_kl:
            self.learning_rate = min(high, self.learning_rate * _LR_FACTOR)

    # ---------------------------------------------------------------- figures

    def _describe(self, batch: Batch) -> UpdateStats:
        """What is known before the update."""
        return UpdateStats(
            update=self.updates,
            used=len(batch),
            overridden=batch.counts.overridden,
            human=batch.counts.human,
            cut=batch.counts.cut,
            action_rate=batch.action_rate,
            reward=float(batch.rewards.mean()) if len(batch) else 0.0,
            learning_rate=self.learning_rate,
            dropped_updates=self.dropped_updates,
        )

    @torch.no_grad()
    def _measure(self, batch: Batch, stats: UpdateStats) -> None:
        """How far the new policy is from the base."""
        obs, log_std = torch.from_numpy(batch.obs), self.actor.log_std
        mean, base_mean = self.actor(obs), self.base(obs)
        stats.kl_to_base = float(gaussian_kl(mean, log_std, base_mean, self._base_log_std).mean())
        correction = ((mean - base_mean).abs() * self._scale_deg).flatten().numpy()
        stats.correction_deg = float(np.percentile(correction, 99.0))
        stats.entropy, stats.std = float(entropy(log_std)), float(log_std.exp().mean())

    def _drop(self, stats: UpdateStats, reason: str) -> UpdateStats:
        self.dropped_updates += 1
        stats.dropped_updates, stats.reason = self.dropped_updates, reason
        return stats
