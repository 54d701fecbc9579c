"""legged_gym's conventions: the environment's configuration, a Python file or its dump as YAML.

Source: leggedrobotics/legged_gym, ``legged_robot.py``: target = action_scale * action + default, the
action clipped before; a joint's gains are those whose key is a part of its name; the command is scaled
like the velocities that it asks for. What a class takes over from ``LeggedRobotCfg`` has its value.
"""

from collections.abc import Callable
from typing import Any

from ros2_rl.errors import ConfigError
from ros2_rl.importing.fields import Fields
from ros2_rl.importing.terms import RL_SAR, translate
from ros2_rl.policy.contract import Contract
from ros2_rl.policy.contract_checks import PER_JOINT, TERM_SIZES

DEFAULTS: dict[str, Any] = {
    "control": {"control_type": "P", "decimation": 4},
    "sim": {"dt": 0.005},
    "normalization": {
        "obs_scales": {"lin_vel": 2.0, "ang_vel": 0.25, "dof_pos": 1.0, "dof_vel": 0.05},
        "clip_observations": 100.0,
        "clip_actions": 100.0,
    },
    "policy": {"activation": "elu"},
}
"""``LeggedRobotCfg`` and ``LeggedRobotCfgPPO``, as far as they matter here."""
_SCALES = {
    "base_lin_vel": ("lin_vel",) * 3,
    "base_ang_vel": ("ang_vel",) * 3,
    "projected_gravity": ("",) * 3,
    "velocity_commands": ("lin_vel", "lin_vel", "ang_vel"),
    "joint_pos": ("dof_pos",),
    "joint_vel": ("dof_vel",),
    "actions": ("",),
}
"""Names of the scales of each term's elements; one for all of a joint's."""
_BLIND = ("ang_vel", "gravity_vec", "commands", "dof_pos", "dof_vel", "actions")


def contract(
    fields: Fields,
    joints: tuple[str, ...],
    observations: tuple[str, ...],
    accepts: Callable[[int], bool],
) -> Contract:
    """The contract of a policy.

    The order of joints is not in the file, but in the simulator's model of the robot. That of the
    observations is in the environment's code: unless they are named, the width that the network accepts
    tells whether it is the original one or that without linear velocity.

    Raises:
        ConfigError: a setting is missing, or cannot be expressed here.
    """
    if fields.text("control.control_type") != "P":
        raise ConfigError(
            f"{fields.source} controls speeds or torques (control_type); only positions are known."
        )
    names = observations or _terms(fields, len(joints), accepts)
    clip = fields.number("normalization.clip_observations")
    return Contract(
        joint_names=joints,
        joint_stiffness=fields.joint_numbers("control.stiffness", joints),
        joint_damping=fields.joint_numbers("control.damping", joints),
        default_joint_pos=fields.joint_numbers("init_state.default_joint_angles", joints),
        observation_names=names,
        command_names=("vx", "vy", "wz"),
        action_scale=_action_scale(fields, joints),
        observation_scales=tuple(s for name in names for s in _scales(fields, name, len(joints))),
        observation_lower=(-clip,) * len(names),
        observation_upper=(clip,) * len(names),
        step_dt=fields.number("sim.dt") * fields.number("control.decimation"),
        action_clip=fields.number("normalization.clip_actions"),
    )


def _terms(fields: Fields, joints: int, accepts: Callable[[int], bool]) -> tuple[str, ...]:
    for terms in (("lin_vel", *_BLIND), _BLIND):
        if accepts(3 * terms.index("dof_pos") + 3 * joints):
            return translate(terms, RL_SAR, fields.source)
    raise ConfigError(
        f"The network sees neither {9 + 3 * joints} nor {12 + 3 * joints} numbers as legged_gym's own do; "
        "name the observations in their order with --observations."
    )


def _scales(fields: Fields, name: str, joints: int) -> tuple[float, ...]:
    """One factor an element of the term."""
    if name not in _SCALES:
        raise ConfigError(f"legged_gym shows no {name}; --observations may name {', '.join(_SCALES)}.")
    factors = [fields.number(f"normalization.obs_scales.{key}") if key else 1.0 for key in _SCALES[name]]
    return tuple(factors if TERM_SIZES[name] != PER_JOINT else factors * joints)


def _action_scale(fields: Fields, joints: tuple[str, ...]) -> tuple[float, ...]:
    """legged_gym's descendants let the hips move less."""
    scale, less = fields.number("control.action_scale"), 1.0
    for key in ("control.hip_reduction", "control.hip_scale_reduction"):
        less = fields.number(key) if fields.has(key) else less
    return tuple(scale * (less if "hip" in joint else 1.0) for joint in joints)
