"""Settings of RLPD on an arm (``algorithm: rlpd`` in ``config/learners/<name>.yaml``)."""

from typing import Literal

from pydantic import Field

from ros2_rl.learning.sac.config import SacConfig


class RlpdConfig(SacConfig):
    """Soft actor-critic from scratch, with demonstrations and corrections in half of each batch."""

    algorithm: Literal["rlpd"] = "rlpd"
    start_steps: int = Field(100, ge=1, le=100_000, description="transitions before anything learns")
    residual_bound: float = Field(
        0.3, gt=0, le=1, description="on a base: largest change of its action, share of full deflection"
    )
    clone_steps: int = Field(
        0, ge=0, le=100_000, description="gradient steps in which the actor imitates the demonstrations first"
    )
    heed_below: float = Field(
        0.0, ge=0, le=1,
        description="while the critics are young, corrections move the actor if it does less than this share "
        "of episodes without help",
    )  # fmt: skip
    imitation_coef: float = Field(
        1.0, ge=0, le=100, description="weight of imitating demonstrations and corrections at the start"
    )
    imitation_half_life_steps: float = Field(
        10_000.0, gt=0, le=1e7, description="gradient steps after which that weight has halved"
    )
    trial_noise: float = Field(
        1.0, ge=0, le=1,
        description="share of its noise with which what was learned acts in trials: where a goal has to be "
        "felt for, the noise is the search",
    )  # fmt: skip
    promotion_gate: bool = Field(
        True, description="go back to the actor that did best in practice when it gets worse, and in the end"
    )
    gate_margin: float = Field(
        0.2, ge=0, lt=1, description="share of successes without help by which it may be below the best"
    )
