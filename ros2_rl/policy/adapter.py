"""Adapters: low-rank corrections of a base policy, as they travel from the learner to the executor.

W' = W + (alpha / rank) B A for every linear layer (LoRA, Hu et al. 2021, eq. 3); full fine-tuning
changes the biases as well: b' = b + change. In place of these an adapter may carry a bounded residual
(``residual.py``), a network beside the base. On the wire an adapter is a safetensors file that
carries the SHA-256 of itself, so that any corruption shows.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np
import safetensors.numpy
from onnx import ModelProto
from safetensors import SafetensorError

from ros2_rl.errors import ContractError
from ros2_rl.policy.contract import Contract
from ros2_rl.policy.mlp import linear_layers, with_contract, with_residual, with_weights
from ros2_rl.policy.noise import LONGEST_MEMORY
from ros2_rl.policy.onnx_policy import OnnxPolicy
from ros2_rl.policy.residual import Reach, Residual, check_residual
from ros2_rl.policy.sealed import seal, unseal

FORMAT = "ros2_rl.adapter.1"
LOG_STD_RANGE = (-5.0, 1.0)
PROBE_TOLERANCE = 1e-4
"""Largest difference between the learner's and the executor's network, raw action."""
_INTEGERS = ("version", "rank", "activate_at_step", "next_at_step", "created_ns")


@dataclass(frozen=True)
class Adapter:
    """A versioned correction of one base policy and its exploration noise."""

    version: int
    """Counts from 1; 0 is the base policy."""
    base_sha256: str
    """SHA-256 of the base policy's file."""
    rank: int
    alpha: float
    layers: Mapping[str, tuple[np.ndarray, np.ndarray]]
    """By name of the layer: A (rank, in) and B (out, rank)."""
    log_std: np.ndarray
    """Logarithm of the exploration noise's standard deviation, (J,)."""
    probe_obs: np.ndarray
    """Fixed observations, (P, D)."""
    probe_out: np.ndarray
    """What the learner's network answers to them, (P, J)."""
    activate_at_step: int = 0
    """First control step on which it acts; 0: at once."""
    next_at_step: int = 0
    """First control step of the adapter after this; 0: not known."""
    created_ns: int = 0
    biases: Mapping[str, np.ndarray] = field(default_factory=dict)
    """By name of the layer: change of its bias, (out,); layers that are not there keep theirs."""
    noise_memory: float = 0.0
    """Of the exploration noise, control steps (``noise.py``); 0: white."""
    residual: Residual | None = None
    """A network beside the base; then ``layers`` is empty and the weights stay the base's."""

    def to_bytes(self) -> bytes:
        """The adapter as a safetensors file."""
        tensors = {"log_std": self.log_std, "probe_obs": self.probe_obs, "probe_out": self.probe_out}
        for name, (a, b) in self.layers.items():
            tensors |= {f"{name}.lora_A": a, f"{name}.lora_B": b}
        tensors |= {f"{name}.bias": change for name, change in self.biases.items()}
        tensors |= self.residual.tensors() if self.residual else {}
        metadata = {key: str(getattr(self, key)) for key in _INTEGERS}
        metadata |= {"format": FORMAT, "base_sha256": self.base_sha256}
        metadata |= {key: repr(float(getattr(self, key))) for key in ("alpha", "noise_memory")}
        return seal(tensors, metadata)

    @staticmethod
    def from_bytes(data: bytes) -> "Adapter":
        """Inverse of :meth:`to_bytes`.

        Raises:
            ContractError: the bytes are no adapter, or not those that the sender wrote.
        """
        metadata = unseal(data, FORMAT, "adapter")
        try:
            tensors = safetensors.numpy.load(data)
            return Adapter(
                **{key: int(metadata[key]) for key in _INTEGERS},
                base_sha256=metadata["base_sha256"],
                alpha=float(metadata["alpha"]),
                noise_memory=float(metadata.get("noise_memory", 0.0)),
                residual=Residual.take(tensors),
                log_std=tensors.pop("log_std"),
                probe_obs=tensors.pop("probe_obs"),
                probe_out=tensors.pop("probe_out"),
                layers=_pairs(tensors),
                biases={k.removesuffix(".bias"): v for k, v in tensors.items() if k.endswith(".bias")},
            )
        except (KeyError, TypeError, ValueError, SafetensorError) as error:
            raise ContractError(f"The adapter is not complete ({error}); send it again.") from error


def check(adapter: Adapter, base: OnnxPolicy, current_version: int = 0) -> None:
    """Compare an adapter with its base policy and with the version that is in use.

    Raises:
        ContractError: wrong base, stale version, wrong shapes, numbers that are not finite or
            out of range.
    """
    if adapter.base_sha256 != base.sha256:
        raise ContractError(
            f"The adapter was made for the base policy {adapter.base_sha256[:12]}, but {base.sha256[:12]} "
            "is loaded; start the learner with the same policy file."
        )
    if adapter.version <= current_version:
        raise ContractError(f"The adapter's version {adapter.version} is stale; {current_version} is in use.")
    if adapter.rank < 1:
        raise ContractError(f"The adapter has rank {adapter.rank}; it must be 1 or more.")
    _check_shapes(adapter, base)
    _check_numbers(adapter)


