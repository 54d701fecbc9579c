"""Arguments of ``record_demos.launch.py``, checked before anything is started."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from ros2_rl.errors import ConfigError
from ros2_rl.launch_args import LOG_LEVELS, Table
from ros2_rl.manipulation.task import load_arm_task

OPERATORS = ("scripted", "person")
DEMO_ARGUMENTS: Table = {
    "task": ("peg", "task of an arm, as in config/tasks"),
    "operator": ("scripted", f"who shows it: {', '.join(OPERATORS)} (on teleop/cmd_vel)"),
    "demos": ("20", "demonstrations to record"),
    "out": ("demos", "folder of the demonstrations"),
    "speed": ("0", "robot time by wall time; 0: as fast as everybody answers (lockstep)"),
    "seed": ("1", "seed of everything random"),
    "headless": ("true", "no window: true or false"),
    "namespace": ("", "namespace of all nodes"),
    "params_file": ("", "ROS parameter file over config/ros2_rl.yaml"),
    "log_level": ("info", f"log level of all nodes: {', '.join(LOG_LEVELS)}"),
}


@dataclass(frozen=True)
class DemoArgs:
    """Checked arguments; the folder is an absolute path. The last ones are what any node is begun with."""

    task: str
    operator: str
    demos: int
    out: str
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


def check_demo_args(values: Mapping[str, str]) -> DemoArgs:
    """Check the arguments; what is not in ``values`` has its default.

    Raises:
        ConfigError: an unknown argument, a value that cannot be, or a folder with demonstrations in it.
    """
    for name in values:
        if name not in DEMO_ARGUMENTS:
            raise ConfigError(f"There is no argument '{name}'; there are {', '.join(DEMO_ARGUMENTS)}.")
    text = {name: values.get(name, default) for name, (default, _) in DEMO_ARGUMENTS.items()}
    task, out = load_arm_task(text["task"]), Path(text["out"]).expanduser().absolute()
    choosable = {"operator": OPERATORS, "log_level": LOG_LEVELS, "headless": ("true", "false")}
    for name, choices in choosable.items():
        if text[name] not in choices:
            raise ConfigError(f"There is no {name} '{text[name]}'; there are {', '.join(choices)}.")
    if out.is_dir() and any(out.glob("*.demo.npz")):
        raise ConfigError(f"There are demonstrations in {out} already; name another folder as out:=<folder>.")
    return DemoArgs(
        task.name,
        text["operator"],
        round(_number("demos", text["demos"], 1, 10_000)),
        str(out),
        _number("speed", text["speed"], 0.0, 20.0),
        round(_number("seed", text["seed"], 0, 2**31 - 1)),
        text["headless"] == "true",
        text["namespace"],
        text["params_file"],
        text["log_level"],
        task.robot,
    )


def _number(name: str, text: str, low: float, high: float) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not low <= value <= high:
        raise ConfigError(f"{name} is '{text}'; it is to be a number from {low:g} to {high:g}.")
    return value
