"""The two kinds of change, as an actor that learns and as an adapter that the executor takes."""

import numpy as np
import torch

from ros2_rl.errors import ConfigError
from ros2_rl.learning.agent import probe_observations
from ros2_rl.learning.networks import Mlp
from ros2_rl.learning.sac.config import OffPolicyConfig
from ros2_rl.learning.sac.networks import LoraActor, ResidualActor
from ros2_rl.policy.adapter import LOG_STD_RANGE, Adapter
from ros2_rl.policy.onnx_policy import OnnxPolicy, activation, linear_layers
from ros2_rl.policy.residual import Residual


def build_actor(policy: OnnxPolicy, cfg: OffPolicyConfig) -> tuple[ResidualActor | LoraActor, np.ndarray]:
    """An actor that is the base to begin with, and its reach: the raw action (J,) that a change of 1 means.

    Raises:
        ConfigError: the rank does not fit the networks.
    """
    contract = policy.contract
    reach = (cfg.bound_deg / np.degrees(np.abs(np.asarray(contract.action_scale)))).astype(np.float32)
    if cfg.change == "residual":
        joints = contract.num_joints
        return ResidualActor(
            policy.input_width, cfg.actor_hidden, joints, cfg.std_init, cfg.correction_coef
        ), reach
    if cfg.bound_deg <= 0.0:
        raise ConfigError("bound_deg is 0, which leaves nothing to learn; use change residual for that.")
    coefs = (cfg.correction_coef, cfg.excess_coef)
    mlp = Mlp(linear_layers(policy.model), activation(policy.model))
    return LoraActor(mlp, cfg.rank, cfg.alpha, reach, cfg.std_init, coefs), reach


def to_adapter(
    policy: OnnxPolicy,
    cfg: OffPolicyConfig,
    actor: ResidualActor | LoraActor,
    reach: np.ndarray,
    version: int,
    activate_at_step: int,
    next_at_step: int,
    created_ns: int,
) -> Adapter:
    """The actor as an adapter; ``reach`` as of :func:`build_actor`."""
    probe = probe_observations(policy.input_width)
    with torch.no_grad():
        base = Mlp(linear_layers(policy.model), activation(policy.model))(torch.from_numpy(probe))
        if isinstance(actor, LoraActor):
            answer, layers = actor.mlp(torch.from_numpy(probe)), actor.pairs()
            residual = None
        else:
            answer = base + torch.as_tensor(reach) * actor.mean(torch.from_numpy(probe), base)
            bound = np.full(len(reach), actor.share * cfg.bound_deg, np.float32)
            layers, residual = {}, Residual(bound, actor.layers())
    return Adapter(
        base_sha256=policy.sha256,
        rank=cfg.rank,
        alpha=cfg.alpha,
        layers=layers,
        log_std=_raw_log_std(actor, reach),
        probe_obs=probe,
        probe_out=answer.numpy(),
        residual=residual,
        noise_memory=cfg.noise_memory_s / policy.contract.step_dt,
        version=version,
        activate_at_step=activate_at_step,
        next_at_step=next_at_step,
        created_ns=created_ns,
    )


def _raw_log_std(actor: ResidualActor | LoraActor, reach: np.ndarray) -> np.ndarray:
    """The noise as the executor adds it: before the tangent of a residual, to the raw action otherwise."""
    log_std = actor.log_std.detach().numpy().copy()
    if isinstance(actor, ResidualActor):
        return log_std
    return np.clip(log_std + np.log(reach), *LOG_STD_RANGE).astype(np.float32)
