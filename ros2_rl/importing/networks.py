"""The network of a foreign policy: an rsl_rl checkpoint, a TorchScript module or an ONNX file.

What the file is shows in its first bytes, not in its name. Every network without memory becomes ONNX;
those that are plain perceptrons are built anew, so that adapters can be trained on them.
"""

import io
import warnings
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from google.protobuf.message import DecodeError

from ros2_rl.errors import ConfigError
from ros2_rl.importing.checkpoint import read_checkpoint
from ros2_rl.importing.graph import perceptron
from ros2_rl.policy.contract import Contract
from ros2_rl.policy.mlp import OPSET, build_model, with_contract
from ros2_rl.policy.onnx_network import session
from ros2_rl.policy.onnx_policy import Layer

TOLERANCE = 1e-5
"""Largest difference between the answers of a network before and after its conversion, relative to 1."""
_TRIALS = 8
_ACTIVATIONS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "elu": lambda x: np.where(x > 0.0, x, np.expm1(np.minimum(x, 0.0))),
    "relu": lambda x: np.maximum(x, 0.0),
    "tanh": np.tanh,
}


@dataclass(frozen=True)
class Network:
    """A network whose input width is known."""

    kind: str
    """What the file was: ``rsl_rl checkpoint``, ``TorchScript`` or ``ONNX``."""
    width: int
    layers: list[Layer] | None
    """The layers of a plain perceptron, else nothing."""
    activation: str
    model: onnx.ModelProto | None = None
    """The graph of any other network."""
    log_std: tuple[float, ...] = ()
    """Logarithm of the exploration noise, (J,), where the file has it."""

    def with_contract(self, contract: Contract) -> bytes:
        """The ONNX file."""
        if self.layers is not None:
            return build_model(self.layers, self.activation, contract).SerializeToString()
        assert self.model is not None
        del self.model.metadata_props[:]
        return with_contract(self.model, contract).SerializeToString()


class Source:
    """A policy file before anybody knows what it sees.

    Raises:
        ConfigError: no such file, or one that holds no network.
    """

    def __init__(self, path: Path):
        self.name = path.name
        self._path, self._data = path, _read(path)
        self._script = self._model = self._checkpoint = None
        if _is_torchscript(self._data):
            self.kind, self._script = "TorchScript", _load_script(self.name, self._data)
        elif self._data[:2] == b"PK" or self._data[:1] == b"\x80":
            self.kind, self._checkpoint = "rsl_rl checkpoint", read_checkpoint(self.name, self._data)
        else:
            self.kind, self._model = "ONNX", _load_onnx(path)

    @property
    def metadata(self) -> dict[str, str]:
        """What an ONNX file says about itself."""
        return {} if self._model is None else {p.key: p.value for p in self._model.metadata_props}

    def accepts(self, width: int) -> bool:
        """Whether the network takes observations of this width."""
        if self._checkpoint is not None:
            return self._checkpoint.layers[0].weight.shape[1] == width
        if self._model is not None:
            return _input_width(self.name, self._model) == width
        try:
            self._ask_script(np.zeros((1, width), np.float32))
        except RuntimeError:
            return False
        return True

    def network(self, width: int, activation: str) -> Network:
        """The network, for observations of ``width``; ``activation`` is what a checkpoint does not say.

        Raises:
            ConfigError: the network takes other observations, or has a memory.
            ContractError: the activation is unknown.
        """
        if not self.accepts(width):
            raise ConfigError(
                f"The network {self.name} does not take the {width} numbers that its configuration "
                "describes; do the two belong together?"
            )
        if self._checkpoint is not None:
            layers, log_std = self._checkpoint
            return Network(self.kind, width, layers, activation, None, log_std)
        model = self._model if self._script is None else self._exported(width)
        assert model is not None
        return self._simplified(model, width)

    def _simplified(self, model: onnx.ModelProto, width: int) -> Network:
        """The perceptron that the graph is, or the graph itself."""
        probe = np.random.default_rng(0).normal(0.0, 0.5, (_TRIALS, width)).astype(np.float32)
        answers = self._answers(model, probe)
        found = perceptron(model)
        if found is not None and _agree(found, probe, answers):
            return Network(self.kind, width, *found)
        return Network(self.kind, width, None, "", model)

    def _answers(self, model: onnx.ModelProto, probe: np.ndarray) -> np.ndarray:
        """What the network itself answers; of a script, after comparing with its export."""
        run = session(self.name, model.SerializeToString())
        name = run.get_inputs()[0].name
        try:
            answers = np.concatenate([run.run(None, {name: row[None]})[0] for row in probe])
        except Exception as error:  # onnxruntime's errors have no common public base class
            raise ConfigError(
                f"The network {self.name} cannot be run on one observation ({_line(error)}); "
                "only networks with one input and no memory are known."
            ) from error
        if self._script is None:
            return answers
        for row, answer in zip(probe, answers, strict=True):
            if not _close(answer, self._ask_script(row[None])) or not _close(
                answer, self._ask_script(row[None])
            ):
                raise ConfigError(
                    f"The network {self.name} answers the same observation differently: it has a memory, "
                    "and only networks without one can be imported."
                )
        return answers

    def _ask_script(self, obs: np.ndarray) -> np.ndarray:
        assert self._script is not None
        with torch.no_grad():
            answer = self._script(torch.from_numpy(obs))
        if not isinstance(answer, torch.Tensor):
            raise ConfigError(f"The network {self.name} has several outputs; only the action is known.")
        return answer.numpy().reshape(-1)

    def _exported(self, width: int) -> onnx.ModelProto:
        assert self._script is not None
        buffer: Any = io.BytesIO()
        with warnings.catch_warnings():
            # Only this exporter of torch's takes modules that are compiled already.
            warnings.simplefilter("ignore")
            try:
                torch.onnx.export(
                    self._script, (torch.zeros(1, width),), buffer, input_names=["obs"],
                    output_names=["actions"], opset_version=OPSET, dynamo=False,
                )  # fmt: skip
            except Exception as error:  # each kind of mistake has an exception of its own there
                raise ConfigError(
                    f"The network {self.name} cannot be written as ONNX ({_line(error)}); "
                    "export it with its own stack."
                ) from error
        return onnx.load_model_from_string(buffer.getvalue())


