"""Arguments of the launch files for an arm, checked before anything is started.

What ``finetune.launch.py`` and ``record_demos.launch.py`` both have, then what the former has for an arm.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from ros2_rl.errors import ConfigError
from ros2_rl.launch_args import FINETUNE_ARGUMENTS, OPERATORS
from ros2_rl.launch_values import (
    LOG_LEVELS,
    Table,
    check_headless,
    check_namespace,
    check_params_file,
    check_record,
    check_run_dir,
    complete,
    earlier_run,
    number,
    one_of,
    recording,
)
from ros2_rl.learning.config import load_arm_learner
from ros2_rl.manipulation.arm_base import ArmBase
from ros2_rl.manipulation.task import load_arm_task
from ros2_rl.robots import load_robot

ARM_ARGUMENTS: Table = {
    "demos": ("", "arm: folder of demonstrations, or an earlier run_dir; empty: from scratch"),
}
_UNDERSTOOD = {
    "robot", "task", "speed", "seed", "headless", "namespace", "params_file", "log_level", "run_dir",
    "learner", "minutes", "episodes", "resume", "policy", "record", "record_mib", "operator",
    *ARM_ARGUMENTS,
}  # fmt: skip
"""What means something for an arm; the other arguments must be as they are by default."""


@dataclass(frozen=True, kw_only=True)
class ArmRun:
    """What every launch of an arm is told; folders are absolute paths."""

    task: str
    robot: str
    operator: str
    speed: float
    seed: int
    headless: bool
    namespace: str
    params_file: str
    log_level: str
    use_sim_time: bool = True
    record: str = "false"

    @property
    def lockstep(self) -> bool:
        """Whether the simulator waits for the graph in place of the clock."""
        return self.speed == 0


@dataclass(frozen=True, kw_only=True)
class ArmArgs(ArmRun):
    """Checked arguments of ``finetune.launch.py`` for an arm."""

    demos: str
    policy: str
    learner: str
    minutes: float
    episodes: int
    run_dir: str
    resume: str
    record_mib: float


def check_arm_run(text: Mapping[str, str], operators: tuple[str, ...]) -> dict:
    """The values of :class:`ArmRun`.

    Raises:
        ConfigError: a value that cannot be.
    """
    task = load_arm_task(text["task"])
    return {
        "task": task.name,
        "robot": task.robot,
        "operator": one_of("operator", text["operator"], operators),
        "speed": number("speed", text["speed"], 0, 20),
        "seed": int(number("seed", text["seed"], 0, 2**31 - 1, whole=True)),
        "headless": check_headless(text["headless"]),
        "namespace": check_namespace(text["namespace"]),
        "params_file": check_params_file(text["params_file"]),
        "log_level": one_of("log_level", text["log_level"], LOG_LEVELS),
    }


def is_arm(robot: str) -> bool:
    """Whether a robot stands where it is and has a tool.

    Raises:
        ConfigError: there is no such robot.
    """
    return bool(load_robot(robot).tool)


def for_legs(values: Mapping[str, str]) -> dict[str, str]:
    """The arguments that a robot with legs has a use for.

    Raises:
        ConfigError: one was given that only an arm has a use for.
    """
    for name, (default, _) in ARM_ARGUMENTS.items():
        if values.get(name, default) != default:
            raise ConfigError(f"A robot with legs has no use for {name}; leave it out.")
    return {name: value for name, value in values.items() if name not in ARM_ARGUMENTS}


def _absolute(path: str) -> str:
    return str(Path(path).expanduser().absolute()) if path else ""


def check_arm_args(values: Mapping[str, str]) -> ArmArgs:
    """Check the arguments; what is not in ``values`` has its default.

    Raises:
        ConfigError: an unknown argument, one that an arm has no use for, or a value that cannot be.
        ContractError: a policy that cannot be the base of one for this task.
        RecordError: demonstrations that are of another robot, task or rate, damaged, or not there.
    """
    text = complete(values, table := FINETUNE_ARGUMENTS | ARM_ARGUMENTS)
    for name, value in values.items():
        if name not in _UNDERSTOOD and value != table[name][0]:
            raise ConfigError(f"An arm has no use for {name}; leave it out.")
    task = load_arm_task(text["task"])
    if task.robot != text["robot"]:
        raise ConfigError(
            f"The task '{task.name}' is one of the robot {task.robot}; choose robot:={task.robot}."
        )
    load_arm_learner(text["learner"])
    demos, policy = _absolute(text["demos"]), _absolute(text["policy"])
    if policy:
        ArmBase(policy, task)
    if demos:
        # It loads torch, which a launch can do without.
        from ros2_rl.learning.arm_tuning import shown

        shown(Path(demos), task)
    common = check_arm_run(text, OPERATORS) | recording(text)
    minutes = number("minutes", text["minutes"], 0.1, 10_000)
    episodes = round(number("episodes", text["episodes"], 1, 1000))
    resume, run_dir = earlier_run(text["resume"]), check_run_dir(text["run_dir"])
    check_record(common, run_dir, minutes)
    return ArmArgs(
        **common,
        demos=demos,
        policy=policy,
        learner=text["learner"],
        minutes=minutes,
        episodes=episodes,
        run_dir=run_dir,
        resume=resume,
    )
