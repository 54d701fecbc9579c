"""A task: its commands, its clock and its reward, read from ``config/tasks/<task>.yaml``."""

from pathlib import Path

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, model_validator

from ros2_rl.paths import share_path
from ros2_rl.policy.step import StepRecord
from ros2_rl.robots import RobotDescription
from ros2_rl.tasks.clock import Clock, ContactPlan
from ros2_rl.tasks.quantities import Seconds
from ros2_rl.tasks.reward_machine import MachineSpec
from ros2_rl.tasks.scorer import Scorer
from ros2_rl.tasks.terms import StepData
from ros2_rl.tasks.weights import Weights


class Commands(BaseModel):
    """Ranges of the velocity command."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)
    vx: tuple[float, float] = Field(description="forward, m/s")
    vy: tuple[float, float] = Field(description="to the left, m/s")
    wz: tuple[float, float] = Field(description="turning to the left, rad/s")


class Jump(BaseModel):
    """The contact plan of a task that jumps once a cycle, s from the cycle's start."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    duration: Seconds = Field(gt=0, description="end of the jump; the robot stands for the rest of the cycle")
    lift_off: Seconds = Field(gt=0, description="planned start of the flight")
    touch_down: Seconds = Field(gt=0, description="planned end of the flight")

    @property
    def plan(self) -> ContactPlan:
        return ContactPlan(self.duration, self.lift_off, self.touch_down)

    @model_validator(mode="after")
    def _in_order(self) -> "Jump":
        if not self.lift_off < self.touch_down < self.duration:
            raise ValueError("lift_off, touch_down and duration are to follow each other")
        return self


class Task(BaseModel):
    """One task, as its YAML file says it."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    name: str
    step_dt: Seconds = Field(gt=0, description="control step")
    gait_period: Seconds = Field(gt=0, description="one cycle of the gait, or from one jump to the next")
    episode: Seconds = Field(gt=0, description="length of an evaluation episode")
    policy: str = Field(description="base policy (ONNX), in the share folder")
    critic: str = Field(description="critic weights, in the share folder")
    learner: str = Field(default="slowrl", description="what learner:=auto stands for, in config/learners")
    quick_learner: str = Field(default="", description="the same for a budget of up to quick_minutes")
    quick_learner_of_others: str = Field(
        default="", description="the same where the policy sees or acts otherwise than the task's own"
    )
    quick_minutes: float = Field(default=0.0, ge=0, description="min")
    commands: Commands
    stand_below: float = Field(ge=0, description="norm of the command below which the robot stands")
    rewards: Weights = Field(description="weight of each reward term, per its unit")
    jump: Jump | None = Field(default=None, description="contact plan; none: a trot")
    machine: MachineSpec | None = Field(default=None, description="phases with rewards of their own")

    @model_validator(mode="after")
    def _fits_its_cycle(self) -> "Task":
        if self.jump and self.jump.duration > self.gait_period:
            raise ValueError(f"the jump lasts {self.jump.duration:g} s, longer than gait_period")
        return self

    @property
    def command_ranges(self) -> dict[str, tuple[float, float]]:
        return {"vx": self.commands.vx, "vy": self.commands.vy, "wz": self.commands.wz}

    @property
    def policy_path(self) -> Path:
        return share_path(*self.policy.split("/"))

    @property
    def critic_path(self) -> Path:
        return share_path(*self.critic.split("/"))

    @property
    def clock(self) -> Clock:
        """The clock that the policy sees."""
        return Clock(self.step_dt, self.gait_period, self.stand_below, self.jump.plan if self.jump else None)

    def scorer(self, count: int = 1) -> Scorer:
        """Rewards of the control steps of ``count`` robots."""
        return Scorer(self, count)

    def step_data(
        self, robot: RobotDescription, record: StepRecord, after: StepRecord, before: StepRecord | None
    ) -> StepData:
        """Outcome of the step ``record``, seen in the record ``after`` it; a batch of one.

        ``before`` gives the action that was sent a step earlier (None: there was none).
        """
        action = np.asarray(record.action, dtype=float)
        last = action if before is None else np.asarray(before.action, dtype=float)
        arrays = (
            record.command, self.clock.at(after.step, record.command), after.lin_vel, after.ang_vel,
            after.gravity, after.height[0], after.contacts, after.q - robot.default_pose, after.tau,
            action, last,
        )  # fmt: skip
        return StepData(*(np.asarray(a, dtype=float)[None] for a in arrays))
