"""Our networks as rsl_rl's models: the library computes with our layers, and we keep them."""

import torch
from rsl_rl.models import MLPModel
from tensordict import TensorDict

from ros2_rl.learning.networks import Mlp

_GROUPS = {"actor": ["policy"], "critic": ["critic"]}


def observation(policy: torch.Tensor, critic: torch.Tensor) -> TensorDict:
    """What actors (N, D) and critics (N, C) see, in the library's form."""
    return TensorDict({"policy": policy, "critic": critic}, batch_size=[len(policy)])


def as_model(
    kind: str, network: Mlp, outputs: int, sample: TensorDict, noise: dict | None = None
) -> MLPModel:
    """The library's ``kind``, actor or critic, around the layers of ``network``, adapted ones included.

    ``noise`` describes an actor's, ``sample`` is any observation.
    """
    hidden = [layer.out_features for layer in network.linears[:-1]]
    model = MLPModel(sample, _GROUPS, kind, outputs, hidden, distribution_cfg=noise)
    for i, linear in enumerate(network.linears):
        model.mlp[2 * i] = linear
    return model
