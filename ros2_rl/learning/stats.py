"""Figures of one update, under the field's names."""

from dataclasses import asdict, dataclass


@dataclass
class Stats:
    """What is said of an update of any learner."""

    update: int = 0
    """Number of the update, from 1."""
    dropped_updates: int = 0
    """Updates that were dropped since the start."""
    reason: str = ""
    """Why this update was dropped; empty when it was made."""
    note: str = ""
    """What a person should know of it; mostly nothing."""

    def scalars(self) -> dict[str, float]:
        """Everything but the text, for a logger."""
        return {key: value for key, value in asdict(self).items() if key not in ("reason", "note")}


@dataclass
class UpdateStats(Stats):
    """What an update on-policy did; averages over its gradient steps where nothing else is said."""

    used: int = 0
    """Control steps in the policy gradient."""
    overridden: int = 0
    """Control steps in which somebody else acted, at least in part."""
    human: int = 0
    """Of these, control steps in which a person drove."""
    cut: int = 0
    """Control steps whose successor did not arrive or, before a look, was not collected: in no batch."""
    kl: float = 0.0
    """KL from the behaviour (vaco: from the policy before the update) to the new policy, nat."""
    kl_to_base: float = 0.0
    """KL from the new policy to the base (with the noise of the start), nat."""
    clipfrac: float = 0.0
    """Share of steps whose ratio was outside of the clip range, or that were filtered."""
    effective_share: float = 0.0
    """Effective sample size of the importance weights before the update, as a share of the steps."""
    surrogate_loss: float = 0.0
    value_loss: float = 0.0
    explained_variance: float = 0.0
    """Of the returns by the critic before the update; 1 is perfect."""
    explained_variance_after: float = 0.0
    entropy: float = 0.0
    """Of the exploration noise, nat."""
    std: float = 0.0
    """Mean standard deviation of the noise, raw action."""
    learning_rate: float = 0.0
    """Of the actor, for the next update."""
    actor_grad_norm: float = 0.0
    critic_grad_norm: float = 0.0
    actor_steps: int = 0
    """Gradient steps of the actor; fewer than asked for when the KL stopped it."""
    correction_deg: float = 0.0
    """99th percentile of what the adapter changes a joint target by, deg."""
    action_rate: float = 0.0
    """Mean of |a_t - a_(t-1)| in the window, raw action, noise included."""
    reward: float = 0.0
    """Mean reward of a used step, unscaled."""
