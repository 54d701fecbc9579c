"""Thresholds of the supervisor, read from ``config/safety/<robot>.yaml``.

Every number has its unit in its name or description, a range, and in the YAML file one line
of why; those of the guards are in ``rules.py``. A number out of its range or a key that nobody
reads is refused at start.
"""

from typing import Literal

import yaml
from pydantic import Field, ValidationError

from ros2_rl.errors import ConfigError
from ros2_rl.paths import available, share_path
from ros2_rl.robots import RobotDescription, load_robot
from ros2_rl.safety.rules import GuardRules, Section


class HandBackConfig(Section):
    """When a robot counts as standing, so that a policy may have it."""

    tilt_deg: float = Field(ge=1, le=25, description="tilt below, deg")
    ang_vel: float = Field(gt=0, le=5, description="angular speed of the base below, rad/s")
    joint_speed: float = Field(gt=0, le=20, description="speed of every joint below, rad/s")
    joint_error: float = Field(gt=0, le=1.5, description="every joint this near to the stand pose, rad")
    hold_s: float = Field(ge=0, le=5, description="all of it for so long, s")
    lead_s: float = Field(ge=0, le=1, description="announced this long before it happens, s")


class JointConfig(Section):
    """Limits of joint commands."""

    target_margin: float = Field(ge=0, le=0.2, description="targets stay this far inside the limits, rad")
    target_rate: float = Field(ge=0.1, le=500, description="fastest move of a target, rad/s")
    torque_share: float = Field(gt=0, le=1, description="predicted torque, share of the joint's limit")


class ResidualConfig(Section):
    """How far what is learned beside a policy may go."""

    limit_deg: float = Field(ge=0, le=45, description="largest change of a joint target, deg; 0: none")


class StandConfig(Section):
    """How the robot is brought to the stand pose by position."""

    fold_s: float = Field(ge=0.2, le=5, description="from any pose to the folded one, s")
    stand_s: float = Field(ge=0.2, le=5, description="from the present pose to standing, s")
    brace_s: float = Field(ge=0.05, le=5, description="out of a gait to standing, s")
    direct_error: float = Field(gt=0, le=3, description="no folding when joints are this near, rad")
    lie_down_after_s: float = Field(ge=0, le=60, description="standing without targets, s")


class RecoveryConfig(Section):
    """Attempts to get up again, in order; after the last one the robot is left damped."""

    attempts: tuple[Literal["learned", "scripted"], ...] = Field(min_length=1, max_length=10)
    learned_s: float = Field(gt=0, le=60, description="longest learned attempt, s")
    scripted_s: float = Field(gt=0, le=60, description="longest scripted attempt, s")
    settle_s: float = Field(ge=0, le=10, description="upright and calm but not standing, s")
    roll_deg: float = Field(
        ge=60, le=180, description="tilt beyond which the robot is rolled over first, deg"
    )
    roll_pause_s: float = Field(ge=0, le=10, description="shortest time between two rolls, s")
    fall_deg: float = Field(ge=45, le=120, description="tilt that counts as a fall, deg")
    trunk_m: float = Field(ge=0, le=1, description="base above the lowest foot, trunk on the ground, m")


class AutostartConfig(Section):
    """Stamps at which a robot without an operator stands up and starts its policy."""

    stand_s: float = Field(ge=0, le=60, description="stamp of standing up, s")
    policy_s: float = Field(ge=0, le=120, description="earliest stamp of the policy, s")


class SafetyConfig(Section):
    """All thresholds of one robot's supervisor."""

    guards: GuardRules
    hand_back: HandBackConfig
    joints: JointConfig
    residual: ResidualConfig
    stand: StandConfig
    recovery: RecoveryConfig
    autostart: AutostartConfig

    def with_guard(self, name: str, **settings: float) -> "SafetyConfig":
        """The same with other settings of one guard, unchecked; for experiments and tests."""
        rule = getattr(self.guards, name).model_copy(update=settings)
        return self.model_copy(update={"guards": self.guards.model_copy(update={name: rule})})


_OF_LEGS = (
    "tilt", "predicted_tilt", "base_height", "imu_range", "frozen_imu", "imu_orientation", "imu_against_legs",
    "estimate", "command_age", "battery", "long_state_gap",
)  # fmt: skip
_OF_ARMS = ("workspace", "contact_force")


def load_safety(robot: str) -> SafetyConfig:
    """Read ``config/safety/<robot>.yaml``.

    Raises:
        ConfigError: there is no such file, or a number in it is missing, unknown or out of range.
    """
    path = share_path("config", "safety", f"{robot}.yaml")
    if not path.is_file():
        raise ConfigError(
            f"There are no safety limits for the robot '{robot}'; available: {available('config/safety')}."
        )
    source = f"config/safety/{path.name}"
    config = parse_safety(path.read_text(), source)
    _check_complete(config.guards, load_robot(robot), source)
    return config


def _check_complete(guards: GuardRules, robot: RobotDescription, source: str) -> None:
    """No guard is left out that the robot can have.

    Raises:
        ConfigError: one is.
    """
    needed = (_OF_LEGS if robot.floating else ()) + (_OF_ARMS if robot.tool else ())
    missing = [name for name in needed if getattr(guards, name) is None]
    if missing:
        raise ConfigError(f"{source}: guards.{missing[0]}: Field required; mend the file.")


def parse_safety(text: str, source: str) -> SafetyConfig:
    """The configuration in a YAML text; ``source`` names it in errors.

    Raises:
        ConfigError: the text is no YAML, or a number in it is missing, unknown or out of range.
    """
    try:
        return SafetyConfig.model_validate(yaml.safe_load(text))
    except yaml.YAMLError as error:
        raise ConfigError(f"{source} is not valid YAML: {str(error).splitlines()[0]}; mend it.") from None
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "the file"
        raise ConfigError(f"{source}: {where}: {first['msg']}; mend the file.") from None
