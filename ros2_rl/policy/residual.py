"""A bounded residual on a frozen base policy.

action = base(obs) + min(bound, limit) * tanh(f(obs) + noise), joint by joint (residual policy learning,
Silver et al. 2018, arXiv 1812.06298). f is a perceptron with ELU whose last layer starts at zero, so that
the policy starts as the base; the hyperbolic tangent holds the bound whatever the weights are, exploration
noise included. ``limit`` belongs to the robot's side, and 0 makes it the base bit for bit.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from ros2_rl.errors import ContractError
from ros2_rl.policy.contract import Contract
from ros2_rl.policy.mlp import Layer
from ros2_rl.policy.perceptron import Perceptron
from ros2_rl.robots import RobotDescription

_PREFIX, _BOUND = "residual.", "residual.bound_deg"


@dataclass(frozen=True)
class Residual:
    """The weights of f and the bound that it was learned with."""

    bound_deg: np.ndarray
    """Largest change of each joint's target, (J,), deg, policy's order."""
    layers: tuple[Layer, ...]
    """f, from (D,) to (J,); names without prefix."""

    def __call__(self, obs: np.ndarray) -> np.ndarray:
        """f(obs) for one observation (D,) or several (N, D), before the tangent."""
        return self.network(obs)

    @cached_property
    def network(self) -> Perceptron:
        """f."""
        return Perceptron(self.layers)

    def tensors(self) -> dict[str, np.ndarray]:
        """As the tensors of a safetensors file."""
        return {_BOUND: self.bound_deg, **self.network.tensors(_PREFIX)}

    @staticmethod
    def take(tensors: dict[str, np.ndarray]) -> "Residual | None":
        """Inverse of :meth:`tensors`; takes its own out of a file's tensors, None where there are none.

        Raises:
            KeyError: a layer has only one of weight and bias.
        """
        if _BOUND not in tensors:
            return None
        bound = tensors.pop(_BOUND)
        own = {key: tensors.pop(key) for key in sorted(tensors) if key.startswith(_PREFIX)}
        return Residual(bound, Perceptron.take(own, _PREFIX).layers)


class Reach:
    """How far a residual may move the raw action on one robot."""

    def __init__(self, contract: Contract, limit_deg: float = np.inf):
        """``limit_deg``: the robot's own limit of every joint, beside the residual's bound."""
        self._deg_per_action = np.degrees(np.abs(np.asarray(contract.action_scale)))
        self.limit_deg = limit_deg

    def __call__(self, residual: Residual) -> np.ndarray:
        """Largest change of the raw action, (J,), float32."""
        reach = np.minimum(residual.bound_deg, max(self.limit_deg, 0.0)) / self._deg_per_action
        return reach.astype(np.float32)

    def correct(
        self, base: np.ndarray, residual: Residual, obs: np.ndarray, noise: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """The action with noise and without, raw, (J,) each.

        Args:
            base: the base's raw action, (J,).
            obs: what the actor sees, (D,).
            noise: added before the tangent, (J,).
        """
        reach = self(residual)
        if not reach.any():
            return base, base
        full = (residual.bound_deg / self._deg_per_action).astype(np.float32)
        f = residual(obs)
        moved = (np.clip(full * np.tanh(x).astype(np.float32), -reach, reach) for x in (f + noise, f))
        with_noise, without = (base + change for change in moved)
        return with_noise, without


def check_residual(residual: Residual, inputs: int, joints: int) -> None:
    """Compare the shapes of a residual with its base policy, and look at its numbers.

    Raises:
        ContractError: a shape does not fit, or a number is not finite.
    """
    if residual.bound_deg.shape != (joints,):
        raise ContractError(f"The residual bounds {residual.bound_deg.size} joints; the policy has {joints}.")
    residual.network.check(inputs, joints, "residual")
    if not np.isfinite(residual.bound_deg).all():
        raise ContractError("The residual has a number that is not finite.")
    if residual.bound_deg.min() < 0.0:
        raise ContractError("The residual's bound is negative; it must be 0 deg or more.")


def check_bound(bound_deg: Sequence[float] | np.ndarray, contract: Contract, robot: RobotDescription) -> None:
    """Whether the default pose, moved by the bound, stays within the joints' limits.

    ``bound_deg`` (J,) is in the policy's order.

    Raises:
        ContractError: it does not; the sentence says which joint, and how much it would bear.
    """
    index = contract.robot_index(robot)
    pose = np.asarray(contract.action_offset or contract.default_joint_pos)
    room = np.degrees(np.minimum(robot.q_upper[index] - pose, pose - robot.q_lower[index]))
    beyond = np.asarray(bound_deg) > room
    if beyond.any():
        joint = int(np.argmax(np.asarray(bound_deg) - room))
        raise ContractError(
            f"A residual bound of {np.asarray(bound_deg)[joint]:.1f} deg goes beyond the limits of "
            f"{contract.joint_names[joint]}, which has {room[joint]:.1f} deg from its default position; "
            "take a smaller bound."
        )
