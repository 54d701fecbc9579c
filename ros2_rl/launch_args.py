"""Arguments of sim.launch.py and finetune.launch.py: names, defaults, descriptions, and what they may be.

Checked before any process begins, so that a mistake costs one sentence and not a started robot.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from ros2_rl.errors import ConfigError
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
    yes,
)
from ros2_rl.learning.choice import learner_for
from ros2_rl.learning.config import load_learner
from ros2_rl.policy.mlp import linear_layers
from ros2_rl.policy.onnx_policy import OnnxPolicy
from ros2_rl.robots import load_robot
from ros2_rl.sim.perturbations import load_gap
from ros2_rl.tasks import load_task
from ros2_rl.unitree.interface import check_interface

HARDWARE = ("sim", "go2_sim", "go2")
"""A simulator, a simulated Go2 behind Unitree's own protocol, a Go2."""
AUTO = "auto"
"""The learner that a task's file names."""
OPERATORS = ("none", "person", "scripted")

_EXAM_MINUTES = 0.25
"""Robot time of an exam's episode and of what comes before it, at most, min."""

_SPEED = "robot time by wall time; 0: as fast as the graph answers (lockstep), on go2 and go2_sim real time"

SIM_ARGUMENTS: Table = {
    "robot": ("go2", "robot, as in config/robots"),
    "hardware": ("sim", f"what stands behind the robot's topics: {', '.join(HARDWARE)}"),
    "interface": ("", "network interface to the robot, as in ip link; empty: lo for go2_sim"),
    "domain": ("", "DDS domain of the robot; empty: 0 for go2, 1 for go2_sim"),
    "task": ("trot", "task, as in config/tasks"),
    "gap": ("none", "reality gap of the simulator, as in config/gaps"),
    "speed": ("1", _SPEED),
    "seed": ("1", "seed of everything random"),
    "headless": ("true", "no window"),
    "composed": ("true", "robot's side in one process; false: a process for each node"),
    "policy": ("", "ONNX policy; empty: that of the task"),
    "namespace": ("", "namespace of all nodes"),
    "params_file": ("", "ROS parameter file over config/ros2_rl.yaml; launch arguments win over both"),
    "use_sim_time": ("true", "nodes take their time from the simulator's clock"),
    "log_level": ("info", f"log level of all nodes: {', '.join(LOG_LEVELS)}"),
    "record": ("false", "a record of the run: true, false, or events (only the seconds around events)"),
    "record_mib": ("4096", "most that the record may take on the disk, MiB"),
    "run_dir": ("", "folder of the run; empty: runs/<time>"),
    "console": ("false", "page in a browser: the robot, the curves, the buttons"),
    "console_host": ("127.0.0.1", "address the page is served on; beyond this machine it asks for a token"),
    "console_port": ("8080", "port the page is served on"),
    "foxglove": ("false", "live view for Foxglove, tf included"),
    "foxglove_host": ("127.0.0.1", "address it is served on; whoever reaches it can look"),
    "foxglove_port": ("8765", "port it is served on"),
}
FINETUNE_ARGUMENTS: Table = SIM_ARGUMENTS | {
    "gap": ("default", "reality gap that is to be won back, as in config/gaps"),
    "speed": ("0", _SPEED),
    "learner": ("slowrl", "learner, as in config/learners; auto: what got furthest in so many minutes"),
    "minutes": ("75", "budget of training, minutes of robot time"),
    "episodes": ("16", "episodes of the evaluations before and after"),
    "resume": ("", "run_dir of an earlier run to go on from; empty: start anew"),
    "operator": (
        "none",
        f"who helps: {', '.join(OPERATORS)} (a person by teleop; a scripted one helps a simulated robot)",
    ),
    "replay": ("", "run_dir of an earlier run whose experience learner:=offpolicy mixes in; empty: none"),
}


@dataclass(frozen=True)
class SimArgs:
    """Checked arguments of ``sim.launch.py``; paths are absolute or, where nothing was said, empty."""

    robot: str
    hardware: str
    interface: str
    domain: int
    task: str
    gap: str
    speed: float
    seed: int
    headless: bool
    composed: bool
    policy: str
    namespace: str
    params_file: str
    use_sim_time: bool
    log_level: str
    record: str
    record_mib: float
    run_dir: str
    console: bool
    console_host: str
    console_port: int
    foxglove: bool
    foxglove_host: str
    foxglove_port: int

    @property
    def lockstep(self) -> bool:
        """Whether the simulator waits for the graph in place of the clock."""
        return self.speed == 0


@dataclass(frozen=True)
class FinetuneArgs(SimArgs):
    """Checked arguments of ``finetune.launch.py``; the folders are absolute paths."""

    learner: str
    minutes: float
    episodes: int
    resume: str
    replay: str
    operator: str


