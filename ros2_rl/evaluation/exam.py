"""What an exam asks: the trials of ``config/exams/<name>.yaml`` on the ranges of a task."""

from collections.abc import Iterator

import numpy as np
import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ros2_rl.errors import ConfigError
from ros2_rl.paths import available, share_path
from ros2_rl.sim.perturbations import Perturbations, load_gap
from ros2_rl.sim.trial import Push, Trial
from ros2_rl.tasks import Task

GRID, PUSHES, GAPS, ADVERSARY = "grid", "pushes", "gaps", "adversary"
_STRICT = ConfigDict(extra="forbid", frozen=True)


class Grid(BaseModel):
    """Places on each range of the command."""

    model_config = _STRICT
    vx: int = Field(ge=1, le=20, description="forward speeds, each with every yaw rate")
    wz: int = Field(ge=1, le=20, description="yaw rates; 1: straight ahead")
    vy: int = Field(ge=0, le=20, description="sideward speeds, alone")


class Limits(BaseModel):
    """Factors on what the base reaches."""

    model_config = _STRICT
    tracking: float = Field(ge=1, le=10, description="highest tracking error, grid")
    gap_tracking: float = Field(ge=1, le=10, description="highest tracking error, other robots")
    energy: float = Field(ge=1, le=10, description="highest energy per metre")
    adversary: float = Field(gt=0, le=1, description="lowest strength of the shove that fells it")


class Exam(BaseModel):
    """An exam; see ``config/exams/standard.yaml``."""

    model_config = _STRICT
    seconds: float = Field(ge=2, le=60, description="length of a trial, s")
    settle_s: float = Field(ge=0, le=10, description="beginning that is not marked for tracking, s")
    grid: Grid
    push_m_s: tuple[float, ...] = Field(description="velocities of the shoves, m/s")
    push_directions: int = Field(ge=1, le=36, description="directions of the shoves")
    gaps: tuple[str, ...] = Field(description="other robots, as in config/gaps")
    gap_commands: int = Field(ge=1, le=20, description="forward speeds on each of them")
    adversary_trials: int = Field(ge=1, le=1000, description="trials of the adversarial pusher")
    adversary_m_s: float = Field(gt=0, le=10, description="strength it begins with, m/s")
    limits: Limits


def load_exam(name: str) -> Exam:
    """Read ``config/exams/<name>.yaml``.

    Raises:
        ConfigError: there is no such exam, or its file has an unknown or wrong entry.
    """
    path = share_path("config", "exams", f"{name}.yaml")
    if not path.is_file():
        raise ConfigError(f"There is no exam '{name}'; available: {available('config/exams')}.")
    try:
        return Exam(**(yaml.safe_load(path.read_text()) or {}))
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(map(str, first["loc"]))
        raise ConfigError(f"The exam file {path.name} is wrong: '{key}': {first['msg']}.") from error
    except (TypeError, yaml.YAMLError) as error:
        raise ConfigError(f"The exam file {path.name} is not a YAML mapping; see standard.yaml.") from error


def trials(exam: Exam, task: Task, gap: Perturbations, seed: int) -> Iterator[Trial]:
    """Grid, shoves and other robots, in this order; the adversary makes up its own.

    Raises:
        ConfigError: there is no gap of a name in the exam.
    """

    def trial(
        section: str, name: str, command: tuple[float, float, float], on: Perturbations = gap,
        pushes: tuple[Push, ...] = (),
    ) -> Trial:  # fmt: skip
        return Trial(section, name, command, on, exam.seconds, exam.settle_s, pushes, seed)

    for vx in _places(task, "vx", exam.grid.vx):
        for wz in _places(task, "wz", exam.grid.wz):
            yield trial(GRID, f"vx {vx:+.2f} wz {wz:+.2f}", (vx, 0.0, wz))
    for vy in _places(task, "vy", exam.grid.vy):
        yield trial(GRID, f"vy {vy:+.2f}", (0.0, vy, 0.0))
    for speed in exam.push_m_s:
        for heading in 2.0 * np.pi * np.arange(exam.push_directions) / exam.push_directions:
            push = Push(0.5 * exam.seconds, float(heading), speed)
            name = f"{speed:.2f} m/s at {np.degrees(heading):.0f} deg"
            yield trial(PUSHES, name, walk(task), pushes=(push,))
    for other in exam.gaps:
        robot = load_gap(other)
        for vx in _places(task, "vx", exam.gap_commands):
            yield trial(GAPS, f"{other} vx {vx:+.2f}", (vx, 0.0, 0.0), on=robot)


def walk(task: Task) -> tuple[float, float, float]:
    """The command while the robot is shoved: half of the highest forward speed."""
    return 0.5 * task.command_ranges["vx"][1], 0.0, 0.0


def _places(task: Task, axis: str, count: int) -> list[float]:
    """Places from one end of a range to the other, each once; a single one is as near to 0 as can be."""
    low, high = task.command_ranges[axis]
    if count == 1:
        return [float(np.clip(0.0, low, high)) if axis != "vx" else 0.5 * high]
    return sorted({float(value) for value in np.linspace(low, high, count)})
