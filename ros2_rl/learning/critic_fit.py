"""A critic for an actor that has none: fitted to what the frozen policy does, before anything learns.

Value targets are TD(lambda) returns (Sutton and Barto 2018, sec. 12.1), computed anew from the present
network in every sweep and bootstrapped where a segment is cut. Inputs and values are normalised by the
first window, which is folded into the layers in the end.
"""

from pathlib import Path

import numpy as np
import torch

from ros2_rl.errors import ContractError
from ros2_rl.learning.config import SlowRLConfig
from ros2_rl.learning.critic import explained_variance
from ros2_rl.learning.networks import Mlp, load_critic
from ros2_rl.learning.off_policy import vtrace
from ros2_rl.learning.rollout import Batch
from ros2_rl.learning.stats import UpdateStats
from ros2_rl.learning.window import Window
from ros2_rl.policy.contract import Contract
from ros2_rl.policy.onnx_policy import Layer, OnnxPolicy
from ros2_rl.policy.step import critic_width
from ros2_rl.robots import RobotDescription
from ros2_rl.tasks import Task
from ros2_rl.tasks.clock import STEPS_PER_MINUTE

HIDDEN = (128, 64)
_SWEEPS, _STEPS, _BATCH = 10, 16, 512
"""Sweeps after each window, gradient steps of each and control steps of each of those: about a second."""
_LEARNING_RATE, _WEIGHT_DECAY = 1e-3, 1e-4
_LEAST_STD = 0.05
_SAME = (
    "joint_names", "default_joint_pos", "action_scale", "action_offset", "observation_names",
    "observation_history", "history_order", "history_by", "term_history", "gait_period", "stand_below",
    "contact_plan",
)  # fmt: skip
"""What two policies must have in common to see the same."""


