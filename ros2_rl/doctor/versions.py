"""The software: interpreter, ROS, libraries and the files that the package ships."""

import importlib
import importlib.metadata
import os
import sys
from collections.abc import Iterable, Mapping

from ros2_rl.doctor.finding import Finding, Level, judged
from ros2_rl.errors import Ros2RlError
from ros2_rl.policy.onnx_policy import OnnxPolicy
from ros2_rl.robots import load_robot
from ros2_rl.tasks import load_task

PYTHON = (3, 11)
LIBRARIES = {
    "numpy": "numpy",
    "onnxruntime": "onnxruntime",
    "onnx": "onnx",
    "torch": "torch",
    "safetensors": "safetensors",
    "pydantic": "pydantic",
    "mujoco": "mujoco",
    "pinocchio": "pin",
}
"""What is imported, and what it is called when installed."""
_REINSTALL = "run make setup, or pip install -c constraints.txt -r requirements.txt"


def check_versions(
    robot: str, task: str, policy: str = "", libraries: Mapping[str, str] = LIBRARIES
) -> list[Finding]:
    """Findings about what is installed, and about the robot's, task's and policy's files."""
    return [_python(), _ros(), *_libraries(libraries.items()), _files(robot, task, policy)]


def _python() -> Finding:
    found = ".".join(map(str, sys.version_info[:3]))
    return judged("Python", found, sys.version_info < PYTHON, "3.11 or newer is needed", Level.FAIL)


def _ros(environment: Mapping[str, str] | None = None) -> Finding:
    given = os.environ if environment is None else environment
    try:
        implementation = importlib.import_module("rclpy").get_rmw_implementation_identifier()
    except ImportError as error:
        return Finding(Level.FAIL, "ROS 2", f"rclpy is not there ({error.name})", _REINSTALL)
    found = f"{given.get('ROS_DISTRO', '') or 'jazzy (wheels)'}, {implementation}"
    return judged("ROS 2", found, implementation != "rmw_fastrtps_cpp", "rmw_fastrtps_cpp is what is tested")


def _libraries(libraries: Iterable[tuple[str, str]]) -> list[Finding]:
    return [_library(module, distribution) for module, distribution in libraries]


def _library(module: str, distribution: str) -> Finding:
    try:
        importlib.import_module(module)
        return Finding(Level.OK, module, importlib.metadata.version(distribution))
    except importlib.metadata.PackageNotFoundError:
        return Finding(Level.OK, module, "of the system")
    except Exception as error:  # a broken library fails in its own way
        reason = (str(error).splitlines() or [type(error).__name__])[0][:100]
        return Finding(Level.FAIL, module, f"cannot be imported: {reason}", _REINSTALL)


def _files(robot: str, task: str, policy: str) -> Finding:
    what = f"{robot}, {task}"
    try:
        described, wanted = load_robot(robot), load_task(task)
        loaded = OnnxPolicy(policy or wanted.policy_path)
        loaded.check(described, wanted)
    except Ros2RlError as error:
        return Finding(Level.FAIL, what, "do not fit together", str(error))
    return Finding(Level.OK, what, f"policy {loaded.sha256[:12]} fits")
