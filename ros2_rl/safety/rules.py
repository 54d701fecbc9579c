"""What the entries of ``guards`` in ``config/safety/<robot>.yaml`` hold: keys, units, ranges."""

from typing import Annotated, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from ros2_rl.safety.reaction import Reaction

_REACTIONS = [reaction.name for reaction in Reaction if reaction]


class Section(BaseModel):
    """Settings of which each is known and none is forgotten."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


def _reaction(name: object) -> Reaction:
    if name not in _REACTIONS:
        raise ValueError(f"a reaction is one of {', '.join(_REACTIONS)}")
    return Reaction[str(name)]


class Settings(Section):
    """What every guard has."""

    after_s: float = Field(ge=0, le=10, description="it trips once seen for so long without a break, s")
    release_s: float = Field(ge=0, le=600, description="and is released once not seen for so long, s")
    reaction: Annotated[Reaction, BeforeValidator(_reaction)]


class TiltRule(Settings):
    limit_deg: float = Field(ge=10, le=45, description="tilt of the base above, deg")


class PredictedTiltRule(Settings):
    limit_deg: float = Field(ge=15, le=80, description="predicted tilt above, deg")
    lookahead_s: float = Field(ge=0, le=0.5, description="how far the tilt is predicted, s")


class HeightRule(Settings):
    limit_m: float = Field(ge=0.02, le=1, description="base above the lowest foot less than, m")


class MarginRule(Settings):
    beyond: float = Field(ge=0.05, le=1, description="reading outside the joint's limits by more than, rad")


class ShareRule(Settings):
    share: float = Field(ge=0.5, le=10, description="reading above this multiple of the joint's limit")


class TemperatureRule(Settings):
    limit_c: float = Field(ge=30, le=150, description="temperature of a motor above, deg C")


class DriveRule(Settings):
    asked_nm: float = Field(gt=0, le=50, description="mean size of the commanded torque above, N·m")
    share: float = Field(gt=0, le=1, description="mean size of the torque below this share of it")
    mean_s: float = Field(ge=0.05, le=5, description="time constant of both means, s")


class ImuRangeRule(Settings):
    gyro: float = Field(ge=1, le=100, description="angular velocity above, rad/s")
    accel: float = Field(ge=15, le=1000, description="specific force above, m/s²")


class FrozenJointRule(Settings):
    moved_rad: float = Field(gt=0, le=1, description="a frozen joint's command has moved by more than, rad")


class MeanRule(Settings):
    limit: float = Field(gt=0, le=20, description="leaky sum above; its unit is that of the sum")
    mean_s: float = Field(ge=0.05, le=10, description="time constant of the sum, s")


class EstimateRule(Settings):
    age_s: float = Field(ge=0.02, le=5, description="age of the estimate above, s")
    speed: float = Field(ge=0.5, le=20, description="estimated speed above, m/s")
    speed_std: float = Field(ge=0.05, le=20, description="its standard deviation above, m/s")


class StampRule(Settings):
    gap_s: float = Field(ge=0.005, le=1, description="longest step from one stamp to the next, s")


class LossRule(Settings):
    share: float = Field(gt=0, lt=1, description="lost share above")
    mean_s: float = Field(ge=0.05, le=10, description="time constant of its mean, s")


class TicksRule(Settings):
    ticks: int = Field(ge=1, le=50, description="age above, policy ticks")


class AgeRule(Settings):
    age_s: float = Field(ge=0.02, le=60, description="age above, s")


class JumpRule(Settings):
    limit_rad: float = Field(gt=0, le=10, description="move of a target within a control step above, rad")


class AdapterRule(Settings):
    overrides: int = Field(ge=1, le=100, description="overrides under one adapter within the window")
    falls: int = Field(ge=1, le=100, description="falls under one adapter within the window")
    window_s: float = Field(ge=1, le=3600, description="length of the window, s")


class BatteryRule(Settings):
    share: float = Field(ge=0, le=1, description="charge below, 0 to 1")
    volts: float = Field(ge=0, le=100, description="voltage below, V")


class WorkspaceRule(Settings):
    low: tuple[float, float, float] = Field(description="lowest x, y, z of the tool, m, frame of the base")
    high: tuple[float, float, float] = Field(description="highest x, y, z of the tool, m")
    clear_m: float = Field(ge=0, le=1, description="no joint beyond the shoulder comes lower than, m")
    beyond_m: float = Field(ge=0.001, le=0.2, description="the measured tool outside the box by more than, m")

    @model_validator(mode="after")
    def _not_inside_out(self) -> Self:
        if any(low >= high for low, high in zip(self.low, self.high, strict=True)):
            raise ValueError("low must be below high")
        return self


class ForceRule(Settings):
    limit_n: float = Field(gt=0, le=500, description="estimated force on the tool above, N")


class SilenceRule(Section):
    """A guard of the node's own watchdogs, which know wall time only."""

    after_s: float = Field(ge=0.005, le=60, description="nothing heard for so long, wall time, s")
    reaction: Annotated[Reaction, BeforeValidator(_reaction)]


class RivalRule(Section):
    """Another writer of commands: seen when the middleware has found it."""

    reaction: Annotated[Reaction, BeforeValidator(_reaction)]


class GuardRules(Section):
    """All guards, by the names that the YAML file gives them; None where a robot cannot have one."""

    finite: Settings
    stamp: StampRule
    state_gap: StampRule
    long_state_gap: StampRule | None = None
    tilt: TiltRule | None = None
    predicted_tilt: PredictedTiltRule | None = None
    base_height: HeightRule | None = None
    joint_position: MarginRule
    joint_speed: ShareRule
    joint_speed_fault: ShareRule
    joint_torque_fault: ShareRule
    joint_load: ShareRule
    drive: DriveRule
    temperature: TemperatureRule
    imu_range: ImuRangeRule | None = None
    frozen_imu: Settings | None = None
    frozen_joint: FrozenJointRule
    imu_orientation: MeanRule | None = None
    imu_against_legs: MeanRule | None = None
    estimate: EstimateRule | None = None
    lost_states: LossRule
    target_age: TicksRule
    lost_ticks: LossRule
    target_jump: JumpRule
    command_age: AgeRule | None = None
    adapter: AdapterRule
    battery: BatteryRule | None = None
    state_silence: SilenceRule
    lasting_state_silence: SilenceRule
    learner_silence: SilenceRule
    second_writer: RivalRule
    workspace: WorkspaceRule | None = None
    contact_force: ForceRule | None = None
