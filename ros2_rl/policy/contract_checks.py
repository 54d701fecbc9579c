"""Whether a contract is consistent in itself: names that are known, counts that agree, sound numbers."""

import math
from dataclasses import fields
from typing import TYPE_CHECKING

from ros2_rl.errors import ContractError

if TYPE_CHECKING:
    from ros2_rl.policy.contract import Contract

PER_JOINT = -1
TERM_SIZES = {
    "base_lin_vel": 3,
    "base_ang_vel": 3,
    "projected_gravity": 3,
    "velocity_commands": 3,
    "command": 3,  # mjlab's name of velocity_commands
    "joint_pos": PER_JOINT,
    "joint_vel": PER_JOINT,
    "actions": PER_JOINT,
    "gait_clock": 2,
    "contact_clock": 3,
}
"""Size of each observation term that this library can build."""
CHOICES = {
    "action_type": ("position", "position_delta"),
    "history_order": ("newest_first", "oldest_first"),
    "history_by": ("frame", "term"),
}
"""Fields that are one of a few words."""
_EACH_JOINT = ("joint_stiffness", "joint_damping", "default_joint_pos", "action_scale", "log_std")
_EACH_JOINT_OR_NONE = ("action_offset", "target_lower", "target_upper")
_EACH_TERM = ("observation_scales", "observation_lower", "observation_upper")


def check_consistent(contract: "Contract") -> None:
    """Compare the parts of a contract with each other.

    Raises:
        ContractError: a sentence that names what is wrong.
    """
    _check_numbers(contract)
    _check_names(contract)
    _check_joints(contract)
    _check_terms(contract)
    _check_history(contract)


def _check_numbers(contract: "Contract") -> None:
    for f in fields(contract):
        value = getattr(contract, f.name)
        numbers = [v for v in (value if isinstance(value, tuple) else (value,)) if isinstance(v, float)]
        bound = f.name.endswith(("_lower", "_upper"))
        if any(math.isnan(v) or (math.isinf(v) and not bound) for v in numbers):
            raise ContractError(f"The policy's contract has a number in {f.name} that is not finite.")
    for key in ("step_dt", "action_clip", "observation_history"):
        if getattr(contract, key) <= 0:
            raise ContractError(f"The policy's {key} is {getattr(contract, key)}; it must be above 0.")
    for kind in ("observation", "target"):
        pairs = zip(getattr(contract, f"{kind}_lower"), getattr(contract, f"{kind}_upper"), strict=False)
        if any(low > high for low, high in pairs):
            raise ContractError(f"The policy's {kind}_lower is above its {kind}_upper.")


def _check_names(contract: "Contract") -> None:
    unknown = [name for name in contract.observation_names if name not in TERM_SIZES]
    if unknown:
        raise ContractError(
            f"The policy wants the observation {', '.join(unknown)}; there are {', '.join(TERM_SIZES)}."
        )
    for key, choices in CHOICES.items():
        if getattr(contract, key) not in choices:
            raise ContractError(
                f"The policy's {key} is '{getattr(contract, key)}'; there are {', '.join(choices)}."
            )
    if len(set(contract.joint_names)) != len(contract.joint_names):
        raise ContractError("The policy's contract names a joint twice.")
    if "gait_clock" in contract.observation_names and contract.gait_period <= 0:
        raise ContractError("The policy wants a gait_clock, but its contract gives no gait_period.")
    if "contact_clock" in contract.observation_names and not (contract.contact_plan and contract.gait_period):
        raise ContractError("The policy wants a contact_clock, but its contract gives no contact_plan.")
    if len(contract.contact_plan) not in (0, 3):
        raise ContractError(
            f"The policy's contract has {len(contract.contact_plan)} values in contact_plan; "
            "it is to have duration, lift-off and touch-down."
        )


def _check_joints(contract: "Contract") -> None:
    for key in (*_EACH_JOINT, *_EACH_JOINT_OR_NONE):
        count = len(getattr(contract, key))
        if count != contract.num_joints and (count or key in _EACH_JOINT):
            raise ContractError(
                f"The policy's contract has {count} values in {key} for {contract.num_joints} joints."
            )


def _check_terms(contract: "Contract") -> None:
    terms, elements = len(contract.observation_names), contract.frame_width
    for key in _EACH_TERM:
        count = len(getattr(contract, key))
        if count not in (0, terms, elements):
            raise ContractError(
                f"The policy's contract has {count} {key} for {terms} terms of {elements} elements."
            )


def _check_history(contract: "Contract") -> None:
    past, frames = contract.term_history, contract.observation_history
    if not past:
        return
    if len(past) != len(contract.observation_names) or max(past) != frames or min(past) < 1:
        raise ContractError(
            f"The policy's term_history is {', '.join(map(str, past))} for "
            f"{len(contract.observation_names)} terms of up to {frames} frames."
        )
    if contract.history_by == "frame":
        raise ContractError("The policy has a term_history, so its history_by must be 'term', not 'frame'.")
