"""Full fine-tuning with rsl_rl's own PPO, fed with the windows of one robot: the baseline.

The networks are ours, wrapped as the library's models, so that an adapter, a checkpoint and a
roll-back work as they do for SLowRL; loss, step size and minibatches are the library's. A segment
that is cut ends an episode there, its last reward completed by the discounted value of what
follows: the library's returns are then those of segment-wise GAE.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from rsl_rl.algorithms import PPO
from rsl_rl.storage import RolloutStorage

from ros2_rl.learning.config import SlowRLConfig
from ros2_rl.learning.critic import NonFinite, explained_variance
from ros2_rl.learning.ppo import SlowRL
from ros2_rl.learning.rollout import Batch
from ros2_rl.learning.rsl_rl_models import as_model, observation
from ros2_rl.learning.stats import UpdateStats
from ros2_rl.learning.window import Window
from ros2_rl.policy.onnx_policy import Layer, OnnxPolicy


class RslRlPPO(SlowRL):
    """The library's PPO in the learner's place."""

    def __init__(self, policy: OnnxPolicy, critic: Path | Sequence[Layer], cfg: SlowRLConfig):
        super().__init__(policy, critic, cfg)
        low, high = (float(np.exp(bound)) for bound in cfg.log_std_bounds)
        noise = {"class_name": "GaussianDistribution", "std_type": "log", "std_range": (low, high)}
        sample = observation(*(torch.zeros(1, width) for width in self._widths))
        actor = as_model("actor", self.actor.mlp, policy.output_width, sample, noise)
        assert actor.distribution is not None
        actor.distribution.log_std_param = self.actor.log_std
        critic = as_model("critic", self.critic.network, 1, sample)
        torch.manual_seed(cfg.seed)
        self._ppo = PPO(
            actor, critic, self._storage(1),
            num_learning_epochs=cfg.epochs, num_mini_batches=cfg.minibatches, clip_param=cfg.clip,
            gamma=cfg.gamma, lam=cfg.gae_lambda, value_loss_coef=1.0, entropy_coef=cfg.entropy_coef,
            learning_rate=cfg.learning_rate, max_grad_norm=cfg.max_grad_norm, schedule=cfg.schedule,
            desired_kl=cfg.target_kl,
        )  # fmt: skip
        self.optimizer, self.critic.optimizer = self._ppo.optimizer, None

    def _learn(self, batch: Batch, stats: UpdateStats) -> None:
        window = Window.of(batch, self.cfg.reward_scale)
        _, returns, values = self.critic.targets(window)
        stats.explained_variance = explained_variance(values, returns)
        self._fill(window)
        b = self._of_window(window)
        if not bool(self._ppo.storage.returns.isfinite().all()):
            raise NonFinite("a reward or a value")
        losses = self._ppo.update()
        self.actor.clamp_()
        if not all(bool(p.isfinite().all()) for p in (*self.parameters, *self.critic.parameters)):
            raise NonFinite("a weight")
        stats.value_loss, stats.surrogate_loss = losses["value"], losses["surrogate"]
        stats.actor_steps = self.cfg.epochs * self.cfg.minibatches
        stats.kl = self._kl(b)
        stats.explained_variance_after = explained_variance(
            self.critic.values(window.critic_obs).numpy(), returns
        )
        self._measure(batch, stats)
        self.learning_rate = stats.learning_rate = self._ppo.learning_rate

    def _restore(self, trained: dict[str, Any]) -> None:
        super()._restore(trained)
        self._ppo.learning_rate = self.learning_rate

    def _fill(self, window: Window) -> None:
        """Make a window the library's rollout, with returns and advantages."""
        storage = self._ppo.storage = self._storage(len(window.obs))
        values, cut_values = self.critic.values(window.critic_obs), self.critic.values(window.cut_critic_obs)
        rewards = torch.from_numpy(window.rewards).clone()
        cut, fell = torch.from_numpy(window.cut), torch.from_numpy(window.terminal)
        rewards[cut] += self.cfg.gamma * torch.where(fell[cut], torch.zeros(()), cut_values)
        storage.observations["policy"][:, 0] = window.obs
        storage.observations["critic"][:, 0] = window.critic_obs
        storage.actions[:, 0], storage.rewards[:, 0, 0] = window.actions, rewards
        storage.dones[:, 0, 0], storage.values[:, 0, 0] = cut.byte(), values
        storage.actions_log_prob[:, 0, 0] = window.logprobs()
        storage.distribution_params = (window.means[:, None], window.log_stds.exp()[:, None])
        storage.step = len(window.obs)
        self._ppo.compute_returns(observation(window.obs[-1:], window.critic_obs[-1:]))

    def _storage(self, steps: int) -> RolloutStorage:
        obs = observation(*(torch.zeros(1, width) for width in self._widths))
        return RolloutStorage("rl", 1, steps, obs, [self.policy.output_width])

    @property
    def _widths(self) -> tuple[int, int]:
        return self.policy.input_width, self.critic.network.input_size
