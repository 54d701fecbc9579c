"""rl_sar's conventions: ``config.yaml`` of a policy over ``base.yaml`` of the robot.

Source: fan-ziqi/rl_sar, ``library/core/rl_sdk/rl_sdk.cpp`` (ComputeObservation, ComputeOutput) and
``observation_buffer.cpp``: each term is scaled, the frame is clipped, the action is clipped and then
shown to the next observation, target = action * action_scale + default_dof_pos. Joint i of the
policy is number ``joint_mapping[i]`` of ``joint_names``. In the history, 0 is the newest frame.
"""

from typing import Any

from ros2_rl.errors import ConfigError
from ros2_rl.importing.fields import Fields
from ros2_rl.importing.terms import RL_SAR, translate
from ros2_rl.policy.contract import Contract

_SCALES = {"lin_vel": 3, "ang_vel": 3, "dof_pos": 0, "dof_vel": 0}
"""Terms with a scale of their own, and their sizes; 0: one a joint."""


def contract(fields: Fields) -> Contract:
    """The contract of a policy, from both files as one.

    Raises:
        ConfigError: a setting is missing, or cannot be expressed here.
    """
    joints = _joints(fields)
    count = len(joints)
    if not fields.empty("wheel_indices"):
        raise ConfigError(
            f"{fields.source} has wheel_indices: wheels take speeds, and only positions are sent."
        )
    terms = fields.names("observations")
    return Contract(
        joint_names=joints,
        joint_stiffness=fields.numbers("rl_kp", count),
        joint_damping=fields.numbers("rl_kd", count),
        default_joint_pos=fields.numbers("default_dof_pos", count),
        observation_names=translate(terms, RL_SAR, fields.source),
        command_names=("vx", "vy", "wz"),
        action_scale=fields.numbers("action_scale", count),
        observation_scales=tuple(s for term in terms for s in _scales(fields, term, count)),
        observation_lower=_bounds(fields, len(terms), -1.0),
        observation_upper=_bounds(fields, len(terms), 1.0),
        step_dt=fields.number("dt") * fields.number("decimation"),
        action_clip=_action_clip(fields, count),
        **_history(fields),
    )


def _joints(fields: Fields) -> tuple[str, ...]:
    if not fields.has("joint_names"):
        raise ConfigError(
            f"{fields.source} lacks joint_names, which stand in rl_sar's base.yaml; put that file beside it, "
            "one folder up, or name the joints with --joints."
        )
    names = fields.names("joint_names")
    mapping = fields.integers("joint_mapping") if fields.has("joint_mapping") else tuple(range(len(names)))
    if sorted(mapping) != list(range(len(names))):
        raise ConfigError(
            f"{fields.source} has a joint_mapping that does not name each of the {len(names)} joints once; "
            "mend it."
        )
    return tuple(names[i] for i in mapping)


def _scales(fields: Fields, term: str, joints: int) -> tuple[float, ...]:
    """One factor an element of the term."""
    if term == "commands":
        return fields.numbers("commands_scale", 3)
    if term in _SCALES:
        return (fields.number(f"{term}_scale"),) * (_SCALES[term] or joints)
    return (1.0,) * (3 if term == "gravity_vec" else joints)


def _bounds(fields: Fields, terms: int, sign: float) -> tuple[float, ...]:
    return (sign * fields.number("clip_obs"),) * terms if fields.has("clip_obs") else ()


def _action_clip(fields: Fields, joints: int) -> float:
    """The bound of all actions; infinite where there is none."""
    ends: list[float] = []
    for end in ("lower", "upper"):
        path = f"clip_actions_{end}"
        if fields.empty(path):
            return float("inf")
        ends += fields.numbers(path, joints)
    if len({abs(end) for end in ends}) > 1 or max(ends[:joints]) > 0.0:
        raise ConfigError(
            f"{fields.source} clips actions by other bounds at each joint; "
            "only one bound, plus and minus, is known."
        )
    return ends[-1]


def _history(fields: Fields) -> dict[str, Any]:
    ages = list(fields.integers("observations_history")) if fields.has("observations_history") else []
    if not ages:
        return {}
    newest_first = list(range(len(ages)))
    if ages not in (newest_first, newest_first[::-1]):
        raise ConfigError(
            f"{fields.source} looks back to the frames {ages}; "
            "only neighbouring frames, 0 the newest, are known."
        )
    by = (
        fields.text("observations_history_priority")
        if fields.has("observations_history_priority")
        else "time"
    )
    if by not in ("time", "term"):
        raise ConfigError(f"{fields.source} has '{by}' in observations_history_priority; it is time or term.")
    return {
        "observation_history": len(ages),
        "history_order": "newest_first" if ages == newest_first else "oldest_first",
        "history_by": "frame" if by == "time" else "term",
    }
