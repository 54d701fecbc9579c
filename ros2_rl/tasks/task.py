"""A task: its commands, its gait clock and its reward, read from ``config/tasks/<task>.yaml``."""

from pathlib import Path

import numpy as np
import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from ros2_rl.errors import ConfigError
from ros2_rl.paths import available, share_path
from ros2_rl.policy.step import StepRecord
from ros2_rl.robots import RobotDescription
from ros2_rl.tasks.clock import gait_clock
from ros2_rl.tasks.terms import TERMS, StepData


class Commands(BaseModel):
    """Ranges of the velocity command."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    vx: tuple[float, float] = Field(description="forward, m/s")
    vy: tuple[float, float] = Field(description="to the left, m/s")
    wz: tuple[float, float] = Field(description="turning to the left, rad/s")


class Task(BaseModel):
    """One task, as its YAML file says it."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    name: str
    step_dt: float = Field(gt=0, description="control step, s")
    gait_period: float = Field(gt=0, description="one gait cycle, s")
    episode: float = Field(gt=0, description="length of an evaluation episode, s")
    policy: str = Field(description="base policy (ONNX), in the share folder")
    critic: str = Field(description="critic weights, in the share folder")
    commands: Commands
    stand_below: float = Field(ge=0, description="norm of the command below which the robot stands")
    rewards: dict[str, float] = Field(description="weight of each reward term")

    @field_validator("rewards")
    @classmethod
    def _known_terms(cls, rewards: dict[str, float]) -> dict[str, float]:
        unknown = sorted(set(rewards) - set(TERMS))
        if unknown:
            raise ValueError(f"unknown term {', '.join(unknown)}; there are {', '.join(sorted(TERMS))}")
        if not all(np.isfinite(list(rewards.values()))):
            raise ValueError("weights must be finite")
        return rewards

    @property
    def command_ranges(self) -> dict[str, tuple[float, float]]:
        return {"vx": self.commands.vx, "vy": self.commands.vy, "wz": self.commands.wz}

    @property
    def policy_path(self) -> Path:
        return share_path(*self.policy.split("/"))

    @property
    def critic_path(self) -> Path:
        return share_path(*self.critic.split("/"))

    def standing(self, command: np.ndarray) -> np.ndarray:
        """Whether a command (..., 3) means to stand still."""
        return np.linalg.norm(command, axis=-1) < self.stand_below

    def clock(self, step: int | np.ndarray, command: np.ndarray) -> np.ndarray:
        """Gait clock (..., 2) at control step ``step`` under ``command`` (..., 3)."""
        return gait_clock(step, self.step_dt, self.gait_period, self.standing(command))

    def reward(self, data: StepData) -> tuple[np.ndarray, dict[str, np.ndarray]]:
        """Reward of a batch of steps, (N,), and its weighted terms, (N,) each."""
        terms = {name: weight * TERMS[name](data) for name, weight in self.rewards.items()}
        total = np.maximum(np.sum(list(terms.values()), axis=0), 0.0) * self.step_dt
        return total, terms

    def step_data(
        self, robot: RobotDescription, record: StepRecord, after: StepRecord, before: StepRecord | None
    ) -> StepData:
        """Outcome of the step ``record``, seen in the record ``after`` it; a batch of one.

        ``before`` gives the action that was sent a step earlier (None: there was none).
        """
        action = np.asarray(record.action, dtype=float)
        last = action if before is None else np.asarray(before.action, dtype=float)
        clock = gait_clock(after.step, self.step_dt, self.gait_period, self.standing(record.command))
        arrays = (
            record.command, clock, after.lin_vel, after.ang_vel, after.gravity, after.height[0],
            after.contacts, after.q - robot.default_pose, after.tau, action, last,
        )  # fmt: skip
        return StepData(*(np.asarray(a, dtype=float)[None] for a in arrays))


def load_task(name: str) -> Task:
    """Read ``config/tasks/<name>.yaml``.

    Raises:
        ConfigError: no such task, or its file has unknown or wrong entries.
    """
    path = share_path("config", "tasks", f"{name}.yaml")
    if not path.is_file():
        raise ConfigError(f"There is no task '{name}'; available: {available('config/tasks')}.")
    try:
        return Task(**yaml.safe_load(path.read_text()))
    except (ValidationError, TypeError, yaml.YAMLError) as error:
        raise ConfigError(f"The task file {path.name} is wrong: {_first(error)}.") from error


def _first(error: Exception) -> str:
    """The first complaint of a validation error as one phrase."""
    if not isinstance(error, ValidationError):
        return " ".join(str(error).split())
    first = error.errors()[0]
    return f"{'.'.join(map(str, first['loc']))}: {first['msg']}"
