"""An ONNX policy: its session, tuned for one small network at a time, its contract and hash."""

import hashlib
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import onnx
import onnxruntime as ort
from google.protobuf.message import DecodeError

from ros2_rl.errors import ContractError
from ros2_rl.policy.contract import Contract
from ros2_rl.policy.fit import equipped
from ros2_rl.policy.mlp import Layer, activation, build_model, linear_layers
from ros2_rl.robots import RobotDescription, load_robot

if TYPE_CHECKING:
    from ros2_rl.tasks import Task

__all__ = [
    "Layer",
    "OnnxPolicy",
    "activation",
    "linear_layers",
    "load_equipped",
    "session",
    "write_bytes",
    "write_policy",
]


class OnnxPolicy:
    """A network from observation (1, D) to the mean action (J,), in the contract's order."""

    def __init__(self, source: str | os.PathLike | bytes):
        """Load a file, or the bytes of one.

        Raises:
            ContractError: no such file, no ONNX model, no contract, or sizes that contradict it.
        """
        name, data = _read(source)
        self.name = name
        self.data = data
        self.sha256 = hashlib.sha256(data).hexdigest()
        self.model = _parse(name, data)
        self.contract = Contract.from_metadata({p.key: p.value for p in self.model.metadata_props})
        self._session = session(name, data)
        self._input, self.input_width = self._port(self._session.get_inputs(), "input")
        output, self.output_width = self._port(self._session.get_outputs(), "output")
        self._outputs = [output]
        self._check_widths()

    def __call__(self, obs: np.ndarray) -> np.ndarray:
        """Mean action, float32 (J,), for ``obs``, float32 (1, D)."""
        return self._session.run(self._outputs, {self._input: obs})[0][0]

    def check(self, robot: RobotDescription, task: "Task | None" = None, gains: str = "") -> None:
        """See :meth:`Contract.check`.

        Raises:
            ContractError: a sentence that says what differs.
        """
        self.contract.check(robot, task, gains)

    def _port(self, ports: list, kind: str) -> tuple[str, int]:
        """Name and width of the network's only input or output."""
        if len(ports) != 1 or len(ports[0].shape) != 2 or ports[0].type != "tensor(float)":
            shapes = ", ".join(f"{p.name} {p.shape}" for p in ports)
            raise ContractError(
                f"The policy {self.name} must have one float {kind} of shape (1, n); it has {shapes}."
            )
        batch, width = ports[0].shape
        if not isinstance(width, int) or (isinstance(batch, int) and batch != 1):
            raise ContractError(f"The policy {self.name} has a {kind} of shape {ports[0].shape}, not (1, n).")
        return ports[0].name, width

    def _check_widths(self) -> None:
        wanted = self.contract.observation_width
        if wanted != self.input_width:
            raise ContractError(
                f"The contract of {self.name} describes {wanted} observations "
                f"({', '.join(self.contract.observation_names)}; history "
                f"{self.contract.observation_history}), but the network takes {self.input_width}."
            )
        if self.contract.num_joints != self.output_width:
            raise ContractError(
                f"The contract of {self.name} names {self.contract.num_joints} joints, "
                f"but the network has {self.output_width} outputs."
            )


def load_equipped(robot: str, policy: str | os.PathLike) -> RobotDescription:
    """The robot ``robot`` with the gain set that ``policy`` was trained with; an empty path adds none.

    Raises:
        ConfigError: there is no such robot.
        ContractError: the policy cannot be read, or does not fit the robot.
    """
    description = load_robot(robot)
    if not str(policy):
        return description
    loaded = OnnxPolicy(policy)
    loaded.check(description)
    return equipped(loaded.contract, description)


def write_policy(
    path: str | os.PathLike, layers: Sequence[Layer], activation: str, contract: Contract
) -> None:
    """Export a perceptron with its contract; the file appears whole or not at all.

    Raises:
        ContractError: unknown activation, or layers that do not fit together.
    """
    write_bytes(path, build_model(layers, activation, contract).SerializeToString())


def write_bytes(path: str | os.PathLike, data: bytes) -> None:
    """Write a file under a temporary name, then rename it into place."""
    path = Path(path)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with temporary.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def _read(source: str | os.PathLike | bytes) -> tuple[str, bytes]:
    if isinstance(source, bytes):
        return "in memory", source
    path = Path(source)
    try:
        return path.name, path.read_bytes()
    except OSError as error:
        raise ContractError(
            f"The policy {path} cannot be read ({error.strerror}); give the path of an ONNX policy."
        ) from error


def _parse(name: str, data: bytes) -> onnx.ModelProto:
    try:
        return onnx.load_model_from_string(data)
    except DecodeError as error:
        raise _not_onnx(name) from error


def session(name: str, data: bytes) -> ort.InferenceSession:
    """A session on the calling thread alone: more threads cost a small network more than they give."""
    options = ort.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.execution_mode = ort.ExecutionMode.ORT_SEQUENTIAL
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.add_session_config_entry("session.inter_op.allow_spinning", "0")
    options.log_severity_level = 4
    try:
        return ort.InferenceSession(data, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime's errors have no common public base class
        raise _not_onnx(name) from error


def _not_onnx(name: str) -> ContractError:
    return ContractError(f"The policy {name} is not a valid ONNX model; export it again.")
