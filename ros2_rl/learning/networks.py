"""The learner's networks: an actor from the ONNX policy, a critic from its weight file."""

import json
import math
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save
from torch import nn

from ros2_rl.errors import ContractError
from ros2_rl.learning.lora import merge
from ros2_rl.policy.onnx_policy import Layer

_ACTIVATIONS: dict[str, Callable[[torch.Tensor], torch.Tensor]] = {
    "elu": nn.functional.elu,
    "relu": nn.functional.relu,
    "tanh": torch.tanh,
}
_LOG_2PI = math.log(2.0 * math.pi)


class Mlp(nn.Module):
    """Linear layers with one kind of activation between them."""

    def __init__(self, layers: Sequence[Layer], activation: str):
        """Copy the layers; weights are (out, in)."""
        super().__init__()
        self.names = tuple(layer.name for layer in layers)
        self.input_size = layers[0].weight.shape[1]
        self.activation = _ACTIVATIONS[activation]
        self.linears = nn.ModuleList(_linear(layer) for layer in layers)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(N, in) to (N, out)."""
        for linear in self.linears[:-1]:
            x = self.activation(linear(x))
        return self.linears[-1](x)

    def merged_layers(self) -> list[Layer]:
        """The layers with their adapters merged, as numpy arrays."""
        pairs = zip(self.names, merge(self.linears), strict=True)
        return [Layer(name, _numpy(linear.weight), _numpy(linear.bias)) for name, linear in pairs]


class GaussianActor(nn.Module):
    """A diagonal Gaussian policy whose standard deviation does not depend on the state."""

    def __init__(self, mlp: Mlp, log_std: np.ndarray, bounds: tuple[float, float]):
        """``log_std`` (J,) is where the noise starts, ``bounds`` where it must stay."""
        super().__init__()
        self.mlp, self.bounds = mlp, bounds
        self.log_std = nn.Parameter(torch.tensor(np.asarray(log_std), dtype=torch.float32))
        self.clamp_()

    def clamp_(self) -> None:
        """Hard bounds on log_std, in place."""
        with torch.no_grad():
            self.log_std.clamp_(*self.bounds)

    def forward(self, obs: torch.Tensor) -> torch.Tensor:
        """Mean action (N, J) for observations (N, D)."""
        return self.mlp(obs)


def log_prob(action: torch.Tensor, mean: torch.Tensor, log_std: torch.Tensor) -> torch.Tensor:
    """Log-density (N,) of actions (N, J) under a diagonal Gaussian."""
    z = (action - mean) * torch.exp(-log_std)
    return -0.5 * (z * z + 2.0 * log_std + _LOG_2PI).sum(-1)


def entropy(log_std: torch.Tensor) -> torch.Tensor:
    """Entropy of a diagonal Gaussian, nat."""
    return (log_std + 0.5 * (1.0 + _LOG_2PI)).sum(-1)


def gaussian_kl(
    mean_p: torch.Tensor, log_std_p: torch.Tensor, mean_q: torch.Tensor, log_std_q: torch.Tensor
) -> torch.Tensor:
    """KL(p || q) of diagonal Gaussians, (N,), nat."""
    ratio = torch.exp(2.0 * (log_std_p - log_std_q))
    distance = (mean_p - mean_q) ** 2 * torch.exp(-2.0 * log_std_q)
    return (log_std_q - log_std_p + 0.5 * (ratio + distance - 1.0)).sum(-1)


def load_critic(critic: Path | Sequence[Layer], scale: float = 1.0) -> Mlp:
    """A critic with ELU between its layers, from ``critic.safetensors`` or from the layers themselves.

    ``scale`` multiplies the output, for rewards that are scaled alike.

    Raises:
        ContractError: the file is missing, damaged, or its layers do not fit its metadata.
    """
    layers = read_critic(critic) if isinstance(critic, Path) else list(critic)
    last = layers[-1]
    layers[-1] = Layer(last.name, scale * last.weight, scale * last.bias)
    return Mlp(layers, "elu")


def critic_bytes(layers: Sequence[Layer]) -> bytes:
    """``critic.safetensors``: ``0.weight``, ``0.bias``, ``2.weight``, ..., and the sizes."""
    tensors = {
        f"{layer.name}.{part}": getattr(layer, part) for layer in layers for part in ("weight", "bias")
    }
    metadata = {
        "hidden": json.dumps([len(layer.bias) for layer in layers[:-1]]),
        "input": str(layers[0].weight.shape[1]),
    }
    return save({key: np.ascontiguousarray(array) for key, array in tensors.items()}, metadata)


def read_critic(path: Path) -> list[Layer]:
    """The layers in a file that :func:`critic_bytes` gave.

    Raises:
        ContractError: the file is missing, damaged, or its layers do not fit its metadata.
    """
    try:
        with safe_open(str(path), "numpy") as file:
            metadata, tensors = file.metadata() or {}, {k: file.get_tensor(k) for k in file.keys()}  # noqa: SIM118
    except (OSError, SafetensorError) as error:
        raise ContractError(f"The critic {path} cannot be read ({error}); export it again.") from error
    layers = _critic_layers(path.name, tensors)
    _check_critic(path.name, layers, metadata)
    return layers


def _critic_layers(name: str, tensors: dict[str, np.ndarray]) -> list[Layer]:
    try:
        numbers = sorted(int(key.removesuffix(".weight")) for key in tensors if key.endswith(".weight"))
        return [Layer(str(n), tensors[f"{n}.weight"], tensors[f"{n}.bias"]) for n in numbers]
    except (ValueError, KeyError) as error:
        raise ContractError(
            f"The critic {name} has no layers 0, 2, ... ({error}); export it again."
        ) from error


def _check_critic(name: str, layers: list[Layer], metadata: dict[str, str]) -> None:
    widths = [layer.weight.shape[1] for layer in layers] + [len(layer.weight) for layer in layers[-1:]]
    wanted = [int(metadata.get("input", 0)), *json.loads(metadata.get("hidden", "[]")), 1]
    if widths != wanted or any(len(a.weight) != n for a, n in zip(layers, widths[1:], strict=True)):
        raise ContractError(f"The critic {name} has the layer sizes {widths}, its metadata says {wanted}.")
    if not all(np.isfinite(array).all() for layer in layers for array in layer[1:]):
        raise ContractError(f"The critic {name} has a number that is not finite; export it again.")


def _linear(layer: Layer) -> nn.Linear:
    linear = nn.Linear(layer.weight.shape[1], layer.weight.shape[0])
    with torch.no_grad():
        linear.weight.copy_(torch.from_numpy(np.array(layer.weight)))
        linear.bias.copy_(torch.from_numpy(np.array(layer.bias)))
    return linear


def _numpy(tensor: torch.Tensor) -> np.ndarray:
    return tensor.detach().numpy().astype(np.float32).copy()
