"""Any ONNX network of one input and one output, and its session, tuned for one observation at a time."""

import hashlib
import os
from pathlib import Path

import numpy as np
import onnxruntime as ort

from ros2_rl.errors import ContractError


class OnnxNetwork:
    """A network from (1, D) to (1, J), float32; what is inside does not matter."""

    def __init__(self, source: str | os.PathLike | bytes):
        """Load a file, or the bytes of one.

        Raises:
            ContractError: no such file, no ONNX model, or more than one input or output.
        """
        self.name, self.data = _read(source)
        self.sha256 = hashlib.sha256(self.data).hexdigest()
        self._session = session(self.name, self.data)
        self._input, self.input_width = self._port(self._session.get_inputs(), "input")
        output, self.output_width = self._port(self._session.get_outputs(), "output")
        self._outputs = [output]

    def __call__(self, obs: np.ndarray) -> np.ndarray:
        """The answer, float32 (J,), to ``obs``, float32 (1, D)."""
        return self._session.run(self._outputs, {self._input: obs})[0][0]

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
        raise not_onnx(name) from error


def not_onnx(name: str) -> ContractError:
    return ContractError(f"The policy {name} is not a valid ONNX model; export it again.")
