"""Low-rank adapters (LoRA, Hu et al. 2021) around frozen linear layers.

h = W0 x + b + (alpha / r) B A x with B = 0 at the start, so that an adapted network equals its
base bit for bit until the first update.
"""

import math
from typing import cast

import torch
from torch import nn
from torch.nn import functional

from ros2_rl.errors import ConfigError


class LoRALinear(nn.Module):
    """A frozen linear layer with a trainable correction of low rank."""

    def __init__(self, base: nn.Linear, rank: int, alpha: float, generator: torch.Generator | None = None):
        """Freeze ``base`` (out, in) and add A (rank, in), Kaiming-uniform, and B (out, rank), zero.

        Raises:
            ConfigError: the rank is not within 1 to min(in, out).
        """
        super().__init__()
        largest = min(base.in_features, base.out_features)
        if not 0 < rank <= largest:
            raise ConfigError(
                f"The rank {rank} does not fit a layer of {base.in_features} inputs and "
                f"{base.out_features} outputs; choose 1 to {largest}."
            )
        self.base = base.requires_grad_(False)
        self.rank, self.alpha = rank, float(alpha)
        self.A = nn.Parameter(torch.empty(rank, base.in_features))
        self.B = nn.Parameter(torch.zeros(base.out_features, rank))
        nn.init.kaiming_uniform_(self.A, a=math.sqrt(5), generator=generator)

    @property
    def out_features(self) -> int:
        """As of the base."""
        return self.base.out_features

    @property
    def scale(self) -> float:
        """alpha / rank."""
        return self.alpha / self.rank

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(N, in) to (N, out)."""
        return torch.addmm(self.base(x), functional.linear(x, self.A), self.B.t(), alpha=self.scale)

    def merged(self) -> nn.Linear:
        """A plain layer with W0 + (alpha / r) B A; equal to the base where B = 0."""
        layer = nn.Linear(self.base.in_features, self.base.out_features)
        with torch.no_grad():
            correction = self.scale * (self.B.double() @ self.A.double())
            layer.weight.copy_(self.base.weight.double() + correction)
            layer.bias.copy_(self.base.bias)
        return layer.requires_grad_(False)


def add_lora(
    layers: nn.ModuleList,
    rank: int,
    alpha: float,
    generator: torch.Generator | None = None,
    fit_rank: bool = False,
) -> None:
    """Replace every linear layer of a list by an adapted one, in place.

    ``fit_rank`` gives a layer that is narrower than ``rank`` (a critic's only output) the largest
    rank that it can have, with the same scale alpha / rank.

    Raises:
        ConfigError: the rank does not fit a layer.
    """
    for i, layer in enumerate(layers):
        assert isinstance(layer, nn.Linear)
        r = min(rank, layer.in_features, layer.out_features) if fit_rank else rank
        layers[i] = LoRALinear(layer, r, alpha * r / rank if rank else alpha, generator)


def merge(layers: nn.ModuleList) -> list[nn.Linear]:
    """Plain linear layers that compute the same function; the list stays as it is."""
    return [layer.merged() if isinstance(layer, LoRALinear) else cast(nn.Linear, layer) for layer in layers]


def count_parameters(module: nn.Module) -> tuple[int, int]:
    """Trainable parameters and those of the network without adapters."""
    trainable = sum(p.numel() for p in module.parameters() if p.requires_grad)
    adapters = sum(m.A.numel() + m.B.numel() for m in module.modules() if isinstance(m, LoRALinear))
    return trainable, sum(p.numel() for p in module.parameters()) - adapters


def trainable_share(module: nn.Module) -> float:
    """Trainable parameters, as a share of all that full fine-tuning would train."""
    trainable, total = count_parameters(module)
    return trainable / total
