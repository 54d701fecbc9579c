"""Soft actor-critic (Haarnoja et al. 2018, arXiv 1812.05905): one gradient step from one batch.

Targets are the lowest of a random subset of the target critics (REDQ, Chen et al. 2021, arXiv 2101.05982);
the critics are layer-normalised against runaway values (RLPD, Ball et al. 2023, arXiv 2302.02948). What the
batch comes from - a robot with legs, an arm, demonstrations - is not known here.
"""

import copy
from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Any, Generic

import torch
from torch import nn

from ros2_rl.learning.sac.config import SacConfig
from ros2_rl.learning.sac.networks import Actor, Critics
from ros2_rl.learning.sac.replay import Batch


@dataclass
class Sums:
    """What gradient steps did, summed up."""

    steps: int = 0
    actor_steps: int = 0
    value: float = 0.0
    critic_loss: float = 0.0
    actor_loss: float = 0.0
    entropy: float = 0.0

    def mean(self, name: str) -> float:
        """Average of one of them over the steps that it was made in."""
        of_actor = name in ("actor_loss", "entropy")
        return getattr(self, name) / max(self.actor_steps if of_actor else self.steps, 1)

    def clear(self) -> None:
        for field in fields(self):
            setattr(self, field.name, type(getattr(self, field.name))())


