"""RLPD (Ball et al. 2023, arXiv 2302.02948): soft actor-critic that learns as much from what it was shown.

Half of each batch is drawn from demonstrations and corrections, half from everything that was experienced
(symmetric sampling). Without a base policy the actor's answer is the action; on a base, a black box, it is
the change of the base's action in units of a bound, and begins with none. A time limit is no end: what would
have followed has a value.
"""

import json
from collections.abc import Mapping
from hashlib import sha256
from typing import Any, Protocol

import numpy as np
import torch
from torch.nn import functional

from ros2_rl.errors import ConfigError
from ros2_rl.learning.sac.networks import SearchingActor
from ros2_rl.learning.sac.replay import LABELS, Batch, Replay
from ros2_rl.learning.sac.rlpd_config import RlpdConfig
from ros2_rl.learning.sac.stats import RlpdStats
from ros2_rl.learning.sac.update import SoftActorCritic
from ros2_rl.policy.mlp import Layer

_HUMAN = LABELS.index("human")
_SAME = ("actor_hidden", "critics", "critic_hidden", "reward_scale", "residual_bound")
"""Settings without which a state has no meaning."""

Fields = Mapping[str, np.ndarray]
"""Consecutive transitions: ``obs`` (N, D), ``action`` (N, A), ``reward`` (N,), ``next_obs`` (N, D), and
``terminal`` (N,), 1 only where nothing follows."""


class Base(Protocol):
    """A policy that is there already."""

    @property
    def sha256(self) -> str: ...

    def of(self, obs: np.ndarray) -> np.ndarray:
        """Its actions (N, A) for observations (N, D)."""
        ...


def widths(inputs: int, outputs: int, based: bool = False) -> dict[str, int]:
    """Numbers of each field of a replay; ``based``: with what the base would have done."""
    found = {"obs": inputs, "next_obs": inputs, "action": outputs, "reward": 0, "terminal": 0}
    return found | ({"base": outputs, "next_base": outputs} if based else {})


def _shapes(tensors: Mapping[str, torch.Tensor]) -> dict[str, torch.Size]:
    """By name."""
    return {name: tensor.shape for name, tensor in tensors.items()}


