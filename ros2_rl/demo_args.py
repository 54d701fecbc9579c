"""Arguments of ``record_demos.launch.py``, checked before anything is started."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from ros2_rl.arm_args import ArmRun, check_arm_run
from ros2_rl.errors import ConfigError
from ros2_rl.launch_values import LOG_LEVELS, Table, complete, number

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


@dataclass(frozen=True, kw_only=True)
class DemoArgs(ArmRun):
    """Checked arguments of ``record_demos.launch.py``."""

    demos: int
    out: str


def check_demo_args(values: Mapping[str, str]) -> DemoArgs:
    """Check the arguments; what is not in ``values`` has its default.

    Raises:
        ConfigError: an unknown argument, a value that cannot be, or a folder with demonstrations in it.
    """
    text = complete(values, DEMO_ARGUMENTS)
    common = check_arm_run(text, OPERATORS)
    out = Path(text["out"]).expanduser().absolute()
    if out.is_dir() and any(out.glob("*.demo.npz")):
        raise ConfigError(f"There are demonstrations in {out} already; name another folder as out:=<folder>.")
    return DemoArgs(**common, demos=round(number("demos", text["demos"], 1, 10_000)), out=str(out))
