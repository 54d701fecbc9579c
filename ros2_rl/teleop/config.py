"""Which axis, button or key means what, read from ``config/teleop/<name>.yaml``."""

from typing import Annotated, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from ros2_rl.errors import ConfigError
from ros2_rl.paths import available, share_path

REQUESTS = {
    "take_over": "supervisor/take_over",
    "give_back": "supervisor/give_back",
    "success": "learner/judge_success",
    "failure": "learner/judge_failure",
    "not_good": "learner/judge_not_good",
    "stop": "supervisor/estop",
}
"""What a person can ask for with a button, and the service (std_srvs/Trigger) that does it."""
VELOCITIES = ("vx", "vy", "vz", "wz")
"""What axes and keys can mean: m/s along x, y and z, and rad/s about z."""
Request = Literal["take_over", "give_back", "success", "failure", "not_good", "stop"]


class _Settings(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Axis(_Settings):
    """One axis of a pad."""

    axis: int = Field(ge=0, le=31, description="index in sensor_msgs/Joy")
    full: float = Field(ge=-3, le=3, description="velocity at full deflection, m/s or rad/s")


class PadConfig(_Settings):
    """A gamepad or a remote that comes as sensor_msgs/Joy; an arm's tool has vz, a body with legs has wz."""

    vx: Axis
    vy: Axis
    vz: Axis | None = None
    wz: Axis | None = None
    deadzone: float = Field(0.08, ge=0, lt=1, description="share of full deflection that counts as zero")
    deadman: int = Field(ge=0, le=63, description="button that must be held for velocities")
    buttons: dict[Request, Annotated[int, Field(ge=0, le=63)]]

    @property
    def axes(self) -> dict[str, Axis]:
        """Those that mean a velocity, by its name."""
        named = {name: getattr(self, name) for name in VELOCITIES}
        return {name: axis for name, axis in named.items() if axis is not None}

    @model_validator(mode="after")
    def _one_meaning_each(self) -> "PadConfig":
        used = [self.deadman, *self.buttons.values()]
        if len(set(used)) < len(used):
            raise ValueError("a button has two meanings")
        if "stop" not in self.buttons:
            raise ValueError("no button means stop")
        return self


class Keys(_Settings):
    """Two keys of one velocity."""

    more: str = Field(min_length=1, max_length=1)
    less: str = Field(min_length=1, max_length=1)
    full: float = Field(gt=0, le=3, description="velocity while a key is held, m/s or rad/s")


class KeyboardConfig(_Settings):
    """A terminal's keyboard; an arm's tool has vz, a body with legs has wz."""

    vx: Keys
    vy: Keys
    vz: Keys | None = None
    wz: Keys | None = None
    hold_s: float = Field(0.6, gt=0, le=2, description="a key counts as held for this long, s")
    keys: dict[Request, Annotated[str, Field(min_length=1, max_length=1)]]

    @property
    def pairs(self) -> dict[str, Keys]:
        """Those that mean a velocity, by its name."""
        named = {name: getattr(self, name) for name in VELOCITIES}
        return {name: pair for name, pair in named.items() if pair is not None}

    @property
    def help(self) -> str:
        """Which key does what, in a line."""
        moves = [f"{pair.more}/{pair.less} {name}" for name, pair in self.pairs.items()]
        asks = [f"{'space' if k == ' ' else k} {name.replace('_', ' ')}" for name, k in self.keys.items()]
        return ", ".join(moves) + "; " + ", ".join(asks) + "; Ctrl-C ends"

    @model_validator(mode="after")
    def _one_meaning_each(self) -> "KeyboardConfig":
        used = [key for pair in self.pairs.values() for key in (pair.more, pair.less)]
        used += self.keys.values()
        if len(set(used)) < len(used):
            raise ValueError("a key has two meanings")
        if "stop" not in self.keys:
            raise ValueError("no key means stop")
        return self


def load_teleop(name: str) -> PadConfig | KeyboardConfig:
    """Read ``config/teleop/<name>.yaml``; the one with ``keys`` is a keyboard.

    Raises:
        ConfigError: no such file, or a setting that is unknown or wrong.
    """
    path = share_path("config", "teleop", f"{name}.yaml")
    if not path.is_file():
        raise ConfigError(f"There is no teleop '{name}'; available: {available('config/teleop')}.")
    try:
        data = yaml.safe_load(path.read_text())
        if isinstance(data, dict) and "keys" in data:
            return KeyboardConfig.model_validate(data)
        return PadConfig.model_validate(data)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or "file"
        raise ConfigError(f"The teleop file {path.name} is wrong: {where}: {first['msg']}.") from error
    except yaml.YAMLError as error:
        raise ConfigError(f"The teleop file {path.name} is not YAML; correct it.") from error