class RlpdLearner:
    """Two replays, an actor and critics; knows neither robot nor task but by their names.

    Args:
        inputs, outputs: numbers of an observation and of an action.
        identity: what experience must have in common to be mixed, by name.
        base: what the actor changes; None: it starts from scratch.
    """

    def __init__(
        self,
        cfg: RlpdConfig,
        inputs: int,
        outputs: int,
        identity: Mapping[str, str],
        base: Base | None = None,
    ):
        torch.set_num_threads(cfg.torch_threads)
        torch.manual_seed(cfg.seed)
        self.cfg, self.identity, self._base = cfg, dict(identity), base
        self.bound = 1.0 if base is None else cfg.residual_bound
        """Of the change of an action, share of full deflection."""
        self.generator = torch.Generator().manual_seed(cfg.seed)
        self._actor = SearchingActor(inputs, cfg.actor_hidden, outputs, cfg.std_init, cfg.log_std_bounds)
        self.sac = SoftActorCritic(self._actor, (inputs, inputs), cfg, self.generator)
        fields = widths(inputs, outputs, base is not None)
        self.online = Replay(fields, identity, cfg.replay_capacity)
        """Everything that was experienced, whoever acted."""
        self.shown = Replay(fields, identity, cfg.replay_capacity)
        """Demonstrations and corrections."""
        self.updates = self.dropped_updates = 0
        self._credit, self._steps, self._left, self._heeds = 0.0, 0, 0, False
        self._before = self.sac.state()

    # ---------------------------------------------------------------- data

    def show(self, fields: Fields) -> None:
        """Take in demonstrations."""
        self.shown.add(self._beside(fields), np.full(len(fields["reward"]), _HUMAN))

    def add(self, fields: Fields, labels: np.ndarray) -> None:
        """Take in what was experienced, labels (N,) index LABELS; a person's actions count twice."""
        fields = self._beside(fields)
        self.online.add(fields, labels)
        human = labels == _HUMAN
        self.shown.add({name: rows[human] for name, rows in fields.items()}, labels[human])

    def _beside(self, fields: Fields) -> Fields:
        """Transitions with what the base would have done."""
        if self._base is None:
            return fields
        return {
            **fields,
            "base": self._base.of(fields["obs"]),
            "next_base": self._base.of(fields["next_obs"]),
        }

    # ---------------------------------------------------------------- learning

    def clone(self, steps: int) -> float:
        """Make the actor imitate what was shown, by so many gradient steps; the last squared error.

        On a base it does nothing: the base is the beginning.
        """
        error = 0.0
        if self._base is not None:
            return error
        optimizer = torch.optim.Adam(self._actor.linears.parameters(), lr=self.cfg.learning_rate)
        for _ in range(steps if len(self.shown) else 0):
            batch = self.shown.sample(self.cfg.batch, self.generator)
            answer = self._actor.mean(batch["obs"], batch["action"])
            loss = functional.mse_loss(answer, batch["action"])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            error = float(loss.detach())
        self.sac.set_actor({name: p.detach() for name, p in self._actor.named_parameters()})
        return error

    def update(self, new: int, heeds: bool = False) -> RlpdStats:
        """The gradient steps that so many new transitions are worth, all at once; as :meth:`begin`."""
        self.begin(new, heeds)
        while (stats := self.work(1_000_000)) is None:
            pass
        return stats

    def begin(self, new: int, heeds: bool = False) -> None:
        """Begin an update for so many new transitions; :meth:`work` makes its gradient steps.

        ``heeds``: while the critics are young, the actor learns from corrections, if there are any.
        """
        self._heeds = heeds and bool(self.cfg.imitation_coef and self.online.counts()["human"])
        self._credit += self.cfg.utd * new
        steps, self._credit = int(self._credit), self._credit % 1.0
        self._steps = self._left = steps if len(self.online) >= self.cfg.start_steps else 0
        self.updates += 1
        self._before = self.sac.state()
        self.sac.sums.clear()

    def work(self, most: int) -> RlpdStats | None:
        """At most so many gradient steps; what the update did, once it is finished.

        Should a number not be finite then, the networks are as before and the reason is given.
        """
        for _ in range(min(most, self._left)):
            self._step()
        self._left -= min(most, self._left)
        if self._left:
            return None
        reason = ""
        if not self.sac.finite():
            self.sac.load(self._before)
            self.dropped_updates += 1
            reason = "a weight is no longer finite; everything is as before"
        return self._describe(self._steps, reason)

    def _step(self) -> None:
        """Of the critics and, once they are old enough, of the actor.

        Until then the actor is left as it is, or learns from corrections alone (DAgger, Ross et al. 2011,
        arXiv 1011.0686).
        """
        cfg, batch = self.cfg, self._batch()
        old = self.sac.steps >= cfg.critic_warmup
        self.sac.step(batch, old)
        if self._heeds and not old and self.sac.steps % cfg.policy_delay == 0:
            self.sac.imitate(batch)

    @property
    def imitation(self) -> float:
        """Weight of imitating what was shown; it halves as the critics learn what is better."""
        return self.cfg.imitation_coef * 0.5 ** (self.sac.steps / self.cfg.imitation_half_life_steps)

    def _batch(self) -> Batch:
        """Half of what was shown, half of what was experienced; all of one where the other is empty."""
        halves = [replay for replay in (self.shown, self.online) if len(replay)]
        count = self.cfg.batch // len(halves)
        steps, gamma = self.cfg.n_step, self.cfg.gamma
        parts = [replay.sample(count, self.generator, steps=steps, gamma=gamma) for replay in halves]
        rows = {name: torch.cat([part[name] for part in parts]) for name in parts[0]}
        imitate = torch.zeros(len(rows["reward"]))
        imitate[: count if len(self.shown) else 0] = self.imitation
        nothing = torch.zeros_like(rows["action"])
        base = rows.get("base", nothing)
        return {
            "critic_obs": rows["obs"],
            "next_critic_obs": rows["next_obs"],
            "base": base,
            "next_base": rows.get("next_base", nothing),
            "change": (rows["action"] - base) / self.bound,
            "reward": self.cfg.reward_scale * rows["reward"],
            "terminal": rows["terminal"],
            "discount": rows["discount"],
            "imitate": imitate,
        }

    def _describe(self, steps: int, reason: str) -> RlpdStats:
        sac, sums = self.sac, self.sac.sums
        return RlpdStats(
            update=self.updates, online=len(self.online), shown=len(self.shown), gradient_steps=steps,
            value=sums.mean("value"), value_loss=sums.mean("critic_loss"),
            surrogate_loss=sums.mean("actor_loss"), entropy=sums.mean("entropy"),
            temperature=sac.temperature, std=self._std(),
            dropped_updates=self.dropped_updates, reason=reason,
        )  # fmt: skip

    @torch.no_grad()
    def _std(self) -> float:
        """Mean noise at what was experienced last."""
        rows = self.online.newest(self.cfg.batch)["obs"]
        return float(self.acting.split(rows)[1].exp().mean()) if len(rows) else 0.0

    # ------------------------------------------------------------------ export

    @property
    def acting(self) -> SearchingActor:
        """The actor that acts, the average of the one that learns."""
        return self.sac.acting

    def layers(self) -> tuple[Layer, ...]:
        """The network of the actor that acts: f, then the logarithm of std; tanh(f + std * noise) acts."""
        return self.acting.layers()

    @property
    def led_by_critics(self) -> bool:
        """Whether the actor has learned from more than what it was shown."""
        return self.sac.steps > self.cfg.critic_warmup

    # ------------------------------------------------------------------- state

    def state_dict(self) -> dict[str, Any]:
        """Everything that the next update depends on, as tensors, numbers and strings."""
        return {
            "base_sha256": self._origin,
            "config": self.cfg.model_dump(mode="json"),
            "updates": self.updates,
            "dropped_updates": self.dropped_updates,
            "credit": self._credit,
            "generator": self.generator.get_state(),
            "online": self.online.tensors(),
            "shown": self.shown.tensors(),
            **self.sac.state(),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Inverse of :meth:`state_dict`.

        Raises:
            ConfigError: the state belongs to another robot, task or rate, or to other settings.
        """
        ours = self.cfg.model_dump(mode="json")
        other = [key for key in _SAME if state["config"].get(key) != ours[key]]
        if _shapes(state["actor"]) != _shapes(dict(self._actor.named_parameters())):
            other.append("the shape of its actor")
        if state["base_sha256"] != self._origin or other:
            what = f"other settings ({', '.join(other)})" if other else "another robot, task, rate or base"
            raise ConfigError(f"The checkpoint is of {what}; resume with what it was made with.")
        self.sac.load(state)
        self.updates, self.dropped_updates = state["updates"], state["dropped_updates"]
        self._credit = state["credit"]
        self.generator.set_state(state["generator"])
        self.online.restore(state["online"])
        self.shown.restore(state["shown"])

    @property
    def _origin(self) -> str:
        """What stands for the base policy of other learners: whose experience this is, and on which base."""
        based = {} if self._base is None else {"base": self._base.sha256}
        return sha256(json.dumps(self.identity | based, sort_keys=True).encode()).hexdigest()
