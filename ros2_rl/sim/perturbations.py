"""What makes the simulated robot differ from the nominal one: the reality gap, and sensor noise."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator
from pydantic.fields import FieldInfo

from ros2_rl.errors import ConfigError
from ros2_rl.paths import available, share_path
from ros2_rl.robots import RobotDescription

LEGS = ("FL", "FR", "RL", "RR")
AXES = ("x", "y", "z")


class SensorNoise(BaseModel):
    """Standard deviations of white noise, per sample; biases are constant."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)
    gyro: float = Field(default=0.02, ge=0, le=1, description="rad/s")
    accel: float = Field(default=0.15, ge=0, le=5, description="m/s²")
    orientation: float = Field(default=0.005, ge=0, le=0.2, description="rad")
    q: float = Field(default=0.002, ge=0, le=0.1, description="rad")
    dq: float = Field(default=0.15, ge=0, le=5, description="rad/s")
    tau: float = Field(default=0.1, ge=0, le=5, description="N·m")
    foot_force: float = Field(default=3.0, ge=0, le=50, description="N")
    accel_bias: float = Field(default=0.05, ge=-1, le=1, description="m/s², on every axis")
    gyro_bias: float = Field(default=0.0, ge=-0.5, le=0.5, description="rad/s, on every axis")
    q_bias: float = Field(default=0.0, ge=-0.2, le=0.2, description="rad, on every joint")


class Perturbations(BaseModel):
    """One reality gap; the defaults are the nominal robot with its normal sensor noise."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)
    actuation_delay_ms: float = Field(default=0.0, ge=0, le=100, description="command to torque, ms")
    leg_strength: dict[str, float] = Field(default_factory=dict, description="factor on a leg's torque")
    gain_scale: float = Field(default=1.0, gt=0, le=2, description="factor on all PD gains")
    payload_kg: float = Field(default=0.0, ge=0, le=10, description="mass on the trunk, kg")
    payload_offset: tuple[float, float, float] = Field(
        default=(0.0, 0.0, 0.06), description="where the payload sits in the base frame, m"
    )
    friction: float = Field(default=0.8, gt=0, le=3, description="sliding friction, feet and floor")
    terrain_roughness_m: float = Field(default=0.0, ge=0, le=0.2, description="height of bumps, m")
    message_loss: float = Field(default=0.0, ge=0, lt=1, description="share of lost state samples")
    battery_share: float = Field(default=1.0, ge=0, le=1, description="charge of the battery")
    motor_temperature_c: float = Field(default=40.0, ge=-20, le=150, description="of all motors, deg C")
    noise: SensorNoise = Field(default_factory=SensorNoise)

    @field_validator("leg_strength")
    @classmethod
    def _known_legs(cls, legs: dict[str, float]) -> dict[str, float]:
        unknown = sorted(set(legs) - set(LEGS))
        if unknown:
            raise ValueError(f"unknown leg {', '.join(unknown)}; there are {', '.join(LEGS)}")
        if not all(0 <= value <= 2 for value in legs.values()):
            raise ValueError("a leg's strength lies between 0 and 2")
        return legs


def nominal(robot: RobotDescription) -> Perturbations:
    """The robot as it is described, with its own sensors' noise."""
    return Perturbations(noise=SensorNoise(**robot.noise))


@dataclass(frozen=True)
class Setting:
    """One number of a gap, as a parameter of a node: ``leg_strength_FL``, ``noise_gyro``..."""

    name: str
    low: float
    high: float
    description: str


def settings() -> list[Setting]:
    """All numbers of a gap, flat; a vector's elements end in ``_x``, ``_y``, ``_z``."""
    found = []
    for name, field in Perturbations.model_fields.items():
        text = str(field.description)
        if name == "leg_strength":
            found += [Setting(f"{name}_{leg}", 0.0, 2.0, text) for leg in LEGS]
        elif name == "payload_offset":
            found += [Setting(f"{name}_{axis}", -1.0, 1.0, text) for axis in AXES]
        elif name == "noise":
            found += [_setting(f"noise_{key}", sub) for key, sub in SensorNoise.model_fields.items()]
        else:
            found.append(_setting(name, field))
    return found


def flatten(gap: Perturbations) -> dict[str, float]:
    """The values of all :func:`settings`."""
    values: dict[str, float] = {}
    for name, value in gap:
        if name == "leg_strength":
            values |= {f"{name}_{leg}": value.get(leg, 1.0) for leg in LEGS}
        elif name == "payload_offset":
            values |= {f"{name}_{axis}": v for axis, v in zip(AXES, value, strict=True)}
        elif name == "noise":
            values |= {f"noise_{key}": v for key, v in value}
        else:
            values[name] = value
    return values


def unflatten(values: dict[str, float]) -> Perturbations:
    """Inverse of :func:`flatten`.

    Raises:
        ValueError: a value is out of its range.
    """
    gap: dict[str, Any] = {}
    for name in Perturbations.model_fields:
        if name == "leg_strength":
            legs = {leg: values[f"{name}_{leg}"] for leg in LEGS}
            gap[name] = {leg: value for leg, value in legs.items() if value != 1.0}
        elif name == "payload_offset":
            gap[name] = tuple(values[f"{name}_{axis}"] for axis in AXES)
        elif name == "noise":
            gap[name] = {key: values[f"noise_{key}"] for key in SensorNoise.model_fields}
        else:
            gap[name] = values[name]
    return Perturbations(**gap)


def _setting(name: str, field: FieldInfo) -> Setting:
    """Bounds of a number, as its pydantic field has them."""
    bounds = {}
    for mark in field.metadata:
        for key in ("ge", "gt", "le", "lt"):
            if hasattr(mark, key):
                bounds[key[0]] = float(getattr(mark, key))
    return Setting(name, bounds["g"], bounds["l"], str(field.description))


def load_gap(name: str, robot: RobotDescription | None = None) -> Perturbations:
    """Read ``config/gaps/<name>.yaml``; noise of which it says nothing is that of ``robot``.

    Raises:
        ConfigError: there is no such gap, or its file has an unknown or wrong entry.
    """
    path = share_path("config", "gaps", f"{name}.yaml")
    if not path.is_file():
        raise ConfigError(f"There is no gap '{name}'; available: {available('config/gaps')}.")
    return read_gap(path, {} if robot is None else robot.noise)


def read_gap(path: Path, noise: Mapping[str, float] | None = None) -> Perturbations:
    """Read a gap file; see :func:`load_gap`."""
    try:
        data = yaml.safe_load(path.read_text()) or {}
        return Perturbations(**{**data, "noise": {**(noise or {}), **data.get("noise", {})}})
    except ValidationError as error:
        raise ConfigError(f"The gap file {path.name} is wrong: {explain(error)}.") from error
    except (TypeError, AttributeError, yaml.YAMLError) as error:
        raise ConfigError(f"The gap file {path.name} is not a YAML mapping; see default.yaml.") from error


def explain(error: ValidationError) -> str:
    """The first fault of a perturbation: its key, what is wrong, and what is allowed."""
    first = error.errors()[0]
    key = ".".join(map(str, first["loc"]))
    if first["type"] != "extra_forbidden":
        return f"'{key}' is {first['input']!r}; {first['msg'].removeprefix('Value error, ')}"
    model = SensorNoise if first["loc"][0] == "noise" else Perturbations
    return f"'{key}' is unknown; allowed are {', '.join(model.model_fields)}"
