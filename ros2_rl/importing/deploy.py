"""unitree_rl_lab's conventions: ``params/deploy.yaml`` beside an ONNX file.

Source: unitreerobotics/unitree_rl_lab, ``utils/export_deploy_cfg.py`` and ``deploy/include/isaaclab``:
joint i of the policy is motor ``joint_ids_map[i]``; ``stiffness`` and ``damping`` are in motor order, all
else in the policy's. A term is clipped, then scaled (``scale_first``: the other way round), and stands
with its past, the oldest first, before the next term; with ``use_gym_history`` one frame stands before
the next. Targets are clipped after scale and offset; the last action is the network's own.
"""

from typing import Any

from ros2_rl.errors import ConfigError
from ros2_rl.importing.fields import Fields
from ros2_rl.importing.terms import ISAAC_LAB, translate
from ros2_rl.policy.contract import Contract
from ros2_rl.policy.contract_checks import PER_JOINT, TERM_SIZES
from ros2_rl.unitree.codec import SDK_JOINTS

_INFINITY = float("inf")


def contract(fields: Fields, motors: tuple[str, ...] = SDK_JOINTS) -> Contract:
    """The contract of a policy.

    Raises:
        ConfigError: a setting is missing, or cannot be expressed here.
    """
    order = _order(fields, motors)
    joints, count = tuple(motors[i] for i in order), len(motors)
    action = _action(fields)
    lower, upper = _target_bounds(action, count)
    return Contract(
        joint_names=joints,
        joint_stiffness=_by_joint(fields, "stiffness", order),
        joint_damping=_by_joint(fields, "damping", order),
        default_joint_pos=fields.numbers("default_joint_pos", count),
        action_scale=action.numbers("scale", count),
        action_offset=action.numbers("offset", count),
        target_lower=lower,
        target_upper=upper,
        command_names=("vx", "vy", "wz"),
        step_dt=fields.number("step_dt"),
        action_clip=_INFINITY,
        **_observations(fields, count),
    )


def _order(fields: Fields, motors: tuple[str, ...]) -> tuple[int, ...]:
    order = fields.integers("joint_ids_map")
    if sorted(order) != list(range(len(motors))):
        raise ConfigError(
            f"{fields.source} has a joint_ids_map that does not name each of the {len(motors)} motors once; "
            "is it that of another robot?"
        )
    return order


def _by_joint(fields: Fields, path: str, order: tuple[int, ...]) -> tuple[float, ...]:
    values = fields.numbers(path, len(order))
    return tuple(values[i] for i in order)


def _action(fields: Fields) -> Fields:
    names = list(fields.table("actions"))
    if names != ["JointPositionAction"]:
        raise ConfigError(
            f"{fields.source} has the actions {', '.join(map(str, names)) or 'none'}; "
            "only JointPositionAction is known."
        )
    action = fields.below("actions.JointPositionAction")
    if action.has("joint_ids"):
        raise ConfigError(
            f"{fields.source} moves some of the joints only (joint_ids); a policy here moves all."
        )
    return action


def _target_bounds(action: Fields, joints: int) -> tuple[tuple[float, ...], tuple[float, ...]]:
    if not action.has("clip"):
        return (), ()
    pairs = action.values["clip"]
    if not isinstance(pairs, list | tuple) or len(pairs) != joints:
        raise ConfigError(
            f"{action.source} has a clip that is not a pair of numbers for each joint; mend it."
        )
    rows = [Fields(action.source, {"clip": pair}).numbers("clip", 2) for pair in pairs]
    return tuple(row[0] for row in rows), tuple(row[1] for row in rows)


def _observations(fields: Fields, joints: int) -> dict[str, Any]:
    """The contract's fields about observations."""
    group = _group(fields)
    scale_first = group.values.get("scale_first", False)
    by_frame = group.values.get("use_gym_history", False)
    terms = {k: group.below(k) for k, v in group.values.items() if isinstance(v, dict)}
    names = translate(terms, ISAAC_LAB, fields.source)
    scales: list[float] = []
    lower: list[float] = []
    upper: list[float] = []
    for name, term in zip(names, terms.values(), strict=True):
        size = joints if TERM_SIZES[name] == PER_JOINT else TERM_SIZES[name]
        factors = term.numbers("scale", size) if term.has("scale") else (1.0,) * size
        low, high = term.numbers("clip", 2) if term.has("clip") else (-_INFINITY, _INFINITY)
        scales += factors
        for factor in factors:
            ends = (low, high) if scale_first else sorted((_times(low, factor), _times(high, factor)))
            lower.append(ends[0])
            upper.append(ends[1])
    return {
        "observation_names": names,
        "observation_scales": tuple(scales),
        "observation_lower": tuple(lower),
        "observation_upper": tuple(upper),
        **_history([term.integer("history_length", 1) for term in terms.values()], bool(by_frame)),
        **_clock(terms),
    }


def _group(fields: Fields) -> Fields:
    """The terms, which newer files put into a named group."""
    group = fields.below("observations")
    tables = {k: v for k, v in group.values.items() if isinstance(v, dict)}
    if not tables:
        raise ConfigError(f"{fields.source} names no observations; export it again.")
    if all(any(isinstance(inner, dict) and "history_length" in inner for inner in table.values())
           for table in tables.values()):  # fmt: skip
        if len(tables) > 1:
            raise ConfigError(
                f"{fields.source} has the observation groups {', '.join(tables)}; "
                "only networks with one input are known."
            )
        return group.below(next(iter(tables)))
    return group


def _times(bound: float, factor: float) -> float:
    return bound * factor if factor else 0.0


def _history(lengths: list[int], by_frame: bool) -> dict[str, Any]:
    history: dict[str, Any] = {
        "observation_history": max(lengths),
        "history_order": "oldest_first",
        "history_by": "frame" if by_frame else "term",
    }
    return history if len(set(lengths)) == 1 else history | {"term_history": tuple(lengths)}


def _clock(terms: dict[str, Fields]) -> dict[str, float]:
    """The gait phase runs on while the robot stands."""
    if "gait_phase" not in terms:
        return {}
    return {"gait_period": terms["gait_phase"].number("params.period"), "stand_below": 0.0}
