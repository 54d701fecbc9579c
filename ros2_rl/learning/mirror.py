"""Left-right mirror images of observations and actions.

A quadruped in a mirror: left and right legs change places, everything that points to the side
or turns about x or z changes its sign, and a trot is half a cycle later; a jump is no later.
"""

from dataclasses import dataclass

import numpy as np
import torch

from ros2_rl.errors import ConfigError
from ros2_rl.policy.contract import Contract

_VECTORS = {
    "base_lin_vel": (1.0, -1.0, 1.0),
    "base_ang_vel": (-1.0, 1.0, -1.0),
    "projected_gravity": (1.0, -1.0, 1.0),
    "velocity_commands": (1.0, -1.0, -1.0),
    "command": (1.0, -1.0, -1.0),
    "gait_clock": (-1.0, -1.0),
    "contact_clock": (1.0, 1.0, 1.0),
}
_PER_JOINT = ("joint_pos", "joint_vel", "actions")
_FEET = (1, 0, 3, 2)


@dataclass(frozen=True)
class Reflection:
    """y[i] = signs[i] * x[permutation[i]]; applied twice it is the identity."""

    permutation: torch.Tensor
    signs: torch.Tensor

    def __call__(self, x: torch.Tensor) -> torch.Tensor:
        """(N, n) to (N, n)."""
        return x[:, self.permutation] * self.signs


@dataclass(frozen=True)
class Mirror:
    """Reflections of what the actor sees, what the critic sees and what the actor does."""

    obs: Reflection
    critic_obs: Reflection
    action: Reflection

    @classmethod
    def of(cls, contract: Contract) -> "Mirror":
        """For a policy whose joints are named ``FL_hip_joint`` and so on.

        Raises:
            ConfigError: a joint has no partner on the other side.
        """
        joints, signs = _joints(contract.joint_names)
        permutation: list[int] = []
        factors: list[float] = []
        for name in contract.observation_names:
            start = len(permutation)
            part = joints if name in _PER_JOINT else range(len(_VECTORS[name]))
            permutation += [start + i for i in part]
            factors += signs if name in _PER_JOINT else _VECTORS[name]
        permutation, factors = _through_history(contract, permutation, factors)
        obs = _reflection(permutation, factors)
        start = len(permutation)
        # The critic also sees base velocity (3), height (1) and contacts (4), see StepRecord.
        permutation = [*permutation, *(start + i for i in (0, 1, 2, 3)), *(start + 4 + i for i in _FEET)]
        critic = _reflection(permutation, [*factors, 1.0, -1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0])
        return cls(obs, critic, _reflection(joints, signs))


def _through_history(
    contract: Contract, permutation: list[int], factors: list[float]
) -> tuple[list[int], list[float]]:
    """The reflection of a frame as one of the network's input, in which the frames may be interlaced."""
    age, element = np.divmod(contract.history_index(), contract.frame_width)
    partner = age * contract.frame_width + np.array(permutation)[element]
    place = {int(index): i for i, index in enumerate(contract.history_index())}
    return [place[int(index)] for index in partner], np.array(factors)[element].tolist()


def _joints(names: tuple[str, ...]) -> tuple[list[int], list[float]]:
    """Index of each joint's partner, and the sign: that of a hip is −1, its axis points ahead."""
    partners = [name[:1] + {"L": "R", "R": "L"}.get(name[1:2], "") + name[2:] for name in names]
    lonely = [name for name, partner in zip(names, partners, strict=True) if partner not in names]
    if lonely:
        raise ConfigError(f"The joint {lonely[0]} has no mirror image; switch mirror_augmentation off.")
    return [names.index(partner) for partner in partners], [-1.0 if "hip" in name else 1.0 for name in names]


def _reflection(permutation: list[int], signs: list[float]) -> Reflection:
    return Reflection(torch.tensor(permutation), torch.tensor(np.asarray(signs), dtype=torch.float32))