def check_sim_args(values: Mapping[str, str]) -> SimArgs:
    """Check the arguments of ``sim.launch.py``; what is not in ``values`` has its default.

    Raises:
        ConfigError: an unknown argument or a value that cannot be.
    """
    text = complete(values, SIM_ARGUMENTS)
    common = _common(text)
    run_dir = check_run_dir(text["run_dir"])
    check_record(common, run_dir, 0.0)
    return SimArgs(**common, run_dir=run_dir)


def check_finetune_args(values: Mapping[str, str]) -> FinetuneArgs:
    """Check the arguments of ``finetune.launch.py``; what is not in ``values`` has its default.

    Raises:
        ConfigError: an unknown argument, a value that cannot be, or a folder that cannot be written.
    """
    text = complete(values, FINETUNE_ARGUMENTS)
    common = _common(text)
    task = load_task(common["task"])
    policy = OnnxPolicy(Path(common["policy"] or task.policy_path))
    minutes = number("minutes", text["minutes"], 0.1, 10_000)
    learner = learner_for(task, policy, minutes) if text["learner"] == AUTO else text["learner"]
    load_learner(learner).check_rank(layer.weight.shape for layer in linear_layers(policy.model))
    operator = one_of("operator", text["operator"], OPERATORS)
    if operator == "scripted" and common["hardware"] == "go2":
        raise ConfigError("A scripted person may not drive a real robot; use operator:=person with teleop.")
    episodes = round(number("episodes", text["episodes"], 1, 1000))
    resume, replay = earlier_run(text["resume"]), _earlier_replay(text["replay"])
    run_dir = check_run_dir(text["run_dir"])
    check_record(common, run_dir, minutes + 3 * episodes * _EXAM_MINUTES)
    return FinetuneArgs(
        **common,
        run_dir=run_dir,
        learner=learner,
        minutes=minutes,
        episodes=episodes,
        resume=resume,
        replay=replay,
        operator=operator,
    )


def _common(text: Mapping[str, str]) -> dict:
    load_robot(text["robot"])
    load_gap(text["gap"])
    return {
        "robot": text["robot"],
        **_hardware(text),
        "task": text["task"],
        "gap": text["gap"],
        "speed": _speed(text["speed"], text["hardware"]),
        "seed": int(number("seed", text["seed"], 0, 2**31 - 1, whole=True)),
        "headless": check_headless(text["headless"]),
        "composed": yes("composed", text["composed"]),
        "policy": _policy(text["policy"], text["task"]),
        "namespace": check_namespace(text["namespace"]),
        "params_file": check_params_file(text["params_file"]),
        "use_sim_time": yes("use_sim_time", text["use_sim_time"]) and text["hardware"] == "sim",
        "log_level": one_of("log_level", text["log_level"], LOG_LEVELS),
        **recording(text),
        "console": yes("console", text["console"]),
        "console_host": text["console_host"],
        "console_port": int(number("console_port", text["console_port"], 1, 65535, whole=True)),
        "foxglove": yes("foxglove", text["foxglove"]),
        "foxglove_host": text["foxglove_host"],
        "foxglove_port": int(number("foxglove_port", text["foxglove_port"], 1, 65535, whole=True)),
    }


def _hardware(text: Mapping[str, str]) -> dict:
    """What stands behind the topics, and how it is reached; a simulator is not reached over a network."""
    hardware = one_of("hardware", text["hardware"], HARDWARE)
    rehearsal = hardware == "go2_sim"
    domain = round(number("domain", text["domain"] or ("1" if rehearsal else "0"), 0, 230, whole=True))
    interface = text["interface"] or ("lo" if rehearsal else "")
    if hardware == "go2" and not interface:
        raise ConfigError("hardware:=go2 needs the network interface to the robot, as in interface:=eth0.")
    if hardware == "sim" and (text["interface"] or text["domain"]):
        raise ConfigError("interface and domain lead to a robot; with hardware:=sim leave them out.")
    if interface:
        check_interface(interface)
    return {"hardware": hardware, "interface": interface, "domain": domain}


def _speed(text: str, hardware: str) -> float:
    value = number("speed", text, 0, 100)
    if 0 < value < 0.01:
        raise ConfigError(f"speed must be 0 (as fast as it goes) or from 0.01 to 100, not {text}.")
    if hardware == "go2" and value not in (0.0, 1.0):
        raise ConfigError(f"A robot's time runs by itself, so speed cannot be {text}; leave it out.")
    return value if hardware == "sim" else value or 1.0


def _policy(text: str, task: str) -> str:
    """The policy's absolute path, or nothing where it is the task's own; both must be there."""
    default = load_task(task).policy_path
    path = Path(text).expanduser().absolute() if text else default
    if not path.is_file():
        raise ConfigError(
            f"There is no policy file {path}; give the path of an ONNX policy as policy:=<file>."
        )
    return str(path) if text else ""


def _earlier_replay(text: str) -> str:
    if not text:
        return ""
    path = Path(text).expanduser().absolute()
    if not (path / "replay.safetensors").is_file():
        raise ConfigError(f"There is no experience in {path}: it has no file replay.safetensors.")
    return str(path)