def _agree(found: tuple[list[Layer], str], probe: np.ndarray, answers: np.ndarray) -> bool:
    """Whether the perceptron answers as its graph did."""
    layers, kind = found
    act = _ACTIVATIONS[kind]
    x = probe.astype(float)
    for layer in layers[:-1]:
        x = act(x @ layer.weight.T + layer.bias)
    return _close(answers, x @ layers[-1].weight.T + layers[-1].bias)


def _close(one: np.ndarray, other: np.ndarray) -> bool:
    return bool(np.allclose(one.reshape(-1), other.reshape(-1), rtol=TOLERANCE, atol=TOLERANCE))


def _read(path: Path) -> bytes:
    try:
        data = path.read_bytes()
    except OSError as error:
        raise ConfigError(
            f"The policy {path} cannot be read ({error.strerror}); give the path of a .pt or .onnx file."
        ) from error
    if data.startswith(b"version https://git-lfs"):
        raise ConfigError(
            f"The policy {path.name} is a pointer of Git LFS, not the file itself; run git lfs pull."
        )
    return data


def _is_torchscript(data: bytes) -> bool:
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            return any("/code/" in name for name in archive.namelist())
    except zipfile.BadZipFile:
        return False


def _load_script(name: str, data: bytes) -> torch.jit.ScriptModule:
    try:
        with warnings.catch_warnings():  # torch is about to give up the format, its users are not
            warnings.simplefilter("ignore")
            return torch.jit.load(io.BytesIO(data), map_location="cpu").eval()
    except (RuntimeError, ValueError) as error:
        raise ConfigError(
            f"The TorchScript file {name} is damaged ({_line(error)}); export it again."
        ) from error


def _load_onnx(path: Path) -> onnx.ModelProto:
    try:
        model = onnx.load(path)  # with the weights beside it, if they are
        onnx.checker.check_model(model)
    except (DecodeError, onnx.checker.ValidationError, ValueError) as error:
        raise ConfigError(
            f"{path.name} is no policy: neither an rsl_rl checkpoint nor TorchScript nor valid ONNX; "
            "is it whole?"
        ) from error
    except OSError as error:
        raise ConfigError(
            f"The policy {path.name} keeps its weights in a file that is not there ({error}); put it beside."
        ) from error
    return model


def _input_width(name: str, model: onnx.ModelProto) -> int:
    known = {t.name for t in model.graph.initializer}
    inputs = [v for v in model.graph.input if v.name not in known]
    if len(inputs) != 1:
        names = ", ".join(v.name for v in inputs)
        raise ConfigError(
            f"The network {name} takes {names or 'nothing'}; "
            "only networks with one input and no memory are known."
        )
    dims = inputs[0].type.tensor_type.shape.dim
    return dims[-1].dim_value if dims else 0


def _line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:120]
