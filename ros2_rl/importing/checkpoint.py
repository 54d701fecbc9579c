"""Actors in rsl_rl's checkpoints, of its versions 1 to 5 and of legged_gym's fork."""

import io
import re
from typing import Any, NamedTuple

import numpy as np
import torch

from ros2_rl.errors import ConfigError
from ros2_rl.policy.onnx_policy import Layer

_EPSILON = 1e-2
"""What rsl_rl's normaliser adds to the standard deviation."""
_STATES = ("actor_state_dict", "model_state_dict")
_LAYER = re.compile(r"(?:actor|mlp)\.(\d+)\.(weight|bias)")
_NORMALISER = re.compile(r"(?:actor_)?obs_normalizer\..*")
_NOISE = {"std": False, "log_std": True, "distribution.std_param": False, "distribution.log_std_param": True}
"""Names of the exploration noise, and whether it is its logarithm."""
_IGNORED = re.compile(r"critic\..*|critic_.*|privileged_obs_normalizer.*")


class Actor(NamedTuple):
    """What a checkpoint says of its actor."""

    layers: list[Layer]
    """Linear layers, the normaliser folded into the first."""
    log_std: tuple[float, ...]
    """Logarithm of the exploration noise, (J,); empty where the file has none."""


def read_checkpoint(name: str, data: bytes) -> Actor:
    """The actor of a checkpoint; no code in the file is run.

    Raises:
        ConfigError: the file is damaged, or its actor is not a plain perceptron.
    """
    saved = _load(name, data)
    state = next((saved[key] for key in _STATES if isinstance(saved.get(key), dict)), saved)
    state = {k: v.detach().float() for k, v in state.items() if isinstance(v, torch.Tensor)}
    foreign = sorted({key.split(".")[0] for key in state if not _known(key)})
    if foreign:
        raise ConfigError(
            f"The checkpoint {name} has {', '.join(foreign)} beside a plain actor, and not how they work "
            "together; export the policy as TorchScript or ONNX and import that."
        )
    layers = _layers(name, state)
    mean, std = _normaliser(state, saved)
    first = layers[0]
    weight = first.weight / std
    layers[0] = Layer(first.name, weight, first.bias - (weight * mean).sum(axis=1))
    layers = [Layer(n, w.astype(np.float32), b.astype(np.float32)) for n, w, b in layers]
    return Actor(layers, _log_std(state, len(layers[-1].bias)))


def _load(name: str, data: bytes) -> dict[str, Any]:
    try:
        saved = torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)
    except Exception as error:  # unpickling fails in as many ways as a file can be damaged
        raise ConfigError(
            f"The checkpoint {name} is damaged or holds more than weights "
            f"({str(error).strip().splitlines()[0][:100]}); save it again."
        ) from error
    if not isinstance(saved, dict):
        raise ConfigError(
            f"The checkpoint {name} holds a {type(saved).__name__}; rsl_rl's model_*.pt is needed."
        )
    return saved


def _known(key: str) -> bool:
    return (
        bool(_LAYER.fullmatch(key) or _NORMALISER.fullmatch(key) or _IGNORED.fullmatch(key)) or key in _NOISE
    )


def _layers(name: str, state: dict[str, torch.Tensor]) -> list[Layer]:
    """The actor's linear layers from input to output, float64."""
    numbers = sorted({int(match[1]) for key in state if (match := _LAYER.fullmatch(key))})
    prefix = "actor" if "actor.0.weight" in state else "mlp"
    try:
        layers = [
            Layer(
                f"actor.{i}", *(state[f"{prefix}.{i}.{part}"].double().numpy() for part in ("weight", "bias"))
            )
            for i in numbers
        ]
    except KeyError as error:
        raise ConfigError(f"The checkpoint {name} lacks the layer {error}; it is damaged.") from error
    if not layers or layers[0].weight.ndim != 2:
        raise ConfigError(f"The checkpoint {name} has no actor (actor.0.weight); give rsl_rl's model_*.pt.")
    return layers


def _normaliser(state: dict[str, torch.Tensor], saved: dict[str, Any]) -> tuple[np.ndarray, np.ndarray]:
    """Mean and divisor of the observations, float64; 0 and 1 where there is none."""
    beside = saved.get("obs_norm_state_dict") or {}  # rsl_rl 2
    for found, prefix in ((beside, ""), (state, "actor_obs_normalizer."), (state, "obs_normalizer.")):
        if f"{prefix}_mean" in found:
            mean, std = (found[f"{prefix}{part}"].double().numpy().ravel() for part in ("_mean", "_std"))
            return mean, std + _EPSILON
    return np.zeros(()), np.ones(())


def _log_std(state: dict[str, torch.Tensor], joints: int) -> tuple[float, ...]:
    for name, logarithm in _NOISE.items():
        if name in state and state[name].numel() == joints:
            values = state[name].double().reshape(-1)
            return tuple((values if logarithm else values.clamp(min=1e-3).log()).tolist())
    return ()