def check_probe(adapter: Adapter, policy: OnnxPolicy) -> None:
    """Compare what a merged policy answers with what the learner's network answered.

    Raises:
        ContractError: they differ by more than PROBE_TOLERANCE.
    """
    obs = adapter.probe_obs.astype(np.float32)
    out = np.stack([policy(obs[i : i + 1]) for i in range(len(obs))])
    error = float(np.max(np.abs(out - adapter.probe_out)))
    if not error <= PROBE_TOLERANCE:
        raise ContractError(
            f"The adapter's network answers the probe with a difference of {error:.2g}; "
            "learner and executor do not compute the same function."
        )


def merge(model: ModelProto, adapter: Adapter) -> bytes:
    """The base model with the adapter merged into its weights, as the bytes of an ONNX file.

    The contract stays, but for the version and the exploration noise. With B = 0 the weights
    are the base's bit for bit. A residual becomes a second branch of the graph, with its bound.
    """
    scale = adapter.alpha / adapter.rank
    weights, biases = {}, {}
    for layer in linear_layers(model) if adapter.residual is None else ():
        if layer.name in adapter.biases:
            biases[layer.name] = layer.bias + adapter.biases[layer.name]
        a, b = (m.astype(np.float64) for m in adapter.layers[layer.name])
        if b.any():
            with np.errstate(over="ignore"):  # infinite weights do not pass the probe
                weights[layer.name] = (layer.weight + scale * (b @ a)).astype(np.float32)
    merged = with_weights(model, weights, biases)
    contract = Contract.from_metadata({p.key: p.value for p in model.metadata_props})
    if adapter.residual is not None:
        with_residual(merged, adapter.residual.layers, Reach(contract)(adapter.residual))
    log_std = tuple(adapter.log_std.astype(float).tolist())
    contract = replace(contract, policy_version=adapter.version, log_std=log_std)
    return with_contract(merged, contract).SerializeToString()


def _pairs(tensors: dict[str, np.ndarray]) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    names = [key.removesuffix(".lora_A") for key in tensors if key.endswith(".lora_A")]
    return {name: (tensors[f"{name}.lora_A"], tensors[f"{name}.lora_B"]) for name in names}


def _check_shapes(adapter: Adapter, base: OnnxPolicy) -> None:
    joints = base.output_width
    shapes = {"log_std": (joints,), "probe_obs": (len(adapter.probe_obs), base.input_width)}
    shapes["probe_out"] = (len(adapter.probe_obs), joints)
    for key, shape in shapes.items():
        if getattr(adapter, key).shape != shape or shape[0] == 0:
            raise ContractError(
                f"The adapter's {key} has the shape {getattr(adapter, key).shape}, not {shape}."
            )
    layers = {layer.name: layer.weight.shape for layer in linear_layers(base.model)}
    for name, change in adapter.biases.items():
        if name not in layers or change.shape != layers[name][:1]:
            raise ContractError(f"The adapter's bias of layer {name} does not fit the policy.")
    if adapter.residual is not None:
        if adapter.layers or adapter.biases:
            raise ContractError("The adapter has both a residual and changed weights; send one of them.")
        return check_residual(adapter.residual, base.input_width, joints)
    if set(layers) != set(adapter.layers):
        raise ContractError(
            f"The adapter has the layers {', '.join(sorted(adapter.layers)) or 'none'}; "
            f"the policy has {', '.join(sorted(layers))}."
        )
    for name, (outputs, inputs) in layers.items():
        found = tuple(matrix.shape for matrix in adapter.layers[name])
        wanted = ((adapter.rank, inputs), (outputs, adapter.rank))
        if found != wanted:
            raise ContractError(f"The adapter's layer {name} has the shapes {found}, not {wanted}.")


def _check_numbers(adapter: Adapter) -> None:
    arrays = [
        ("log_std", adapter.log_std),
        ("probe_obs", adapter.probe_obs),
        ("probe_out", adapter.probe_out),
    ]
    arrays += [(f"layer {name}", m) for name, pair in adapter.layers.items() for m in pair]
    arrays += [(f"bias of layer {name}", change) for name, change in adapter.biases.items()]
    arrays.append(("alpha", np.asarray(adapter.alpha)))
    for name, array in arrays:
        if not np.isfinite(array).all():
            raise ContractError(f"The adapter's {name} has a number that is not finite.")
    low, high = LOG_STD_RANGE
    if adapter.log_std.min() < low or adapter.log_std.max() > high:
        raise ContractError(f"The adapter's log_std is outside of {low} to {high}.")
    if not 0.0 <= adapter.noise_memory <= LONGEST_MEMORY:
        raise ContractError(f"The adapter's noise_memory is outside of 0 to {LONGEST_MEMORY:g} steps.")
