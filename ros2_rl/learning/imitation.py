"""What a person showed while driving, as a behaviour-cloning term whose weight fades.

The steps in which somebody else acts say nothing about the policy's own actions, so they never
enter the policy gradient, and they cost nothing. What they do say is how to act where a person
thought it right to step in: like the trusted base under that person's commands (compare HG-DAgger,
Kelly et al. 2019, and the demonstrations term of DAPG, Rajeswaran et al. 2018, eq. 4).
"""

from collections import deque

import numpy as np
import torch

from ros2_rl.learning.networks import GaussianActor

_WINDOWS = 32
"""Windows kept; by then the weight of the oldest is negligible at any half-life that makes sense."""


class Corrections:
    """Observations and actions by window, newest last.

    Args:
        coef: weight of the term for what was shown in the newest window.
        half_life: updates after which that weight has halved.
    """

    def __init__(self, coef: float, half_life: float):
        self._coef, self._half_life = coef, half_life
        self._windows: deque[tuple[torch.Tensor, torch.Tensor]] = deque(maxlen=_WINDOWS)

    def __len__(self) -> int:
        """Steps kept."""
        return sum(len(obs) for obs, _ in self._windows)

    def add(self, obs: np.ndarray, actions: np.ndarray) -> None:
        """A window's steps, (H, D) and (H, J), raw actions; H may be 0, time goes on all the same."""
        self._windows.append((torch.from_numpy(obs), torch.from_numpy(actions)))

    def loss(self, actor: GaussianActor) -> torch.Tensor:
        """Weighted mean squared distance of the actor's means from what was shown."""
        loss = torch.zeros(())
        for age, (obs, actions) in enumerate(reversed(self._windows)):
            if len(obs):
                weight = self._coef * 0.5 ** (age / self._half_life)
                loss = loss + weight * (actor(obs) - actions).square().mean()
        return loss

    def tensors(self) -> list[list[torch.Tensor]]:
        """For a checkpoint."""
        return [list(window) for window in self._windows]

    def restore(self, windows: list[list[torch.Tensor]]) -> None:
        """Inverse of :meth:`tensors`."""
        self._windows.clear()
        self._windows.extend((obs, actions) for obs, actions in windows)