class CriticFit:
    """Collects windows of the frozen policy, and fits a network to all of them after each.

    Args:
        inputs: size of what the critic sees.
        cfg: the learner's settings; ``critic_fit_minutes`` of usable steps are wanted.
    """

    def __init__(self, inputs: int, cfg: SlowRLConfig):
        self._cfg, self._inputs = cfg, inputs
        self._generator = torch.Generator().manual_seed(cfg.seed)
        self._network = Mlp(_random_layers((inputs, *HIDDEN, 1), cfg.seed), "elu")
        self._optimizer = torch.optim.AdamW(
            self._network.parameters(), lr=_LEARNING_RATE, weight_decay=_WEIGHT_DECAY
        )
        self._windows: list[Window] = []
        self._steps = 0
        self._mean, self._std = torch.zeros(inputs), torch.ones(inputs)
        self._offset, self._scale = 0.0, 1.0

    @property
    def share(self) -> float:
        """How much of the data that is wanted is there, 0 to 1."""
        return min(self._steps / (STEPS_PER_MINUTE * self._cfg.critic_fit_minutes), 1.0)

    def add(self, batch: Batch) -> UpdateStats:
        """Take a window and fit to all; ``explained_variance`` is that of the new window before the fit.

        Raises:
            ContractError: the window holds other numbers than the critic is to see.
        """
        stats = UpdateStats(update=len(self._windows) + 1, used=len(batch))
        if not len(batch):
            return stats
        window = Window.of(batch, 1.0)
        self._check(window)
        if not self._windows:
            self._normalise(window)
        stats.reward = float(batch.rewards.mean())
        stats.explained_variance = self._explained(window)
        self._windows.append(window)
        self._steps += len(batch)
        stats.value_loss = self._fit()
        stats.explained_variance_after = self._explained(window)
        return stats

    def layers(self) -> list[Layer]:
        """The critic of unscaled rewards, the normalisation folded into its first and last layer."""
        layers = self._network.merged_layers()
        mean, std = self._mean.numpy(), self._std.numpy()
        first, last = layers[0], layers[-1]
        weight = first.weight / std
        layers[0] = first._replace(weight=weight, bias=first.bias - weight @ mean)
        layers[-1] = last._replace(
            weight=self._scale * last.weight, bias=self._scale * last.bias + np.float32(self._offset)
        )
        return layers

    def _check(self, window: Window) -> None:
        if window.critic_obs.shape[1] != self._inputs:
            raise ContractError(
                f"A control step shows the critic {window.critic_obs.shape[1]} numbers, {self._inputs} were "
                "expected; the executor runs another policy than the learner."
            )

    def _normalise(self, window: Window) -> None:
        """Fix the scales of inputs and values by the first window."""
        obs = window.critic_obs
        self._mean, self._std = obs.mean(0), obs.std(0).clamp(min=_LEAST_STD)
        self._offset = float(window.rewards.mean()) / (1.0 - self._cfg.gamma)
        self._scale = 1.0
        self._scale = max(float(self._returns(window, 1.0, constant=True).std()), 1e-3)

    def _fit(self) -> float:
        """Sweeps over all windows; the mean loss of the last one, in units of the values' spread."""
        obs = torch.cat([(w.critic_obs - self._mean) / self._std for w in self._windows])
        loss = 0.0
        for _ in range(_SWEEPS):
            returns = np.concatenate([self._returns(w, self._cfg.gae_lambda) for w in self._windows])
            targets = torch.from_numpy((returns - self._offset) / self._scale).float()
            loss = float(np.mean([self._step(obs, targets) for _ in range(_STEPS)]))
        return loss

    def _step(self, obs: torch.Tensor, targets: torch.Tensor) -> float:
        picked = torch.randint(len(obs), (_BATCH,), generator=self._generator)
        loss = 0.5 * (self._network(obs[picked]).squeeze(1) - targets[picked]).square().mean()
        self._optimizer.zero_grad(set_to_none=True)
        loss.backward()
        self._optimizer.step()
        return float(loss.detach())

    def _returns(self, window: Window, lam: float, constant: bool = False) -> np.ndarray:
        """TD(lam) returns, (T,); ``constant``: every state is taken to be worth the mean."""
        values = self._values(window.critic_obs, constant)
        cut_values = self._values(window.cut_critic_obs, constant)
        arrays = window.rewards, values, cut_values, window.terminal, window.cut
        return vtrace(*arrays, self._cfg.gamma, lam)[1]

    @torch.no_grad()
    def _values(self, critic_obs: torch.Tensor, constant: bool = False) -> np.ndarray:
        if constant:
            return np.full(len(critic_obs), self._offset, np.float32)
        values = self._network((critic_obs - self._mean) / self._std).squeeze(1)
        return (self._scale * values + self._offset).numpy()

    def _explained(self, window: Window) -> float:
        """Variance of the Monte-Carlo returns of a window that the critic explains."""
        return explained_variance(self._values(window.critic_obs), self._returns(window, 1.0))


def critic_for(policy_path: Path, task: Task, robot: RobotDescription) -> Path | None:
    """The critic that belongs to a policy: the one beside it, or the task's if both see the same.

    None where there is none, so that one has to be fitted.

    Raises:
        ContractError: a policy or a critic cannot be read.
    """
    contract = OnnxPolicy(policy_path).contract
    inputs = critic_width(contract.observation_width, len(robot.feet))
    beside = policy_path.with_name(task.critic_path.name)
    if beside.is_file() and load_critic(beside).input_size == inputs:
        return beside
    return task.critic_path if _sees_the_same(contract, OnnxPolicy(task.policy_path).contract) else None


def _sees_the_same(one: Contract, other: Contract) -> bool:
    numbers = ("observation_scales", "observation_lower", "observation_upper")
    return all(getattr(one, key) == getattr(other, key) for key in _SAME) and all(
        np.array_equal(one.elements(key), other.elements(key)) for key in numbers
    )


def blank_layers(inputs: int) -> list[Layer]:
    """A critic to which everything is worth nothing."""
    return [Layer("0", np.zeros((1, inputs), np.float32), np.zeros(1, np.float32))]


def _random_layers(sizes: tuple[int, ...], seed: int) -> list[Layer]:
    """He's initialisation; names as torch gives them to those of a Sequential."""
    rng = np.random.default_rng((seed, 7))
    return [
        Layer(
            str(2 * i),
            (rng.normal(size=(out, n)) * np.sqrt((0.01 if out == 1 else 2.0) / n)).astype(np.float32),
            np.zeros(out, np.float32),
        )
        for i, (n, out) in enumerate(zip(sizes, sizes[1:], strict=False))
    ]
