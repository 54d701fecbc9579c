"""Settings of a fine-tuning session; times are robot times."""

from pydantic import BaseModel, ConfigDict, Field


class SessionConfig(BaseModel):
    """How a session is run; times are robot times."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    start_s: float = Field(default=5.0, gt=0, description="stamp of the first evaluation, s")
    minutes: float = Field(default=75.0, gt=0, description="budget of training, robot minutes")
    goal: float = Field(default=0.9, gt=0, description="recovered fraction at which the session ends")
    look_at: float = Field(default=0.75, description="training-return fraction that makes it look")
    look_every_min: float = Field(default=12.0, gt=0, description="longest time between two looks, min")
    look_pause_min: float = Field(default=4.0, ge=0, description="shortest time between two looks, min")
    episodes: int = Field(default=16, ge=1, description="episodes of a before/after evaluation")
    look_episodes: int = Field(default=8, ge=1, description="episodes of a look in between")
    window_steps: int = Field(default=1536, ge=64, description="control steps between two updates")
    lag_steps: int = Field(default=128, ge=0, description="control steps until an update acts")
    promotion_gate: bool = Field(
        default=False, description="go back to the last good adapter when a look is worse than the best"
    )
    gate_margin: float = Field(
        default=0.02, ge=0, lt=1, description="share of the best return by which a look may be lower"
    )
    look_shove_m_s: float = Field(
        default=0.0, ge=0, le=3, description="velocity of the shove in each episode of a look (simulator)"
    )
    collect_evaluations: bool = Field(
        default=False, description="learn from the steps of evaluations with the gap, too"
    )
    measure_pretrained: bool = Field(default=True, description="evaluate without the gap first (simulator)")
