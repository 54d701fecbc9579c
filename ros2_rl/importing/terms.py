"""Names that other stacks give to the observation terms that this library can build."""

from collections.abc import Iterable

from ros2_rl.errors import ConfigError

RL_SAR = {
    "lin_vel": "base_lin_vel",
    "ang_vel": "base_ang_vel",
    "gravity_vec": "projected_gravity",
    "commands": "velocity_commands",
    "dof_pos": "joint_pos",
    "dof_vel": "joint_vel",
    "actions": "actions",
}
"""legged_gym's own words; angular velocity is that of the body."""
ISAAC_LAB = {
    "base_lin_vel": "base_lin_vel",
    "base_ang_vel": "base_ang_vel",
    "projected_gravity": "projected_gravity",
    "velocity_commands": "velocity_commands",
    "command": "velocity_commands",
    "joint_pos_rel": "joint_pos",
    "joint_vel_rel": "joint_vel",
    "last_action": "actions",
    "gait_phase": "gait_clock",
}
MJLAB = ISAAC_LAB | {"joint_pos": "joint_pos", "joint_vel": "joint_vel", "actions": "actions"}
"""Here ``joint_pos`` is relative to the default pose; in a deploy.yaml it would be absolute."""


def translate(names: Iterable[str], table: dict[str, str], source: str) -> tuple[str, ...]:
    """Our names of the terms.

    Raises:
        ConfigError: a term that cannot be built here.
    """
    names = list(names)
    unknown = [name for name in names if name not in table]
    if unknown:
        raise ConfigError(
            f"{source} wants the observation {', '.join(unknown)}, which cannot be built here; "
            f"known are {', '.join(table)}."
        )
    return tuple(table[name] for name in names)
