"""What learns: actor, critic and their optimisers, how they leave the learner and how they are kept.

The actor leaves as an adapter for the executor. Everything that a later update depends on is one
state, which a checkpoint stores; actors of earlier versions are kept to go back to.
"""

import copy
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ros2_rl.learning.config import SlowRLConfig
from ros2_rl.learning.critic import Critic
from ros2_rl.learning.imitation import Corrections
from ros2_rl.learning.learner_state import Snapshots, check_state
from ros2_rl.learning.lora import LoRALinear, add_lora, count_parameters
from ros2_rl.learning.mirror import Mirror
from ros2_rl.learning.networks import GaussianActor, Mlp, load_critic
from ros2_rl.learning.window import Window
from ros2_rl.policy.adapter import Adapter
from ros2_rl.policy.onnx_policy import Layer, OnnxPolicy, activation, linear_layers

_PROBES = 4
_SNAPSHOTS = 256
_SAME = ("algorithm", "mode", "adapt_critic", "rank", "critic_rank", "alpha", "critic_alpha", "reward_scale")
"""Settings without which a state has no meaning."""


class Agent:
    """Actor and critic of one base policy, adapted or trained as a whole."""

    def __init__(self, policy: OnnxPolicy, critic: Path | Sequence[Layer], cfg: SlowRLConfig):
        """Build actor and critic from the base policy and its critic, a file or layers.

        Raises:
            ContractError: a file is damaged or foreign.
            ConfigError: the rank does not fit the networks, or the robot has no mirror image.
        """
        torch.set_num_threads(cfg.torch_threads)
        self.policy, self.cfg = policy, cfg
        self.generator = torch.Generator().manual_seed(cfg.seed)
        contract = policy.contract
        self._scale_deg = torch.tensor(np.degrees(contract.action_scale), dtype=torch.float32)
        self._mirror = Mirror.of(contract) if cfg.mirror_augmentation else None
        layers, kind = linear_layers(policy.model), activation(policy.model)
        cfg.check_rank(layer.weight.shape for layer in layers)
        self.base = Mlp(layers, kind).requires_grad_(False)
        self.actor = self._build_actor(Mlp(layers, kind))
        self._base_log_std = self.actor.log_std.detach().clone()
        self.critic = Critic(
            load_critic(critic, cfg.reward_scale), cfg, self.generator,
            None if self._mirror is None else self._mirror.critic_obs,
        )  # fmt: skip
        self.corrections = Corrections(cfg.imitation_coef, cfg.imitation_half_life_updates)
        self.parameters = [p for p in self.actor.parameters() if p.requires_grad]
        self.optimizer = torch.optim.Adam(self.parameters, lr=cfg.learning_rate)
        self.learning_rate = cfg.learning_rate
        self.updates = self.dropped_updates = 0
        self.snapshots = Snapshots(_SNAPSHOTS)
        self.snapshot(0)

    def _build_actor(self, mlp: Mlp) -> GaussianActor:
        """The base with what may change of it."""
        cfg, contract = self.cfg, self.policy.contract
        if cfg.mode == "lora":
            add_lora(mlp.linears, cfg.rank, cfg.alpha, self.generator)
        log_std = contract.log_std if cfg.std_init is None else [np.log(cfg.std_init)] * contract.num_joints
        return GaussianActor(mlp, np.asarray(log_std), cfg.log_std_bounds)

    # ----------------------------------------------------------------- export

    def adapter(
        self, version: int, activate_at_step: int = 0, next_at_step: int = 0, created_ns: int = 0
    ) -> Adapter:
        """What was learned, for the executor; kept under its version for :meth:`rollback`."""
        self.snapshot(version)
        pairs = self._pairs()
        rank = len(next(iter(pairs.values()))[0])
        probe = probe_observations(self.policy.input_width)
        with torch.no_grad():
            answer = self.actor(torch.from_numpy(probe)).numpy()
        return Adapter(
            version=version,
            base_sha256=self.policy.sha256,
            rank=rank,
            alpha=self.cfg.alpha if self.cfg.mode == "lora" else float(rank),
            layers=pairs,
            log_std=self.actor.log_std.detach().numpy().copy(),
            probe_obs=probe,
            probe_out=answer,
            activate_at_step=activate_at_step,
            next_at_step=next_at_step,
            created_ns=created_ns,
            biases={} if self.cfg.mode == "lora" else self._bias_changes(),
        )

    def actor_layers(self) -> list[Layer]:
        """The actor's layers with what was learned merged into them."""
        return self.actor.mlp.merged_layers()

    def _pairs(self) -> dict[str, tuple[np.ndarray, np.ndarray]]:
        """A and B of each layer; those of a full correction have the rank of the widest layer."""
        base = self.base.merged_layers()
        rank = max(min(layer.weight.shape) for layer in base)
        pairs = {}
        for layer, new, linear in zip(base, self.actor_layers(), self.actor.mlp.linears, strict=True):
            if isinstance(linear, LoRALinear):
                pairs[layer.name] = (linear.A.detach().numpy().copy(), linear.B.detach().numpy().copy())
            else:
                pairs[layer.name] = _factors(new.weight - layer.weight, rank)
        return pairs

    def sizes(self) -> tuple[int, int]:
        """Numbers that learn, and all that full fine-tuning would train."""
        counts = [count_parameters(net) for net in (self.actor, self.critic.network)]
        return sum(c[0] for c in counts), sum(c[1] for c in counts)

    def _bias_changes(self) -> dict[str, np.ndarray]:
        layers = zip(self.base.merged_layers(), self.actor_layers(), strict=True)
        return {base.name: new.bias - base.bias for base, new in layers}

    # ------------------------------------------------------------------ state

    def snapshot(self, version: int) -> None:
        """Keep the actor as it is under ``version``; 0 is the base and always there."""
        self.snapshots.keep(version, _tensors(self.actor))

    def rollback(self, version: int) -> None:
        """Make the actor what it was at ``version``; the critic keeps what it learned.

        Raises:
            ConfigError: no such version is kept.
        """
        _load_tensors(self.actor, self.snapshots.at(version))
        self.optimizer.state.clear()

    def state_dict(self) -> dict[str, Any]:
        """Everything that the next update depends on, as tensors, numbers and strings."""
        return {
            "base_sha256": self.policy.sha256,
            "config": self.cfg.model_dump(mode="json"),
            "updates": self.updates,
            "dropped_updates": self.dropped_updates,
            "generator": self.generator.get_state(),
            "snapshots": self.snapshots.contents(),
            "windows": [window.tensors() for window in self.critic.windows],
            "corrections": self.corrections.tensors(),
            **self._trained(),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Inverse of :meth:`state_dict`.

        Raises:
            ConfigError: the state belongs to another base policy or to networks of another form.
        """
        check_state(state, self.policy.sha256, self.cfg.model_dump(mode="json"), _SAME)
        self._restore(state)
        self.updates, self.dropped_updates = state["updates"], state["dropped_updates"]
        self.generator.set_state(state["generator"])
        self.snapshots.restore(state["snapshots"])
        self.critic.windows.clear()
        self.critic.windows.extend(map(Window.from_tensors, state["windows"]))
        self.corrections.restore(state["corrections"])

    def _trained(self) -> dict[str, Any]:
        """A copy of what a gradient step changes."""
        critic = self.critic.optimizer
        return {
            "actor": _tensors(self.actor),
            "critic": _tensors(self.critic.network),
            "actor_optimizer": copy.deepcopy(self.optimizer.state_dict()),
            "critic_optimizer": None if critic is None else copy.deepcopy(critic.state_dict()),
            "learning_rate": self.learning_rate,
        }

    def _restore(self, trained: dict[str, Any]) -> None:
        _load_tensors(self.actor, trained["actor"])
        _load_tensors(self.critic.network, trained["critic"])
        self.optimizer.load_state_dict(trained["actor_optimizer"])
        self.learning_rate = trained["learning_rate"]
        if self.critic.optimizer is not None:
            self.critic.optimizer.load_state_dict(trained["critic_optimizer"])


def probe_observations(width: int) -> np.ndarray:
    """Always the same observations, (P, D), the first of them zero."""
    probe = np.random.default_rng(0).normal(0.0, 0.3, (_PROBES, width))
    probe[0] = 0.0
    return probe.astype(np.float32)


def _factors(change: np.ndarray, rank: int) -> tuple[np.ndarray, np.ndarray]:
    """A (rank, in) and B (out, rank) whose product is exactly ``change`` (out, in)."""
    outputs, inputs = change.shape
    a, b = np.zeros((rank, inputs), np.float32), np.zeros((outputs, rank), np.float32)
    if outputs <= inputs:
        a[:outputs], b[:, :outputs] = change, np.eye(outputs)
    else:
        a[:inputs], b[:, :inputs] = np.eye(inputs), change
    return a, b


def _tensors(module: torch.nn.Module) -> dict[str, torch.Tensor]:
    """A copy of a module's trainable parameters."""
    return {name: p.detach().clone() for name, p in module.named_parameters() if p.requires_grad}


@torch.no_grad()
def _load_tensors(module: torch.nn.Module, tensors: dict[str, torch.Tensor]) -> None:
    for name, parameter in module.named_parameters():
        if parameter.requires_grad:
            parameter.copy_(tensors[name])