class SoftActorCritic(Generic[Actor]):
    """Actor, critics and their optimisers.

    A batch has the fields ``critic_obs`` (N, C), ``base`` (N, J), ``change`` (N, J), ``reward`` (N,),
    ``next_critic_obs``, ``next_base``, ``terminal`` (N,) and ``discount`` (N,), that of what follows; the
    actor sees the first D of the C numbers.
    ``terminal`` is 1 only where nothing follows: time limits are no end. Where a batch has ``imitate`` (N,),
    the weight of the squared distance to ``change``, the actor also imitates what was shown, as far as its
    bound lets it, and where the critics find it better than what the actor does (Nair et al. 2018, arXiv
    1709.10089).
    """

    def __init__(
        self,
        actor: Actor,
        sees: tuple[int, int],
        cfg: SacConfig,
        generator: torch.Generator,
    ):
        """``sees``: D and C."""
        joints = actor.outputs
        self.cfg, self.generator = cfg, generator
        self.actor: Actor = actor
        self.acting: Actor = copy.deepcopy(actor).requires_grad_(False)
        """The average of the actor over its last steps; this one acts."""
        self._obs = sees[0]
        self.critics = Critics(cfg.critics, sees[1] + 2 * joints, cfg.critic_hidden)
        self.targets = copy.deepcopy(self.critics).requires_grad_(False)
        self.log_temperature = nn.Parameter(torch.tensor(cfg.temperature).log())
        self._target_entropy = cfg.target_entropy * joints
        parameters = [p for p in actor.parameters() if p.requires_grad]
        self.actor_optimizer = torch.optim.Adam(parameters, lr=cfg.learning_rate, fused=True)
        self.critic_optimizer = torch.optim.Adam(
            self.critics.parameters(), lr=cfg.critic_learning_rate, fused=True
        )
        self.temperature_optimizer = torch.optim.Adam([self.log_temperature], lr=cfg.learning_rate)
        self.steps = 0
        self.sums = Sums()

    @property
    def temperature(self) -> float:
        """Weight of the entropy."""
        return float(self.log_temperature.detach().exp())

    @property
    def stay(self) -> float:
        """Weight of staying near what was done; where it has a half-life it fades once the actor learns."""
        cfg = self.cfg
        if cfg.stay_half_life_steps is None:
            return cfg.stay_coef
        return cfg.stay_coef * 0.5 ** (max(self.steps - cfg.critic_warmup, 0) / cfg.stay_half_life_steps)

    def step(self, batch: Batch, with_actor: bool = True, breathe: Callable[[], None] = lambda: None) -> None:
        """One gradient step of the critics and, at its turn, of actor and temperature.

        ``breathe`` is called before each of the two: who computes beside a robot can wait there.
        """
        self.steps += 1
        breathe()
        self._step_critics(batch)
        if with_actor and self.steps % self.cfg.policy_delay == 0:
            breathe()
            self._step_actor(batch)

    def imitate(self, batch: Batch) -> None:
        """One gradient step of the actor alone towards what was shown, whatever the critics say.

        Where nobody showed anything it stays near what was done: few corrections say little of all the rest.
        """
        mean = self.actor.mean(batch["critic_obs"][:, : self._obs], batch["base"])
        off = self._off(batch, mean)
        self._move_actor((batch["imitate"] * off.mean(-1)).mean() + self.stay * off.mean())

    def values(self, critic_obs: torch.Tensor, base: torch.Tensor, change: torch.Tensor) -> torch.Tensor:
        """Mean value of the ensemble, (N,)."""
        with torch.no_grad():
            return self.critics(torch.cat((critic_obs, base, change), -1)).mean(0)

    def finite(self) -> bool:
        """Whether every number that learns is one."""
        modules = (self.actor, self.critics)
        return all(bool(torch.isfinite(p).all()) for module in modules for p in module.parameters())

    @torch.no_grad()
    def _target(self, batch: Batch) -> torch.Tensor:
        obs, base = batch["next_critic_obs"], batch["next_base"]
        draw = self.actor.sample(obs[:, : self._obs], base, self._noise(base))
        follows = self.targets(torch.cat((obs, base, draw.change), -1), self._members()).min(0).values
        if self.cfg.value_range is None:
            follows = follows - self.temperature * draw.log_prob
        else:
            follows = follows.clamp(*self.cfg.value_range)
        return batch["reward"] + batch["discount"] * (1.0 - batch["terminal"]) * follows

    def _members(self) -> torch.Tensor | None:
        """The random subset of the ensemble whose lowest value counts; None: all."""
        if self.cfg.critic_subset == self.cfg.critics:
            return None
        return torch.randperm(self.cfg.critics, generator=self.generator)[: self.cfg.critic_subset]

    def _step_critics(self, batch: Batch) -> None:
        seen = torch.cat((batch["critic_obs"], batch["base"], batch["change"]), -1)
        values = self.critics(seen)
        loss = (values - self._target(batch)).square().mean() * self.cfg.critics
        self.critic_optimizer.zero_grad()
        loss.backward()
        self.critic_optimizer.step()
        _follow(self.targets, self.critics, self.cfg.tau)
        self.sums.steps += 1
        self.sums.value += float(values.detach().mean())
        self.sums.critic_loss += float(loss.detach())

    def _step_actor(self, batch: Batch) -> None:
        critic_obs, base = batch["critic_obs"], batch["base"]
        change, mean, log_prob = self.actor.sample(critic_obs[:, : self._obs], base, self._noise(base))
        self.critics.requires_grad_(False)
        values = self.critics(torch.cat((critic_obs, base, change), -1)).mean(0)
        loss = (self.temperature * log_prob - values).mean() + self.actor.penalty(mean)
        if self.cfg.stay_coef:
            loss = loss + self.stay * self._off(batch, mean).mean()
        if self.cfg.smooth_coef:
            loss = loss + self.cfg.smooth_coef * self._jitter(batch, mean)
        if "imitate" in batch:
            loss = loss + self._away(batch, mean)
        self._move_actor(loss)
        self.critics.requires_grad_(True)
        self._step_temperature(float(log_prob.detach().mean()))
        self.sums.actor_steps += 1
        self.sums.actor_loss += float(loss.detach())
        self.sums.entropy -= float(log_prob.detach().mean())

    def _move_actor(self, loss: torch.Tensor) -> None:
        self.actor_optimizer.zero_grad()
        loss.backward()
        self.actor_optimizer.step()
        self.actor.bound_noise(*self.cfg.log_std_bounds)
        _follow(self.acting, self.actor, self.cfg.actor_average)

    def _off(self, batch: Batch, mean: torch.Tensor) -> torch.Tensor:
        """Squared distance of the actor from what was done, (N, J).

        Staying near it is TD3+BC's (Fujimoto and Gu 2021, arXiv 2106.06860).

        Of actions that nobody has tried the critics know nothing, and where all agree that there is little
        between them, whatever they imagine decides.
        """
        return (mean - batch["change"].clamp(-1.0, 1.0)).square()

    def _jitter(self, batch: Batch, mean: torch.Tensor) -> torch.Tensor:
        """Squared difference of the changes in a step and in the next one (Mysore et al. 2021, eq. 2).

        What a robot lacks is lacking for long: a change that differs from step to step follows the critics'
        errors.
        """
        then = self.actor.mean(batch["next_critic_obs"][:, : self._obs], batch["next_base"])
        return (mean - then).square().sum(-1).mean()

    def _away(self, batch: Batch, mean: torch.Tensor) -> torch.Tensor:
        """How far the actor is from what was shown and found better than what it does, weighted."""
        shown = batch["imitate"] > 0.0
        critic_obs, base, change = (batch[name][shown] for name in ("critic_obs", "base", "change"))
        better = self.values(critic_obs, base, change.clamp(-1.0, 1.0)) > self.values(
            critic_obs, base, mean[shown]
        )
        away = self._off(batch, mean)[shown].mean(-1)
        return (batch["imitate"][shown] * better * away).sum() / len(shown)

    def _step_temperature(self, log_prob: float) -> None:
        loss = -self.log_temperature * (log_prob + self._target_entropy)
        self.temperature_optimizer.zero_grad()
        loss.backward()
        self.temperature_optimizer.step()

    def _noise(self, like: torch.Tensor) -> torch.Tensor:
        return torch.randn(like.shape, generator=self.generator)

    # ------------------------------------------------------------------- state

    def state(self) -> dict[str, Any]:
        """A copy of everything that a gradient step changes; tensors and plain values."""
        return copy.deepcopy(
            {
                "actor": _parameters(self.actor),
                "critic": _parameters(self.critics),
                "acting": _parameters(self.acting, True),
                "targets": _parameters(self.targets, True),
                "log_temperature": self.log_temperature.detach(),
                "optimizers": [optimizer.state_dict() for optimizer in self._optimizers()],
                "steps": self.steps,
            }
        )

    def load(self, state: dict[str, Any]) -> None:
        """Inverse of :meth:`state`."""
        modules = {
            "actor": self.actor,
            "critic": self.critics,
            "acting": self.acting,
            "targets": self.targets,
        }
        for key, module in modules.items():
            load_parameters(module, state[key])
        with torch.no_grad():
            self.log_temperature.copy_(state["log_temperature"])
        for optimizer, stored in zip(self._optimizers(), state["optimizers"], strict=True):
            optimizer.load_state_dict(stored)
        self.steps = state["steps"]

    def set_actor(self, parameters: dict[str, torch.Tensor]) -> None:
        """Make the actor, and the one that acts, what they once were; the critics keep what they know."""
        load_parameters(self.actor, parameters)
        load_parameters(self.acting, parameters)
        self.actor_optimizer.state.clear()

    def follow_actor(self, pace: float) -> None:
        """Move the average that acts this much towards the actor; for somebody else has changed that."""
        _follow(self.acting, self.actor, pace)

    def actor_parameters(self) -> dict[str, torch.Tensor]:
        """A copy of the parameters of the actor that acts."""
        return _parameters(self.acting, True)

    def _optimizers(self) -> list[torch.optim.Optimizer]:
        return [self.actor_optimizer, self.critic_optimizer, self.temperature_optimizer]


@torch.no_grad()
def _follow(slow: nn.Module, fast: nn.Module, pace: float) -> None:
    """Move the parameters of one network towards those of another."""
    for a, b in zip(slow.parameters(), fast.parameters(), strict=True):
        a.lerp_(b, pace)


def _parameters(module: nn.Module, frozen: bool = False) -> dict[str, torch.Tensor]:
    """A copy of the parameters that learn, or, of a network that only follows another, of all."""
    named = module.named_parameters()
    return {name: p.detach().clone() for name, p in named if frozen or p.requires_grad}


@torch.no_grad()
def load_parameters(module: nn.Module, tensors: dict[str, torch.Tensor]) -> None:
    """Inverse of the above."""
    known = dict(module.named_parameters())
    for name, tensor in tensors.items():
        known[name].copy_(tensor)
