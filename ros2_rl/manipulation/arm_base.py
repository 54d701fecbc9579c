"""A policy from elsewhere as the base of an arm's: an ONNX network that is a black box, and never changes."""

import os

import numpy as np

from ros2_rl.errors import ContractError
from ros2_rl.manipulation.observation import WIDTH
from ros2_rl.manipulation.task import ArmTask
from ros2_rl.policy.onnx_network import OnnxNetwork


class ArmBase:
    """An observation of an arm's task (D,) in, an action (A,) out, each number -1 to 1."""

    def __init__(self, source: str | os.PathLike | bytes, task: ArmTask):
        """Load a file, or the bytes of one.

        Raises:
            ContractError: it is no ONNX network, takes or gives another number of values than the task has,
                or answers an observation of zeros with what is no number.
        """
        self._network = network = OnnxNetwork(source)
        self._actions = len(task.moves)
        sizes, wanted = (network.input_width, network.output_width), (WIDTH, self._actions)
        if sizes != wanted:
            raise ContractError(
                f"The policy {network.name} takes {sizes[0]} numbers and gives {sizes[1]}; the task "
                f"'{task.name}' has {wanted[0]} and {wanted[1]}: take a policy that was made for it."
            )
        if not np.isfinite(self(np.zeros(WIDTH))).all():
            raise ContractError(f"The policy {network.name} answers with what is no number; export it again.")

    @property
    def sha256(self) -> str:
        """Of the file."""
        return self._network.sha256

    def __call__(self, obs: np.ndarray) -> np.ndarray:
        """The action (A,) for an observation (D,)."""
        answer = self._network(np.asarray(obs, np.float32)[None])
        return np.clip(answer, -1.0, 1.0)

    def of(self, obs: np.ndarray) -> np.ndarray:
        """The actions (N, A), float32, for observations (N, D)."""
        return np.array([self(row) for row in obs], np.float32).reshape(len(obs), self._actions)
