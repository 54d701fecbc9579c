"""The learner's settings, read from ``config/learners/<name>.yaml``."""

from typing import Any, Literal, Self, TypeVar

import yaml
from pydantic import Field, ValidationError, model_validator

from ros2_rl.errors import ConfigError
from ros2_rl.learning.sac.config import OffPolicyConfig
from ros2_rl.learning.sac.rlpd_config import RlpdConfig
from ros2_rl.learning.settings import FileSettings, LearnerSettings
from ros2_rl.paths import available, share_path
from ros2_rl.policy.adapter import LOG_STD_RANGE
from ros2_rl.tasks.loading import line_of

_LOW, _HIGH = LOG_STD_RANGE


class SlowRLConfig(LearnerSettings):
    """SLowRL: PPO on low-rank adapters of actor and critic and on the exploration noise."""

    # What learns, and how
    algorithm: Literal["ppo", "vaco", "rsl_rl"] = Field(
        "ppo",
        description="ppo: clipped ratios; vaco: V-trace and a filter, for late adapters; rsl_rl: that "
        "library's own PPO, full mode only, whose settings are those that it has, too",
    )
    mode: Literal["lora", "full"] = Field(
        "lora", description="actor: adapters, or all of its weights and biases"
    )
    adapt_critic: Literal["lora", "full", "none"] = Field(
        "lora", description="the critic: adapters, all of it, or nothing learns"
    )
    rank: int = Field(1, ge=1, le=64, description="rank of the actor's adapters")
    alpha: float = Field(4.0, gt=0, le=256, description="scale of the actor's adapters is alpha / rank")
    critic_rank: int = Field(1, ge=1, le=64, description="rank of the critic's adapters")
    critic_alpha: float = Field(4.0, gt=0, le=256, description="scale of the critic's: alpha / rank")
    std_init: float | None = Field(
        None,
        ge=0.01,
        le=1.0,
        description="exploration noise at the start, raw action; null: the policy's own",
    )
    log_std_bounds: tuple[float, float] = Field(
        (-3.0, -0.7), description="hard bounds of log_std, raw action"
    )

    # Data
    window_steps: int = Field(1536, ge=64, le=100_000, description="control steps between two updates")
    activation_lag_steps: int = Field(
        128, ge=0, le=5000, description="control steps from the end of a window until its adapter acts"
    )
    min_batch_steps: int = Field(256, ge=8, le=100_000, description="usable steps that an update needs")
    fall_blame_steps: int = Field(
        50,
        ge=0,
        le=500,
        description="a fall so soon after a hand-over ends the policy's segment, control steps",
    )
    mirror_augmentation: bool = Field(
        False, description="add left-right mirrored steps; wrong for a robot that is itself asymmetric"
    )
    reward_scale: float = Field(
        1.0, gt=0, le=1000, description="factor on rewards and on the critic's output"
    )

    # PPO
    gamma: float = Field(
        0.99, gt=0, lt=1, description="discount of a control step; that of the critic's training"
    )
    gae_lambda: float = Field(0.95, ge=0, le=1, description="lambda of the generalised advantage estimate")
    epochs: int = Field(5, ge=1, le=50, description="passes of the actor over a window")
    minibatches: int = Field(4, ge=1, le=256, description="gradient steps a pass")
    clip: float = Field(0.2, gt=0, le=1, description="clip range of the probability ratio")
    log_ratio_limit: float = Field(10.0, gt=0, le=20, description="clamp of the log-ratio")
    entropy_coef: float = Field(0.0, ge=0, le=1, description="weight of the entropy bonus")
    max_grad_norm: float = Field(
        1.0, gt=0, le=1000, description="largest gradient norm, actor and critic each"
    )

    # Data of older policies
    actor_reuse_windows: int = Field(1, ge=1, le=50, description="newest windows that the actor learns from")
    weight_truncation: float = Field(
        1.0, gt=0, le=100, description="vaco: largest importance weight, V-trace's rho and c"
    )
    tv_limit: float = Field(
        0.08, gt=0, lt=1, description="vaco: total variation of an update above which steps are filtered"
    )
    ess_scaling: bool = Field(
        False, description="scale the actor's step by the effective sample size of the importance weights"
    )

    # Step size
    learning_rate: float = Field(1e-3, gt=0, le=1, description="Adam step of the actor at the start")
    learning_rate_bounds: tuple[float, float] = Field((1e-5, 1e-2), description="where the schedule keeps it")
    schedule: Literal["adaptive", "fixed"] = Field(
        "adaptive", description="adaptive: change the step by 1.5 after an update far from target_kl"
    )
    target_kl: float = Field(0.015, gt=0, le=1, description="KL of an update, behaviour to new policy, nat")
    kl_stop: float = Field(1.5, gt=0, le=100, description="the actor stops at this multiple of target_kl")

    # Critic
    critic_learning_rate: float = Field(1e-3, gt=0, le=1, description="Adam step of the critic")
    critic_epochs: int = Field(5, ge=1, le=100, description="passes of the critic over its windows")
    critic_warmup_updates: int = Field(
        0, ge=0, le=1000, description="first updates, in which only the critic learns"
    )
    critic_fit_minutes: float = Field(
        4.0,
        gt=0,
        le=60,
        description="robot time to which a missing critic is fitted, min",
    )
    critic_reuse_windows: int = Field(
        1, ge=1, le=50, description="newest windows that the critic is fitted to"
    )
    value_clip: float = Field(
        0.0, ge=0, le=1000, description="largest change of a value in an update, return; 0: off"
    )
    huber_delta: float = Field(
        0.0, ge=0, le=1000, description="value errors above this count linearly, return; 0: squared error"
    )

    # Near the base
    base_kl_coef: float = Field(0.0, ge=0, le=100, description="weight of KL(policy || base)")
    correction_limit_deg: float = Field(
        20.0, gt=0, le=180, description="change of a joint target by the adapter that is free, deg"
    )
    correction_coef: float = Field(
        0.0, ge=0, le=100, description="weight of the squared relative excess over correction_limit_deg"
    )

    checkpoint_every: int = Field(1, ge=1, le=1000, description="updates from one checkpoint to the next")
    promotion_gate: bool = Field(
        False, description="go back to the last good adapter when a look is worse than the best"
    )
    gate_margin: float = Field(
        0.02, ge=0, lt=1, description="share of the best return by which a look may be lower"
    )

    # A person in the loop
    imitation_coef: float = Field(
        0.5, ge=0, le=100, description="weight of cloning what a person has just shown; 0: off"
    )
    imitation_half_life_updates: float = Field(
        5.0, gt=0, le=1000, description="updates after which that weight has halved"
    )

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        low, high = self.log_std_bounds
        if not _LOW <= low < high <= _HIGH:
            raise ValueError(f"log_std_bounds must rise within {_LOW} to {_HIGH}")
        low, high = self.learning_rate_bounds
        if not 0 < low <= self.learning_rate <= high:
            raise ValueError("learning_rate must lie within learning_rate_bounds, above 0")
        if self.min_batch_steps > self.window_steps:
            raise ValueError("min_batch_steps must not be above window_steps")
        if self.algorithm == "rsl_rl" and (self.mode, self.adapt_critic) != ("full", "full"):
            raise ValueError("algorithm rsl_rl needs mode and adapt_critic full")
        return self

    @property
    def adapter_rank(self) -> int:
        return self.rank if self.mode == "lora" else 0


