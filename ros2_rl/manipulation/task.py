"""A task of an arm, read from ``config/tasks/<task>.yaml``: where things lie, and what succeeds."""

from typing import Annotated, Literal, Self

import numpy as np
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from ros2_rl.tasks.loading import read_task
from ros2_rl.tasks.quantities import Seconds, number

AXES = ("x", "y", "z")
Metres = Annotated[float, BeforeValidator(lambda value: number(value, "m"))]
Vector = tuple[float, float, float]


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class Region(_Section):
    """A box from which a place is drawn, in the frame of the arm's base."""

    low: Vector = Field(description="lowest x, y, z, m")
    high: Vector = Field(description="highest x, y, z, m")

    @model_validator(mode="after")
    def _not_inside_out(self) -> Self:
        if any(low > high for low, high in zip(self.low, self.high, strict=True)):
            raise ValueError("low must not be above high")
        return self

    def draw(self, rng: np.random.Generator) -> np.ndarray:
        """A place in it, (3,), m."""
        return rng.uniform(self.low, self.high)


class Success(_Section):
    """When the task is done; measured from poses alone."""

    of: Literal["tool", "object"] = Field(description="what is to be at the goal")
    within: Metres = Field(gt=0, description="horizontal distance to the goal below")
    height: tuple[Metres, Metres] = Field(description="lowest and highest height above the goal")
    hold: Seconds = Field(ge=0, description="all of it for so long")


class Measurement(_Section):
    """How well a camera over the table knows where things lie."""

    noise: Metres = Field(ge=0, le=0.1, description="standard deviation of each measurement")
    bias: Metres = Field(ge=0, le=0.1, description="standard deviation of what is wrong for a whole episode")


class ArmTask(_Section):
    """One task, as its YAML file says it."""

    name: str
    robot: str = Field(description="robot whose task it is")
    scene: Literal["nothing", "puck", "hole"] = Field(description="what is on the table")
    step_dt: Seconds = Field(gt=0, description="time from one action to the next")
    episode: Seconds = Field(gt=0, description="time limit of an episode")
    moves: tuple[Literal["x", "y", "z"], ...] = Field(min_length=1, description="axes that an action moves")
    reach: Metres = Field(gt=0, le=0.05, description="farthest that one action moves the tool, each axis")
    tool: Region = Field(description="where the tool begins")
    goal: Region = Field(description="where the goal lies")
    object: Region | None = Field(default=None, description="where the object begins; none without one")
    apart: Metres = Field(default=0.0, ge=0, description="object and goal at least so far from each other")
    success: Success
    measurement: Measurement

    @property
    def axes(self) -> np.ndarray:
        """Indices into (x, y, z) of the axes that an action moves, (A,)."""
        return np.array([AXES.index(axis) for axis in self.moves])

    @property
    def limit_steps(self) -> int:
        """Actions in an episode, at most."""
        return round(self.episode / self.step_dt)

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        needed = self.scene == "puck"
        if needed != (self.object is not None) or (self.success.of == "object" and not needed):
            raise ValueError("the scene puck, and no other, has an object")
        if len(set(self.moves)) < len(self.moves):
            raise ValueError("an axis is moved twice")
        return self


def load_arm_task(name: str) -> ArmTask:
    """Read ``config/tasks/<name>.yaml``.

    Raises:
        ConfigError: no such task of an arm, or its file has unknown or wrong entries.
    """
    return read_task(name, ArmTask)
