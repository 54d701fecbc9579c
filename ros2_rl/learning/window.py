"""A window of control steps as the learner keeps it: raw, so that later weights judge it anew."""

from dataclasses import dataclass, fields

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
        parts = (batch.obs, batch.critic_obs, batch.actions, batch.means, np.log(batch.stds))
        tensors = [torch.from_numpy(part) for part in (*parts, batch.cut_critic_obs)]
        return cls(*tensors, reward_scale * batch.rewards, batch.terminal, batch.cut)

    def logprobs(self) -> torch.Tensor:
        """Of the actions under the policy that acted, (T,)."""
        return log_prob(self.actions, self.means, self.log_stds)

    def tensors(self) -> dict[str, torch.Tensor]:
        """For a checkpoint."""
        return {f.name: torch.as_tensor(getattr(self, f.name)) for f in fields(self)}

    @classmethod
    def from_tensors(cls, tensors: dict[str, torch.Tensor]) -> "Window":
        """Inverse of :meth:`tensors`."""
        arrays = {k: tensors[k].numpy() for k in ("rewards", "terminal", "cut")}
        return cls(**(tensors | arrays))
