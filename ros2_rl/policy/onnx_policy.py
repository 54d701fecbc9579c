"""An ONNX policy: a network and its contract."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import onnx
from google.protobuf.message import DecodeError

from ros2_rl.errors import ContractError
from ros2_rl.policy.contract import Contract
from ros2_rl.policy.fit import equipped
from ros2_rl.policy.mlp import Layer, activation, build_model, linear_layers
from ros2_rl.policy.onnx_network import OnnxNetwork, not_onnx
from ros2_rl.robots import RobotDescription, load_robot

if TYPE_CHECKING:
    from ros2_rl.tasks import Task

__all__ = [
    "Layer",
    "OnnxPolicy",
    "activation",
    "linear_layers",
    "load_equipped",
    "write_bytes",
    "write_policy",
]


class OnnxPolicy(OnnxNetwork):
    """A network from observation (1, D) to the mean action (J,), in the contract's order."""

    def __init__(self, source: str | os.PathLike | bytes):
        """Load a file, or the bytes of one.

        Raises:
            ContractError: no such file, no ONNX model, no contract, or sizes that contradict it.
        """
        super().__init__(source)
        self.model = _parse(self.name, self.data)
        self.contract = Contract.from_metadata({p.key: p.value for p in self.model.metadata_props})
        self._check_widths()

    def check(self, robot: RobotDescription, task: "Task | None" = None, gains: str = "") -> None:
        """See :meth:`Contract.check`.

        Raises:
            ContractError: a sentence that says what differs.
        """
        self.contract.check(robot, task, gains)

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


def _parse(name: str, data: bytes) -> onnx.ModelProto:
    try:
        return onnx.load_model_from_string(data)
    except DecodeError as error:
        raise not_onnx(name) from error
