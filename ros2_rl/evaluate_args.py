"""Arguments of ``evaluate.launch.py``."""

from collections.abc import Mapping
from dataclasses import dataclass

from ros2_rl.evaluation.candidate import Setting
from ros2_rl.evaluation.exam import load_exam, trials
from ros2_rl.evaluation.sitting import check_policies, find_policy
from ros2_rl.launch_values import (
    LOG_LEVELS,
    Table,
    check_namespace,
    check_run_dir,
    complete,
    number,
    one_of,
    yes,
)
from ros2_rl.robots import load_robot
from ros2_rl.sim.perturbations import load_gap
from ros2_rl.tasks import load_task

EVALUATE_ARGUMENTS: Table = {
    "policy": ("", "ONNX policy or run_dir of a run that is examined; empty: the base alone, no verdict"),
    "base": ("", "ONNX policy that it is compared with; empty: that of the task"),
    "robot": ("go2", "robot, as in config/robots"),
    "task": ("trot", "task, as in config/tasks"),
    "gap": ("default", "robot on which it is examined, as in config/gaps"),
    "exam": ("standard", "what is asked, as in config/exams"),
    "seed": ("1", "seed of sensors and adversary"),
    "video": ("true", "film the worst trial, where something can render it"),
    "run_dir": ("", "folder of the results; empty: runs/<time>"),
    "namespace": ("", "namespace of the node"),
    "log_level": ("info", f"log level: {', '.join(LOG_LEVELS)}"),
}


@dataclass(frozen=True)
class EvaluateArgs:
    """Checked arguments; paths are absolute or, where nothing was said, empty. The last ones are
    what any node is begun with.
    """

    policy: str
    base: str
    robot: str
    task: str
    gap: str
    exam: str
    seed: int
    video: bool
    run_dir: str
    namespace: str
    log_level: str
    params_file: str = ""
    use_sim_time: bool = False
    record: str = "false"


def check_evaluate_args(values: Mapping[str, str]) -> EvaluateArgs:
    """Check the arguments; what is not in ``values`` has its default.

    Raises:
        ConfigError: an unknown argument or a value that cannot be.
        ContractError: a policy that does not fit robot or task.
    """
    text = complete(values, EVALUATE_ARGUMENTS)
    load_robot(text["robot"])
    setting = Setting(load_exam(text["exam"]), load_task(text["task"]), load_gap(text["gap"]), text["robot"])
    for _ in trials(setting.exam, setting.task, setting.gap, 0):
        pass  # names of gaps that are not there
    paths = {name: str(find_policy(text[name])) if text[name] else "" for name in ("policy", "base")}
    check_policies([find_policy(path) for path in paths.values() if path], setting)
    return EvaluateArgs(
        policy=paths["policy"],
        base=paths["base"],
        robot=text["robot"],
        task=text["task"],
        gap=text["gap"],
        exam=text["exam"],
        seed=int(number("seed", text["seed"], 0, 2**31 - 1, whole=True)),
        video=yes("video", text["video"]),
        run_dir=check_run_dir(text["run_dir"]),
        namespace=check_namespace(text["namespace"]),
        log_level=one_of("log_level", text["log_level"], LOG_LEVELS),
    )
