"""Settings of the off-policy learners: of soft actor-critic itself, and on the base of a robot with legs
(``algorithm: sac`` in ``config/learners/<name>.yaml``).
"""

from typing import Literal, Self

from pydantic import Field, model_validator

from ros2_rl.learning.settings import FileSettings, LearnerSettings

Source = Literal["policy", "human", "recovery"]


class SacConfig(FileSettings):
    """What soft actor-critic needs wherever its batches come from."""

    # What learns
    actor_hidden: tuple[int, ...] = Field((128, 128), min_length=1, description="actor's hidden layers")
    std_init: float = Field(0.2, ge=0.01, le=1, description="noise at the start, before tanh")
    log_std_bounds: tuple[float, float] = Field((-4.0, -0.5), description="where its logarithm must stay")

    # Critics
    critics: int = Field(3, ge=1, le=20, description="size of the ensemble")
    critic_subset: int = Field(2, ge=1, le=20, description="drawn for each target; the lowest counts")
    critic_hidden: tuple[int, int] = Field((192, 192), description="hidden layers of a critic")
    gamma: float = Field(0.95, gt=0, lt=1, description="discount of a control step")
    n_step: int = Field(
        1, ge=1, le=20, description="steps that a target looks ahead before it asks the critics"
    )
    value_range: tuple[float, float] | None = Field(
        None,
        description="values that are possible at all, which targets are clipped to, the entropy to come not "
        "counted; null: not known, and it is counted",
    )
    reward_scale: float = Field(10.0, gt=0, le=1000, description="factor on rewards")

    # Updates
    utd: float = Field(1.5, gt=0, le=50, description="gradient steps a control step, at most")
    batch: int = Field(256, ge=8, le=4096, description="transitions of a gradient step")
    learning_rate: float = Field(3e-4, gt=0, le=0.1, description="Adam step of actor and temperature")
    critic_learning_rate: float = Field(3e-4, gt=0, le=0.1, description="Adam step of the critics")
    tau: float = Field(0.005, gt=0, le=1, description="pace of the target critics")
    policy_delay: int = Field(2, ge=1, le=20, description="gradient steps of the critics to one of the actor")
    temperature: float = Field(0.01, gt=0, le=10, description="entropy weight at the start")
    target_entropy: float = Field(-1.0, ge=-5, le=0.7, description="entropy aimed at, nat a joint")
    actor_average: float = Field(
        0.01, gt=0, le=1, description="pace of the averaged actor, which is the one that acts"
    )
    stay_coef: float = Field(
        0.0, ge=0, le=100, description="weight of staying near the actions of the batch, as the actor begins"
    )
    stay_half_life_steps: float | None = Field(
        5000.0, gt=0, le=1e7, description="gradient steps in which it halves from then on; null: never"
    )
    smooth_coef: float = Field(
        0.0, ge=0, le=100, description="penalty on how much the change differs from step to step"
    )
    critic_warmup: int = Field(500, ge=0, le=100_000, description="gradient steps before the actor learns")
    replay_capacity: int = Field(200_000, ge=1000, le=5_000_000, description="transitions kept")

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        low, high = self.log_std_bounds
        if not -5.0 <= low < high <= 1.0:
            raise ValueError("log_std_bounds must rise within -5 to 1")
        if self.value_range and self.value_range[0] >= self.value_range[1]:
            raise ValueError("value_range must rise")
        if self.critic_subset > self.critics:
            raise ValueError("critic_subset must not be above critics")
        return self


