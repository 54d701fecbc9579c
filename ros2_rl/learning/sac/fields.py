"""From transitions to rows of a replay: the base's own actions, the change in bounds, shaped rewards.

Rewards are taken relative to the values of the pre-trained critic (potential-based shaping, Ng et al. 1999):
r' = scale * (r + gamma_V V(s') - V(s)). It knows what falling costs and what a good stride is worth; what is
left to learn is how this robot differs, which a short horizon sees.
"""

import numpy as np
import torch

from ros2_rl.learning.networks import Mlp
from ros2_rl.learning.sac.config import OffPolicyConfig
from ros2_rl.learning.sac.experience import Transitions

_LARGEST_REWARD = 1e6
"""Scaled; no task pays so much, and one such number would spoil every batch that it is in."""


class Fields:
    """Makes rows; ``reach`` (J,) is the raw action that a change of 1 means.

    Attributes:
        potential: the pre-trained critic; None: rewards stay what they are.
    """

    def __init__(self, base: Mlp, potential: Mlp | None, reach: np.ndarray, cfg: OffPolicyConfig):
        self.potential = potential
        self._base, self._cfg = base, cfg
        self._reach = np.where(reach > 0.0, reach, np.inf)

    @torch.no_grad()
    def __call__(self, new: Transitions) -> dict[str, np.ndarray]:
        """The fields of T transitions, (T, ...), at least one."""
        base, next_base = (self._base(torch.from_numpy(obs)).numpy() for obs in (new.obs, new.next_obs))
        return {
            "critic_obs": new.critic_obs,
            "next_critic_obs": new.next_critic_obs,
            "base": base,
            "next_base": next_base,
            "change": ((new.actions - base) / self._reach).astype(np.float32),
            "reward": self._shaped(new),
            "terminal": new.terminal,
        }

    def _shaped(self, new: Transitions) -> np.ndarray:
        """Scaled rewards, relative to the pre-trained values where these are known, (T,)."""
        rewards = new.rewards
        if self.potential is not None:
            seen = (torch.from_numpy(obs) for obs in (new.critic_obs, new.next_critic_obs))
            now, then = (self.potential(obs)[:, 0].numpy() for obs in seen)
            ends = -np.minimum(now, self._cfg.end_cost)  # all of it would be an outlier that swamps the rest
            goes_on = self._cfg.shaping_gamma * then - now
            rewards = rewards + np.where(new.terminal > 0.5, ends, goes_on)
        return self._cfg.reward_scale * rewards.astype(np.float64)


def sound(fields: dict[str, np.ndarray]) -> np.ndarray:
    """Which rows can be learned from, (T,): not those whose reward is no number or beyond all reason."""
    return np.abs(fields["reward"]) < _LARGEST_REWARD
