"""A perceptron with ELU between its layers, in numpy, as the learners' actors are computed on a robot."""

from collections.abc import Iterable, Mapping
from functools import cached_property

import numpy as np

from ros2_rl.errors import ContractError
from ros2_rl.policy.mlp import Layer


class Perceptron:
    """The layers from input to output; computed as float64, in which no float32 weights overflow."""

    def __init__(self, layers: Iterable[Layer]):
        self.layers = tuple(layers)

    def __call__(self, obs: np.ndarray) -> np.ndarray:
        """The answer to one observation (D,) or several (N, D)."""
        x = np.asarray(obs, np.float64)
        for weight, bias in self._double[:-1]:
            x = _elu(x @ weight + bias)
        weight, bias = self._double[-1]
        return x @ weight + bias

    @cached_property
    def _double(self) -> list[tuple[np.ndarray, np.ndarray]]:
        return [(layer.weight.T.astype(np.float64), layer.bias.astype(np.float64)) for layer in self.layers]

    def tensors(self, prefix: str) -> dict[str, np.ndarray]:
        """As tensors of a file, each name after ``prefix``."""
        parts = ("weight", "bias")
        return {
            f"{prefix}{layer.name}.{part}": getattr(layer, part) for layer in self.layers for part in parts
        }

    @staticmethod
    def take(tensors: Mapping[str, np.ndarray], prefix: str) -> "Perceptron":
        """Inverse of :meth:`tensors`.

        Raises:
            KeyError: a layer has only one of weight and bias.
        """
        own = {key.removeprefix(prefix): value for key, value in tensors.items() if key.startswith(prefix)}
        names = sorted((k.removesuffix(".weight") for k in own if k.endswith(".weight")), key=int)
        return Perceptron(Layer(name, own[f"{name}.weight"], own[f"{name}.bias"]) for name in names)

    def check(self, inputs: int, outputs: int, what: str) -> None:
        """Compare the shapes, and look at the numbers.

        Raises:
            ContractError: a shape does not fit, or a number is not finite; ``what`` names the network.
        """
        width = inputs
        for name, weight, bias in self.layers:
            if weight.ndim != 2 or weight.shape[1] != width or bias.shape != weight.shape[:1]:
                raise ContractError(
                    f"The {what}'s layer {name} takes {weight.shape[-1]} numbers, not {width}."
                )
            width = len(bias)
        if width != outputs:
            raise ContractError(f"The {what} answers with {width} numbers, not {outputs}.")
        if not all(np.isfinite(array).all() for array in self.tensors("").values()):
            raise ContractError(f"The {what} has a number that is not finite.")


def _elu(x: np.ndarray) -> np.ndarray:
    return np.where(x > 0.0, x, np.expm1(np.minimum(x, 0.0)))
