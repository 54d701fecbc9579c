"""The policy of an arm, as it travels from the learner to the executor: versioned, whole, and checked.

action = tanh(f(observation) + std(observation) * noise), each -1 to 1; a perceptron answers with f and
the logarithm of std. On a base policy that, times a bound, is what changes of the base's action. It says from
which episode on it acts and whether that episode is practice or a trial, in which nothing is learned and
nobody helps.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
import safetensors.numpy
from safetensors import SafetensorError

from ros2_rl.errors import ContractError
from ros2_rl.manipulation.arm_base import ArmBase
from ros2_rl.manipulation.observation import WIDTH
from ros2_rl.manipulation.task import ArmTask
from ros2_rl.policy.mlp import Layer, perceptron_model
from ros2_rl.policy.perceptron import Perceptron
from ros2_rl.policy.sealed import seal, unseal

FORMAT = "ros2_rl.arm_policy.3"
PROBE_TOLERANCE = 1e-4
"""Largest difference between the learner's and the executor's network."""
_PREFIX = "actor."
Kind = Literal["practice", "trial"]
_KINDS: tuple[Kind, ...] = ("practice", "trial")


def identity_of(task: ArmTask) -> dict[str, str]:
    """What experience and weights must have in common to be mixed, by name."""
    return {
        "robot": task.robot,
        "task": task.name,
        "rate": f"{1.0 / task.step_dt:g} Hz",
        "actions": f"{', '.join(task.moves)} by {task.reach * 1e3:g} mm",
        "observation": str(WIDTH),
    }


@dataclass(frozen=True)
class ArmPolicy:
    """One version of it."""

    version: int
    """Counts from 1."""
    episode: int
    """First episode in which it acts."""
    kind: Kind
    """Of that episode."""
    task: str
    """Robot, task, rate and so on, as one phrase."""
    network: Perceptron
    """Its answers have f, (A,), then the logarithm of the noise's standard deviation, (A,)."""
    log_std_bounds: np.ndarray
    """Where that logarithm stays, (2,)."""
    probe_obs: np.ndarray
    """Fixed observations, (P, D)."""
    probe_out: np.ndarray
    """What the learner's network answers to them, (P, 2 A)."""
    trial_noise: float = 0.0
    """Share of the noise with which it acts in a trial, 0 to 1."""
    bound: float = 1.0
    """Largest change of the base's action, share of full deflection; 1 where there is no base."""
    base_sha256: str = ""
    """Of the base that it changes; empty: none."""

    def __call__(self, obs: np.ndarray, noise: np.ndarray | None = None) -> np.ndarray:
        """What is added to the base's action, (A,), for an observation (D,); without a base, the action.

        ``noise``: standard normal, (A,), or none.
        """
        before, log_std = np.split(self.network(obs), 2)
        if noise is not None:
            share = 1.0 if self.kind == "practice" else self.trial_noise
            before = before + share * np.exp(np.clip(log_std, *self.log_std_bounds)) * noise
        return self.bound * np.tanh(before)

    def act(self, obs: np.ndarray, base: ArmBase | None, noise: np.ndarray | None = None) -> np.ndarray:
        """The action (A,); ``base`` is the one that :func:`check` was told of."""
        change = self(obs, noise)
        return change if base is None else np.clip(base(obs) + change, -1.0, 1.0)

    def to_onnx(self) -> bytes:
        """A policy without a base as an ONNX network from observation to action; it has no noise."""
        assert not self.base_sha256
        *hidden, last = self.network.layers
        actions = len(last.bias) // 2
        last = Layer(last.name, last.weight[:actions], last.bias[:actions])
        model = perceptron_model((*hidden, last), "elu", squashed=True)
        return model.SerializeToString()

    def to_bytes(self) -> bytes:
        """As a safetensors file."""
        tensors = self.network.tensors(_PREFIX)
        tensors |= {"probe_obs": self.probe_obs, "probe_out": self.probe_out}
        tensors |= {"log_std_bounds": np.asarray(self.log_std_bounds, np.float64)}
        about = {"version": str(self.version), "episode": str(self.episode), "kind": self.kind}
        about |= {"bound": repr(self.bound), "base_sha256": self.base_sha256}
        about |= {"trial_noise": repr(self.trial_noise)}
        return seal(tensors, {"format": FORMAT, "task": self.task, **about})

    @staticmethod
    def from_bytes(data: bytes) -> "ArmPolicy":
        """Inverse of :meth:`to_bytes`.

        Raises:
            ContractError: the bytes are no policy of an arm, or not those that the sender wrote.
        """
        about = unseal(data, FORMAT, "arm's policy")
        try:
            tensors = safetensors.numpy.load(data)
            kind = next(kind for kind in _KINDS if kind == about["kind"])
            return ArmPolicy(
                int(about["version"]), int(about["episode"]), kind, about["task"],
                Perceptron.take(tensors, _PREFIX),
                tensors["log_std_bounds"], tensors["probe_obs"], tensors["probe_out"],
                float(about["trial_noise"]), float(about["bound"]), about["base_sha256"],
            )  # fmt: skip
        except (KeyError, TypeError, ValueError, StopIteration, SafetensorError) as error:
            raise ContractError(f"The arm's policy is not complete ({error}); send it again.") from error


def phrase(identity: dict[str, str]) -> str:
    """An identity as one phrase."""
    return "; ".join(f"{name} {value}" for name, value in identity.items())


def check(policy: ArmPolicy, task: ArmTask, current_version: int, base: ArmBase | None = None) -> None:
    """Compare a policy with the task it is to do, with the base it changes and the version that is in use.

    Raises:
        ContractError: another task or base, a bound beyond 1, a stale version, wrong shapes, or numbers
            that are not finite or that this network does not reproduce.
    """
    ours, actions = phrase(identity_of(task)), len(task.moves)
    if policy.task != ours:
        raise ContractError(f"The arm's policy is for {policy.task}, not {ours}; start both with one task.")
    theirs, own = policy.base_sha256[:12] or "none", base.sha256[:12] if base else "none"
    if theirs != own:
        raise ContractError(f"The arm's policy changes the base {theirs}, not {own}; start both with one.")
    if not 0.0 < policy.bound <= 1.0:
        raise ContractError(f"The arm's policy has the bound {policy.bound:g}, not one above 0 and up to 1.")
    if policy.version <= current_version:
        raise ContractError(
            f"The arm's policy has the stale version {policy.version}; {current_version} is in use."
        )
    policy.network.check(WIDTH, 2 * actions, "arm's policy")
    shapes = (policy.log_std_bounds.shape, policy.probe_obs.shape[1:], policy.probe_out.shape[1:])
    if shapes != ((2,), (WIDTH,), (2 * actions,)) or len(policy.probe_obs) != len(policy.probe_out):
        raise ContractError("The arm's policy has a noise or a probe of a wrong shape; send it again.")
    low, high = policy.log_std_bounds
    if not (-20.0 <= low <= high <= 1.0 and 0.0 <= policy.trial_noise <= 1.0):
        raise ContractError("The arm's policy has a noise that is out of its range; send it again.")
    away = np.abs(policy.network(policy.probe_obs) - policy.probe_out)
    if not float(np.max(away, initial=0.0)) <= PROBE_TOLERANCE:
        raise ContractError(
            f"The arm's policy answers the probe with a difference of {float(np.max(away)):.2g}; "
            "learner and executor do not compute the same function."
        )