class OffPolicyConfig(SacConfig, LearnerSettings):
    """Soft actor-critic on a bounded residual of the base, or on low-rank adapters in it."""

    algorithm: Literal["sac"] = "sac"

    # What learns
    noise_memory_s: float = Field(
        0.0, ge=0, le=1, description="how long the exploration noise of a step lasts on, s; 0: white"
    )
    change: Literal["residual", "lora"] = Field("residual", description="what changes of the policy")
    bound_deg: float = Field(
        8.6, ge=0, le=45, description="largest change of a joint target by the residual, deg; 0: none"
    )
    bound_start: float = Field(
        0.3, gt=0, le=1, description="share of the bound that the residual has when it begins to learn"
    )
    bound_opens_steps: int = Field(
        6000, ge=0, le=1_000_000, description="gradient steps of the actor's learning until it has all of it"
    )
    rank: int = Field(4, ge=1, le=64, description="lora: rank")
    alpha: float = Field(8.0, gt=0, le=256, description="lora: scale of the adapters is alpha / rank")
    correction_coef: float = Field(
        0.02, ge=0, le=100, description="weight of the squared change, in bounds, that keeps it near the base"
    )
    excess_coef: float = Field(
        1.0, ge=0, le=100, description="lora: weight of the squared excess over bound_deg, in bounds"
    )

    # Rewards
    shaping: bool = Field(
        True, description="rewards relative to the values of the pre-trained critic (potential-based shaping)"
    )
    shaping_gamma: float = Field(0.99, gt=0, lt=1, description="discount of the pre-trained critic")
    end_cost: float = Field(
        2.0,
        ge=0,
        le=1000,
        description="most that a fall or a take-over costs when rewards are shaped, return",
    )

    # Updates
    utd_min: float = Field(0.1, gt=0, le=50, description="the same, at least, however slow the machine is")
    real_time_share: float = Field(
        0.7, gt=0, le=1, description="share of robot time that gradient steps may take in real time"
    )

    # The replica
    replica_updates: int = Field(
        0,
        ge=0,
        le=100_000,
        description="most updates of PPO in a simulator fitted to this robot; 0: no such simulator",
    )
    replica_error_limit: float = Field(
        0.3, gt=0, le=100, description="error above which a simulator is not taken for this robot"
    )
    replica_robots: int = Field(64, ge=1, le=4096, description="robots in that simulator")
    replica_std: float = Field(0.35, ge=0.01, le=1, description="their noise at the start, raw action")
    replica_smooth_coef: float = Field(
        0.0,
        ge=0,
        le=3,
        description="what the squared change of their action without noise costs them, return/s",
    )

    # Data
    window_steps: int = Field(100, ge=64, le=10_000, description="control steps between two updates")
    activation_lag_steps: int = Field(
        50, ge=0, le=5000, description="control steps from the end of a window until its adapter acts"
    )
    start_steps: int = Field(500, ge=64, le=100_000, description="transitions before anything learns")
    earlier_share: float = Field(
        0.5, ge=0, le=0.95, description="share of a batch from earlier sessions, where there are any"
    )
    relabelled_share: float = Field(
        0.0, ge=0, le=0.9, description="share of the rest that is this session's steps under other commands"
    )
    learn_from: tuple[Source, ...] = Field(
        ("policy", "human"), min_length=1, description="whose steps the critics learn from"
    )
    fall_blame_steps: int = Field(
        50, ge=0, le=500, description="a fall so soon after a hand-over is the policy's, control steps"
    )

    # Stability
    value_bias_limit: float = Field(
        1.0, gt=0, le=100,
        description="overestimation by the critics, in standard deviations of the measured returns",
    )  # fmt: skip
    promotion_gate: bool = Field(True, description="go back when a look is worse than the best one")
    gate_margin: float = Field(
        0.05, ge=0, lt=1, description="share of the best return by which a look may be lower"
    )
    look_every_min: float = Field(3.0, gt=0, description="longest time between two looks, min")
    look_pause_min: float = Field(2.0, ge=0, description="shortest time between two looks, min")
    look_episodes: int = Field(4, ge=1, le=100, description="episodes of a look, at most")
    look_shove_m_s: float = Field(
        0.0, ge=0, le=3, description="simulator: velocity that a shove adds in each episode of a look, m/s"
    )
    checkpoint_every: int = Field(30, ge=1, le=100_000, description="updates from one checkpoint to the next")

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.utd_min > self.utd:
            raise ValueError("utd_min must not be above utd")
        if self.replica_updates and self.change != "lora":
            raise ValueError("a replica is practised in with adapters; replica_updates needs change: lora")
        return self

    @property
    def adapter_rank(self) -> int:
        return self.rank if self.change == "lora" else 0