LearnerConfig = SlowRLConfig | OffPolicyConfig
"""Settings of a learner for a robot with legs; ``algorithm: sac`` in a file makes them an OffPolicyConfig."""
_Config = TypeVar("_Config", bound=FileSettings)


def load_learner(name: str, **changes: object) -> LearnerConfig:
    """Read ``config/learners/<name>.yaml``; ``changes`` replace single settings.

    A file may begin with ``extends: <name>`` and then says only in what it differs from that one.

    Raises:
        ConfigError: no such learner, one for an arm, or a setting that is unknown or out of its range.
    """
    settings, origin = _read(name)
    settings |= changes
    if settings.get("algorithm") == "rlpd":
        raise ConfigError(f"The learner '{name}' is one for an arm; choose it with robot:=arm.")
    origin = {key: line for key, line in origin.items() if key not in changes}
    if settings.get("algorithm") == "sac":
        return _checked(OffPolicyConfig, name, settings, origin)
    return _checked(SlowRLConfig, name, settings, origin)


def load_arm_learner(name: str, **changes: object) -> RlpdConfig:
    """As :func:`load_learner`, for an arm.

    Raises:
        ConfigError: as there, or a learner for a robot with legs.
    """
    settings, origin = _read(name)
    settings |= changes
    if settings.get("algorithm") != "rlpd":
        raise ConfigError(f"The learner '{name}' is one for a robot with legs; an arm learns with rlpd.")
    origin = {key: line for key, line in origin.items() if key not in changes}
    return _checked(RlpdConfig, name, settings, origin)


def _checked(kind: type[_Config], name: str, settings: dict[str, Any], origin: dict[str, str]) -> _Config:
    """The settings; ``origin`` says where each that a file gave stands."""
    try:
        config = kind(**settings)
    except ValidationError as error:
        key = str(next(iter(error.errors()[0]["loc"]), ""))
        where = f"The learner file {name}.yaml is wrong"
        if key in origin:
            where = f"The learner file {origin[key]}, is wrong"
        raise ConfigError(f"{where}: {_first(error, kind)}.") from error
    config._origin.update(origin)
    return config


_Settings = tuple[dict[str, Any], dict[str, str]]
"""Settings by name, and the file and line that each comes from."""


def _read(name: str, below: tuple[str, ...] = ()) -> _Settings:
    """The settings of a file and of those that it extends."""
    path = share_path("config", "learners", f"{name}.yaml")
    if not path.is_file():
        raise ConfigError(f"There is no learner '{name}'; available: {available('config/learners')}.")
    if name in below:
        raise ConfigError(f"The learner '{name}' extends itself; take its line 'extends' out.")
    try:
        text = path.read_text()
        node, settings = yaml.compose(text), dict(yaml.safe_load(text) or {})
    except (yaml.YAMLError, TypeError, ValueError) as error:
        reason = " ".join(str(error).split())
        raise ConfigError(
            f"The learner file {path.name} is not a list of 'key: value' ({reason})."
        ) from error
    base = settings.pop("extends", None)
    origin = {key: f"{path.name}, line {line_of(node, (key,))}" for key in settings}
    if base is None:
        return settings, origin
    settings_below, origin_below = _read(str(base), (*below, name))
    return settings_below | settings, origin_below | origin


def _first(error: ValidationError, kind: type[FileSettings]) -> str:
    """The first complaint as one phrase, with what is allowed."""
    first = error.errors()[0]
    where = ".".join(map(str, first["loc"]))
    if first["type"] == "extra_forbidden":
        return f"there is no setting '{where}'; there are {', '.join(kind.model_fields)}"
    return f"{where}: {first['msg']}".removeprefix(": ")
