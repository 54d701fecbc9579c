"""Critics with layer normalisation, and actors that change a base policy within a bound.

An actor's answer r is the change of the base's action in units of the bound, joint by joint: the executed
raw action is base + reach * r. Critics take what they see, the base's action and r.
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import NamedTuple, TypeVar

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from ros2_rl.learning.lora import LoRALinear, add_lora
from ros2_rl.learning.networks import Mlp
from ros2_rl.policy.onnx_policy import Layer

_HALF_LOG_2PI = 0.5 * math.log(2.0 * math.pi)


class Draw(NamedTuple):
    """An actor's answer to observations."""

    change: torch.Tensor
    """(N, J), with noise."""
    mean: torch.Tensor
    """(N, J), without."""
    log_prob: torch.Tensor
    """Log-density of the change, (N,)."""


class TanhActor(nn.Module, ABC):
    """r = share * tanh(f(obs) + std * noise); f ends with zeros, so that it starts with no change."""

    def __init__(self, sizes: Sequence[int]):
        """``sizes`` of the network, from input to answer; initialised by torch's global generator."""
        super().__init__()
        self.linears = nn.ModuleList(nn.Linear(a, b) for a, b in zip(sizes, sizes[1:], strict=False))
        nn.init.zeros_(self._last.weight)
        nn.init.zeros_(self._last.bias)
        self.share = 1.0

    @property
    def _last(self) -> nn.Linear:
        last = self.linears[-1]
        assert isinstance(last, nn.Linear)
        return last

    def answer(self, obs: torch.Tensor) -> torch.Tensor:
        """Of the network, (N, sizes[-1]), to observations (N, D)."""
        for linear in self.linears[:-1]:
            obs = functional.elu(linear(obs))
        return self.linears[-1](obs)

    @abstractmethod
    def split(self, obs: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """f(obs), (N, J), and the logarithm of std, (J,) or (N, J)."""

    def mean(self, obs: torch.Tensor, base: torch.Tensor) -> torch.Tensor:
        """Change without noise (N, J), for observations (N, D) and the base's actions (N, J)."""
        return self.share * torch.tanh(self.split(obs)[0])

    def sample(self, obs: torch.Tensor, base: torch.Tensor, noise: torch.Tensor) -> Draw:
        """The change made with standard normal ``noise`` (N, J).

        The density is that of change / share, so that opening the bound asks for no other noise.
        """
        before, log_std = self.split(obs)
        u = before + log_std.exp() * noise
        # log(1 - tanh(u)^2) in the form that does not cancel (Haarnoja et al. 2018, app. C).
        squash = 2.0 * (math.log(2.0) - u - functional.softplus(-2.0 * u))
        log_prob = (_normal_log_prob(noise, log_std) - squash).sum(-1)
        return Draw(self.share * torch.tanh(u), self.share * torch.tanh(before), log_prob)

    def layers(self) -> tuple[Layer, ...]:
        """The network as numpy arrays."""
        return tuple(
            Layer(str(i), linear.weight.detach().numpy().copy(), linear.bias.detach().numpy().copy())
            for i, linear in enumerate(self.linears)
            if isinstance(linear, nn.Linear)
        )


class ResidualActor(TanhActor):
    """One noise for all that is seen.

    ``share`` opens the bound little by little: what a young critic says is not worth a fall.
    """

    def __init__(self, inputs: int, hidden: Sequence[int], outputs: int, std: float, coef: float):
        """``coef`` weighs the squared change."""
        super().__init__([inputs, *hidden, outputs])
        self.log_std = nn.Parameter(torch.full((outputs,), math.log(std)))
        self._coef, self.outputs = coef, outputs

    def split(self, obs: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        return self.answer(obs), self.log_std

    def penalty(self, mean: torch.Tensor) -> torch.Tensor:
        """What is added to the loss: the squared change, lest a young critic's errors saturate it."""
        return self._coef * mean.square().sum(-1).mean()

    def bound_noise(self, low: float, high: float) -> None:
        """Keep the logarithm of std where it must stay."""
        _clamp(self.log_std, low, high)


class SearchingActor(TanhActor):
    """Noise by what is seen: next to none on the way, more where the goal has to be felt for.

    The network's answer has f first and then the logarithm of std.
    """

    def __init__(
        self, inputs: int, hidden: Sequence[int], outputs: int, std: float, bounds: tuple[float, float]
    ):
        """It begins with the noise ``std`` everywhere; its logarithm stays within ``bounds``."""
        super().__init__([inputs, *hidden, 2 * outputs])
        nn.init.constant_(self._last.bias[outputs:], math.log(std))
        self.bounds, self.outputs = bounds, outputs

    def split(self, obs: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        before, log_std = self.answer(obs).chunk(2, -1)
        return before, log_std.clamp(*self.bounds)

    def penalty(self, mean: torch.Tensor) -> torch.Tensor:
        """Nothing."""
        return torch.zeros(())

    def bound_noise(self, low: float, high: float) -> None:
        """It is within its bounds by itself."""


class LoraActor(nn.Module):
    """r = (adapted base - base) / reach + std * noise; beyond 1 a penalty, but no hard bound, holds it."""

    def __init__(
        self, mlp: Mlp, rank: int, alpha: float, reach: np.ndarray, std: float, coefs: tuple[float, float]
    ):
        """``mlp`` is a copy of the base; ``reach`` (J,) the change of the raw action that r = 1 means.

        ``coefs`` weigh the squared change and the squared excess over the bound.
        """
        super().__init__()
        add_lora(mlp.linears, rank, alpha)
        self.mlp, self._coefs = mlp, coefs
        self.log_std = nn.Parameter(torch.full((len(reach),), math.log(std)))
        self.outputs = len(reach)
        self._reach = torch.as_tensor(reach, dtype=torch.float32)

    def mean(self, obs: torch.Tensor, base: torch.Tensor) -> torch.Tensor:
        """As :meth:`TanhActor.mean`, but not bounded."""
        return (self.mlp(obs) - base) / self._reach

    def sample(self, obs: torch.Tensor, base: torch.Tensor, noise: torch.Tensor) -> Draw:
        """As :meth:`TanhActor.sample`."""
        mean = self.mean(obs, base)
        return Draw(mean + self.log_std.exp() * noise, mean, _normal_log_prob(noise, self.log_std).sum(-1))

    def pairs(self) -> dict[str, tuple[np.ndarray, np.ndarray]]:
        """A and B of each layer, by its name."""
        pairs = zip(self.mlp.names, self.mlp.linears, strict=True)
        return {
            name: (linear.A.detach().numpy().copy(), linear.B.detach().numpy().copy())
            for name, linear in pairs
            if isinstance(linear, LoRALinear)
        }

    def penalty(self, mean: torch.Tensor) -> torch.Tensor:
        """What is added to the loss: the squared change, and that of its excess over the bound."""
        excess = (mean.abs() - 1.0).clamp(min=0.0)
        near, within = self._coefs
        return (near * mean.square() + within * excess.square()).sum(-1).mean()

    def bound_noise(self, low: float, high: float) -> None:
        """As :meth:`ResidualActor.bound_noise`."""
        _clamp(self.log_std, low, high)


Actor = TypeVar("Actor", ResidualActor | LoraActor, SearchingActor)
"""What soft actor-critic can train: a robot's with legs, and an arm's."""


class Critics(nn.Module):
    """An ensemble of equal perceptrons with layer normalisation, computed together."""

    def __init__(self, count: int, inputs: int, hidden: tuple[int, int]):
        """Initialised by torch's global generator."""
        super().__init__()
        sizes = (inputs, *hidden, 1)
        pairs = list(zip(sizes, sizes[1:], strict=False))
        self.weights = nn.ParameterList(_uniform(count, a, b) for a, b in pairs)
        self.biases = nn.ParameterList(torch.zeros(count, 1, b) for _, b in pairs)
        self.gains = nn.ParameterList(torch.ones(count, 1, h) for h in hidden)
        self.shifts = nn.ParameterList(torch.zeros(count, 1, h) for h in hidden)

    def forward(self, x: torch.Tensor, members: torch.Tensor | None = None) -> torch.Tensor:
        """(N, in) to (count, N); ``members`` (M,): only these, (M, N)."""
        layers = [self.weights, self.biases, self.gains, self.shifts]
        if members is None:
            weights, biases, gains, shifts = ([*layer] for layer in layers)
        else:
            weights, biases, gains, shifts = ([p[members] for p in layer] for layer in layers)
        x = x.expand(len(weights[0]), *x.shape)
        for weight, bias, gain, shift in zip(weights[:-1], biases[:-1], gains, shifts, strict=True):
            x = torch.baddbmm(bias, x, weight)
            x = torch.relu(functional.layer_norm(x, x.shape[-1:]) * gain + shift)
        return torch.baddbmm(biases[-1], x, weights[-1]).squeeze(-1)


@torch.no_grad()
def _clamp(log_std: nn.Parameter, low: float, high: float) -> None:
    log_std.clamp_(low, high)


def _uniform(count: int, inputs: int, outputs: int) -> torch.Tensor:
    limit = 1.0 / math.sqrt(inputs)
    return torch.empty(count, inputs, outputs).uniform_(-limit, limit)


def _normal_log_prob(noise: torch.Tensor, log_std: torch.Tensor) -> torch.Tensor:
    """Log-density of mean + std * noise, one a joint."""
    return -0.5 * noise.square() - log_std - _HALF_LOG_2PI
