"""From settings to what they ask for: the session, the learner, the replica."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ros2_rl.errors import ConfigError
from ros2_rl.learning.config import LearnerConfig, SlowRLConfig
from ros2_rl.learning.ppo import SlowRL
from ros2_rl.learning.sac.config import OffPolicyConfig
from ros2_rl.learning.session_config import SessionConfig
from ros2_rl.policy.onnx_policy import Layer, OnnxPolicy
from ros2_rl.robots import RobotDescription
from ros2_rl.tasks import Task

if TYPE_CHECKING:
    from ros2_rl.learning.replica.replica import Replica


def as_asked(session: SessionConfig, cfg: LearnerConfig) -> SessionConfig:
    """The session with what the learner's settings say of it."""
    changes: dict[str, object] = {
        "window_steps": cfg.window_steps,
        "lag_steps": cfg.activation_lag_steps,
        "promotion_gate": cfg.promotion_gate,
        "gate_margin": cfg.gate_margin,
    }
    if isinstance(cfg, OffPolicyConfig):
        changes |= {
            "collect_evaluations": True,
            "look_every_min": min(session.look_every_min, cfg.look_every_min),
            "look_pause_min": min(session.look_pause_min, cfg.look_pause_min),
            "look_episodes": min(session.look_episodes, cfg.look_episodes),
            "look_shove_m_s": cfg.look_shove_m_s,
        }
    return session.model_copy(update=changes)


def make_learner(policy: OnnxPolicy, critic: Path | Sequence[Layer], cfg: SlowRLConfig) -> SlowRL:
    """The learner that ``cfg.algorithm`` names.

    Raises:
        ConfigError: it needs a library that is not installed.
    """
    if cfg.algorithm != "rsl_rl":
        return SlowRL(policy, critic, cfg)
    try:
        from ros2_rl.learning.rsl_rl_ppo import RslRlPPO
    except ImportError as error:
        raise ConfigError(
            f"The algorithm rsl_rl needs a library that is not there ({error.name}); install rsl-rl-lib."
        ) from error
    return RslRlPPO(policy, critic, cfg)


def make_replica(
    robot: RobotDescription, task: Task, policy: OnnxPolicy, critic: Path | None, cfg: OffPolicyConfig
) -> "Replica | None":
    """The replica that ``cfg`` asks for.

    Raises:
        ConfigError: it needs a library that is not installed, or does not fit the policy.
    """
    if not cfg.replica_updates:
        return None
    try:
        from ros2_rl.learning.replica.replica import Replica
    except ImportError as error:
        raise ConfigError(
            f"A replica needs a library that is not there ({error.name}); install rsl-rl-lib."
        ) from error
    return Replica(robot, task, policy, critic, cfg)
