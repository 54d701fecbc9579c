"""Figures of one update of the off-policy learners, under the field's names."""

from dataclasses import dataclass

from ros2_rl.learning.stats import Stats


@dataclass
class OffPolicyStats(Stats):
    """What an update for legs did; averages over its gradient steps where nothing else is said."""

    used: int = 0
    """New transitions."""
    human: int = 0
    """Of these, steps in which a person drove."""
    overridden: int = 0
    """Of these, steps in which recovery acted."""
    cut: int = 0
    """As of an update on-policy (ros2_rl/learning/stats.py)."""
    replay: int = 0
    """Transitions that are kept, earlier sessions not counted."""
    gradient_steps: int = 0
    utd: float = 0.0
    """Update-to-data ratio that is achieved: gradient steps a control step."""
    utd_wished: float = 0.0
    value: float = 0.0
    """Mean value of the executed actions by the critics."""
    value_bias: float = 0.0
    """Values against measured returns, in standard deviations of these; above 0 is too high."""
    value_loss: float = 0.0
    surrogate_loss: float = 0.0
    entropy: float = 0.0
    """Of the actor's changes, nat."""
    temperature: float = 0.0
    std: float = 0.0
    """Mean standard deviation of the noise before the tangent, in bounds."""
    correction_deg: float = 0.0
    """99th percentile of what the actor changes a joint target by, deg."""
    action_rate: float = 0.0
    """Mean of |a_t - a_(t-1)| of the new transitions, raw action, noise included."""
    reward: float = 0.0
    """Mean reward of a new transition, unscaled."""
    actor_held: float = 0.0
    """1 while the actor does not learn from critics: warm-up, practice in the replica, or the value guard."""
    replica_updates: int = 0
    """Updates of PPO in the replica so far."""
    replica_reward: float = 0.0
    """Mean reward of a control step there, when it was last practised in."""
    replica_ratio: float = 0.0
    """Control steps there, of all robots at once, to one of the robot's."""


@dataclass
class RlpdStats(Stats):
    """What an update for an arm did; averages over its gradient steps where nothing else is said."""

    online: int = 0
    """Transitions that were experienced and kept."""
    shown: int = 0
    """Demonstrations and corrections that are kept."""
    gradient_steps: int = 0
    value: float = 0.0
    value_loss: float = 0.0
    surrogate_loss: float = 0.0
    entropy: float = 0.0
    """Of the actions, nat."""
    temperature: float = 0.0
    std: float = 0.0
    """Mean standard deviation of the noise before the tangent."""
