"""Arguments of ``finetune.launch.py`` for an arm, checked before anything is started."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from ros2_rl.errors import ConfigError
from ros2_rl.launch_args import (
    FINETUNE_ARGUMENTS,
    LOG_LEVELS,
    Table,
    check_namespace,
    check_params_file,
    check_run_dir,
    number,
    one_of,
    yes,
)
from ros2_rl.learning.arm_tuning import check_shown
from ros2_rl.learning.config import load_arm_learner
from ros2_rl.manipulation.task import load_arm_task
from ros2_rl.robots import load_robot

OPERATORS = ("none", "person", "scripted")
ARM_ARGUMENTS: Table = {
    "operator": ("none", f"arm: who helps: {', '.join(OPERATORS)} (a person on teleop/cmd_vel)"),
    "demos": ("", "arm: folder of demonstrations, or an earlier run_dir; empty: from scratch"),
}
_UNDERSTOOD = {
    "robot", "task", "speed", "seed", "headless", "namespace", "params_file", "log_level", "run_dir",
    "learner", "minutes", "episodes", "resume", *ARM_ARGUMENTS,
}  # fmt: skip
"""What means something for an arm; the other arguments must be as they are by default."""


@dataclass(frozen=True)
class ArmArgs:
    """Checked arguments; folders are absolute paths. The last ones are what any node is begun with."""

    task: str
    operator: str
    demos: str
    learner: str
    minutes: float
    episodes: int
    run_dir: str
    resume: str
    speed: float
    seed: int
    headless: bool
    namespace: str
    params_file: str
    log_level: str
    robot: str
    use_sim_time: bool = True
    record: str = "false"

    @property
    def lockstep(self) -> bool:
        """Whether the simulator waits for the graph in place of the clock."""
        return self.speed == 0


def is_arm(robot: str) -> bool:
    """Whether a robot stands where it is and has a tool.

    Raises:
        ConfigError: there is no such robot.
    """
    return bool(load_robot(robot).tool)


def check_arm_args(values: Mapping[str, str]) -> ArmArgs:
    """Check the arguments; what is not in ``values`` has its default.

    Raises:
        ConfigError: an unknown argument, one that an arm has no use for, or a value that cannot be.
        RecordError: demonstrations that are of another robot, task or rate, damaged, or not there.
    """
    table = FINETUNE_ARGUMENTS | ARM_ARGUMENTS
    for name, value in values.items():
        if name not in table:
            raise ConfigError(f"There is no argument '{name}'; there are {', '.join(table)}.")
        if name not in _UNDERSTOOD and value != table[name][0]:
            raise ConfigError(f"An arm has no use for {name}; leave it out.")
    text = {name: values.get(name, default) for name, (default, _) in table.items()}
    task = load_arm_task(text["task"])
    if task.robot != text["robot"]:
        raise ConfigError(
            f"The task '{task.name}' is one of the robot {task.robot}; choose robot:={task.robot}."
        )
    load_arm_learner(text["learner"])
    demos = _folder(text["demos"])
    if demos:
        check_shown(Path(demos), task)
    resume = _folder(text["resume"])
    if resume and not (Path(resume) / "checkpoints").is_dir():
        raise ConfigError(f"There is nothing to resume in {resume}: it has no folder checkpoints.")
    return ArmArgs(
        task=task.name,
        operator=one_of("operator", text["operator"], OPERATORS),
        demos=demos,
        learner=text["learner"],
        minutes=number("minutes", text["minutes"], 0.1, 10_000),
        episodes=round(number("episodes", text["episodes"], 1, 1000)),
        run_dir=check_run_dir(text["run_dir"]),
        resume=resume,
        speed=number("speed", text["speed"], 0, 20),
        seed=int(number("seed", text["seed"], 0, 2**31 - 1, whole=True)),
        headless=yes("headless", text["headless"]),
        namespace=check_namespace(text["namespace"]),
        params_file=check_params_file(text["params_file"]),
        log_level=one_of("log_level", text["log_level"], LOG_LEVELS),
        robot=task.robot,
    )


def _folder(text: str) -> str:
    return str(Path(text).expanduser().absolute()) if text else ""
