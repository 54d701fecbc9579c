"""A window of control steps as the learner keeps it: raw, so that later weights judge it anew."""

from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import torch

from ros2_rl.learning.networks import log_prob
from ros2_rl.learning.rollout import Batch


@dataclass(frozen=True)
class Window:
    """The usable steps of a batch, (T, ...), and who took them."""

    obs: torch.Tensor
    critic_obs: torch.Tensor
    actions: torch.Tensor
    means: torch.Tensor
    log_stds: torch.Tensor
    """Mean and noise of the policy that acted, (T, J)."""
    cut_critic_obs: torch.Tensor
    """What the critic sees after each cut."""
    rewards: np.ndarray
    """Scaled, (T,)."""
    terminal: np.ndarray
    cut: np.ndarray

    @classmethod
    def of(cls, batch: Batch, reward_scale: float) -> "Window":
        tensor = torch.from_numpy
        return cls(
            obs=tensor(batch.obs),
            critic_obs=tensor(batch.critic_obs),
            actions=tensor(batch.actions),
            means=tensor(batch.means),
            log_stds=tensor(batch.stds).log(),
            cut_critic_obs=tensor(batch.cut_critic_obs),
            rewards=reward_scale * batch.rewards,
            terminal=batch.terminal,
            cut=batch.cut,
        )

    def logprobs(self) -> torch.Tensor:
        """Of the actions under the policy that acted, (T,)."""
        return log_prob(self.actions, self.means, self.log_stds)

    def tensors(self) -> dict[str, torch.Tensor]:
        """For a checkpoint."""
        return {f.name: torch.as_tensor(getattr(self, f.name)) for f in fields(self)}

    @classmethod
    def from_tensors(cls, tensors: dict[str, torch.Tensor]) -> "Window":
        """Inverse of :meth:`tensors`."""
        arrays: dict[str, Any] = {k: tensors[k].numpy() for k in ("rewards", "terminal", "cut")}
        return cls(**(tensors | arrays))
