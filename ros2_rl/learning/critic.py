"""The value function: advantages for the actor, and its own fit to the newest windows."""

from collections import deque
from collections.abc import Callable, Iterator

import numpy as np
import torch
from torch import nn

from ros2_rl.errors import ContractError
from ros2_rl.learning.config import SlowRLConfig
from ros2_rl.learning.lora import add_lora
from ros2_rl.learning.mirror import Reflection
from ros2_rl.learning.networks import Mlp
from ros2_rl.learning.off_policy import vtrace
from ros2_rl.learning.window import Window


class NonFinite(ArithmeticError):
    """A loss or a gradient is not finite; the update cannot be used."""


Weigh = Callable[[Window], np.ndarray | None]
"""Importance weights (T,) of a window's actions under the present policy; None: all 1."""


class Critic:
    """A value network, its optimiser and the windows that it is fitted to."""

    def __init__(
        self, network: Mlp, cfg: SlowRLConfig, generator: torch.Generator, mirror: Reflection | None = None
    ):
        """``mirror`` reflects what the critic sees; with it, it is fitted to both sides."""
        self.network, self.cfg = network.requires_grad_(cfg.adapt_critic == "full"), cfg
        self._generator, self._mirror = generator, mirror
        if cfg.adapt_critic == "lora":
            add_lora(network.linears, cfg.critic_rank, cfg.critic_alpha, generator, fit_rank=True)
        self.parameters = [p for p in network.parameters() if p.requires_grad]
        self.optimizer = (
            torch.optim.Adam(self.parameters, lr=cfg.critic_learning_rate) if self.parameters else None
        )
        self.windows: deque[Window] = deque(maxlen=max(cfg.critic_reuse_windows, cfg.actor_reuse_windows))

    @torch.no_grad()
    def values(self, critic_obs: torch.Tensor) -> torch.Tensor:
        """(N, C) to (N,).

        Raises:
            ContractError: the records are not what the critic was trained on.
        """
        if critic_obs.shape[1] != self.network.input_size:
            raise ContractError(
                f"The critic takes {self.network.input_size} numbers, a control step has "
                f"{critic_obs.shape[1]}; use the critic that belongs to the policy."
            )
        return self.network(critic_obs).squeeze(1)

    def targets(
        self, window: Window, weights: np.ndarray | None = None
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Advantages, value targets and values of a window, (T,) each."""
        values = self.values(window.critic_obs).numpy()
        cut_values = self.values(window.cut_critic_obs).numpy()
        advantages, returns = vtrace(
            window.rewards, values, cut_values, window.terminal, window.cut,
            self.cfg.gamma, self.cfg.gae_lambda, weights, self.cfg.weight_truncation,
        )  # fmt: skip
        return advantages, returns, values

    def fit(self, weigh: Weigh = lambda _: None) -> tuple[float, float]:
        """Fit to the newest windows; mean loss and gradient norm.

        Raises:
            NonFinite: a loss or a gradient is not finite.
        """
        if self.optimizer is None:
            return 0.0, 0.0
        obs, returns, values = self._data(weigh)
        cfg, sums = self.cfg, np.zeros(2)
        for mb_inds in epochs(len(obs), cfg.critic_epochs, cfg.minibatches, self._generator):
            loss = self._loss(obs[mb_inds], returns[mb_inds], values[mb_inds])
            sums += step(loss, self.optimizer, self.parameters, cfg.max_grad_norm)
        loss_mean, norm_mean = (sums / (cfg.critic_epochs * cfg.minibatches)).tolist()
        return loss_mean, norm_mean

    def _data(self, weigh: Weigh) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Observations, targets and present values of the newest windows."""
        windows = list(self.windows)[-self.cfg.critic_reuse_windows :]
        targets = [self.targets(window, weigh(window)) for window in windows]
        obs = torch.cat([w.critic_obs for w in windows])
        returns, values = (torch.from_numpy(np.concatenate([t[i] for t in targets])) for i in (1, 2))
        if self._mirror is None:
            return obs, returns, values
        reflected = self._mirror(obs)
        return torch.cat((obs, reflected)), returns.repeat(2), torch.cat((values, self.values(reflected)))

    def _loss(self, obs: torch.Tensor, returns: torch.Tensor, old: torch.Tensor) -> torch.Tensor:
        value = self.network(obs).squeeze(1)
        loss = self._error(value, returns)
        if self.cfg.value_clip > 0.0:
            near = old + (value - old).clamp(-self.cfg.value_clip, self.cfg.value_clip)
            loss = torch.maximum(loss, self._error(near, returns))
        return loss.mean()

    def _error(self, value: torch.Tensor, returns: torch.Tensor) -> torch.Tensor:
        if self.cfg.huber_delta > 0.0:
            return nn.functional.huber_loss(value, returns, reduction="none", delta=self.cfg.huber_delta)
        return 0.5 * (value - returns) ** 2


def explained_variance(values: np.ndarray, returns: np.ndarray) -> float:
    """1 − Var(returns − values) / Var(returns); 0 where the returns do not vary."""
    variance = float(np.var(returns))
    return 1.0 - float(np.var(returns - values)) / variance if variance > 0.0 else 0.0


def epochs(size: int, passes: int, count: int, generator: torch.Generator) -> Iterator[torch.Tensor]:
    """``passes`` times the indices 0 to size − 1, shuffled, in ``count`` parts of nearly equal length."""
    for _ in range(passes):
        yield from torch.tensor_split(torch.randperm(size, generator=generator), count)


def step(
    loss: torch.Tensor, optimizer: torch.optim.Optimizer, parameters: list[nn.Parameter], max_norm: float
) -> tuple[float, float]:
    """One gradient step; the loss and the gradient's norm before clipping.

    Raises:
        NonFinite: the loss or the gradient is not finite; no step was made.
    """
    optimizer.zero_grad(set_to_none=True)
    loss.backward()
    norm = float(nn.utils.clip_grad_norm_(parameters, max_norm))
    value = float(loss.detach())
    if not np.isfinite(norm) or not np.isfinite(value):
        raise NonFinite(f"loss {value}, gradient norm {norm}")
    optimizer.step()
    return value, norm
