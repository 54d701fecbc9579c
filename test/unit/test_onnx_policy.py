"""ONNX policies: the numbers of torch, layers read and written, and files that are refused."""

import hashlib
import runpy
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper
from policy_rig import CONTRACT, ROBOT, random_layers, write_random

from ros2_rl.errors import ContractError
from ros2_rl.policy.mlp import activation, build_model, linear_layers, with_contract, with_weights
from ros2_rl.policy.onnx_policy import Layer, OnnxPolicy, write_policy
from ros2_rl.tasks import load_task

torch.set_num_threads(1)
ACTIVATIONS = {"elu": torch.nn.ELU, "relu": torch.nn.ReLU, "tanh": torch.nn.Tanh}
GOLDEN = Path(__file__).parents[1] / "golden" / "regenerate_trot_policy.py"


def torch_network(layers: list[Layer], kind: str) -> torch.nn.Sequential:
    """The same perceptron in torch; its parameters have the names of the layers."""
    modules: list[torch.nn.Module] = []
    for layer in layers:
        linear = torch.nn.Linear(layer.weight.shape[1], len(layer.weight))
        linear.weight.data, linear.bias.data = torch.tensor(layer.weight), torch.tensor(layer.bias)
        modules += [linear, ACTIVATIONS[kind]()]
    return torch.nn.Sequential(*modules[:-1])


def observations(count: int = 20) -> np.ndarray:
    return np.random.default_rng(3).normal(size=(count, 47)).astype(np.float32)


def matmul_model(layer: Layer) -> onnx.ModelProto:
    """One linear layer as MatMul and Add, as other exporters write it."""
    nodes = [
        helper.make_node("MatMul", ["obs", "w"], ["product"]),
        helper.make_node("Add", ["b", "product"], ["sum"]),
        helper.make_node("Identity", ["sum"], ["actions"]),
    ]
    tensors = [numpy_helper.from_array(np.ascontiguousarray(layer.weight.T), "w")]
    tensors.append(numpy_helper.from_array(layer.bias, "b"))
    ports = [
        helper.make_tensor_value_info(n, TensorProto.FLOAT, [1, w]) for n, w in (("obs", 47), ("actions", 12))
    ]
    graph = helper.make_graph(nodes, "g", ports[:1], ports[1:], tensors)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


@pytest.mark.parametrize("kind", sorted(ACTIVATIONS))
def test_onnxruntime_gives_the_numbers_of_torch(tmp_path: Path, kind: str) -> None:
    layers = random_layers((47, 64, 32, 12))
    write_policy(tmp_path / "p.onnx", layers, kind, CONTRACT)
    policy, network = OnnxPolicy(tmp_path / "p.onnx"), torch_network(layers, kind)
    obs = observations()
    with torch.no_grad():
        expected = network(torch.tensor(obs)).numpy()
    np.testing.assert_allclose([policy(row[None]) for row in obs], expected, atol=1e-5)


def test_layers_are_read_as_they_were_written(tmp_path: Path) -> None:
    layers = random_layers()
    write_policy(tmp_path / "p.onnx", layers, "relu", CONTRACT)
    policy = OnnxPolicy(tmp_path / "p.onnx")
    assert activation(policy.model) == "relu"
    for read, written in zip(linear_layers(policy.model), layers, strict=True):
        assert read.name == written.name
        np.testing.assert_array_equal(read.weight, written.weight)
        np.testing.assert_array_equal(read.bias, written.bias)
    assert policy.contract == CONTRACT
    assert policy.sha256 == hashlib.sha256((tmp_path / "p.onnx").read_bytes()).hexdigest()


def test_matmul_and_add_make_a_layer_whose_weights_can_be_exchanged() -> None:
    layer, other = (random_layers((47, 12), seed)[0] for seed in (0, 1))
    model = with_contract(matmul_model(layer), CONTRACT)
    (read,) = linear_layers(model)
    assert read.name == "w"
    np.testing.assert_array_equal(read.weight, layer.weight)
    np.testing.assert_array_equal(read.bias, layer.bias)
    changed = OnnxPolicy(with_weights(model, {"w": other.weight}).SerializeToString())
    obs = observations(1)
    np.testing.assert_allclose(changed(obs), other.weight @ obs[0] + layer.bias, atol=1e-5)


def test_a_network_that_is_no_perceptron_has_no_layers() -> None:
    model = matmul_model(random_layers((47, 12))[0])
    model.graph.node.append(helper.make_node("Softmax", ["actions"], ["end"]))
    with pytest.raises(ContractError, match="a Softmax that is no part"):
        linear_layers(model)


def test_layers_that_do_not_fit_are_refused() -> None:
    layers = [random_layers((47, 8))[0], random_layers((9, 12))[0]]
    with pytest.raises(ContractError, match="does not fit"):
        build_model(layers, "elu", CONTRACT)
    with pytest.raises(ContractError, match="no activation 'gelu'"):
        build_model(random_layers(), "gelu", CONTRACT)


def test_a_failed_write_leaves_the_old_file(tmp_path: Path) -> None:
    path = write_random(tmp_path / "p.onnx")
    before = path.read_bytes()
    with pytest.raises(ContractError):
        write_policy(path, random_layers(), "gelu", CONTRACT)
    write_random(path)
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["p.onnx"]


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ContractError, match=r"nothing\.onnx cannot be read \(No such file"):
        OnnxPolicy(tmp_path / "nothing.onnx")


@pytest.mark.parametrize("data", [b"", b"no model", b"\x08\x08", bytes(range(256))])
def test_a_file_that_is_no_model_is_refused(data: bytes) -> None:
    with pytest.raises(ContractError):
        OnnxPolicy(data)


def test_a_model_without_a_contract_is_refused() -> None:
    with pytest.raises(ContractError, match="lacks joint_names"):
        OnnxPolicy(matmul_model(random_layers((47, 12))[0]).SerializeToString())


def test_sizes_that_contradict_the_network_are_refused() -> None:
    model = build_model(random_layers(), "elu", replace(CONTRACT, observation_history=2))
    with pytest.raises(ContractError, match="describes 94 observations .* but the network takes 47"):
        OnnxPolicy(model.SerializeToString())
    model = build_model(random_layers((47, 32, 11)), "elu", CONTRACT)
    with pytest.raises(ContractError, match="names 12 joints, but the network has 11 outputs"):
        OnnxPolicy(model.SerializeToString())


def test_a_network_with_two_inputs_is_refused() -> None:
    model = build_model(random_layers(), "elu", CONTRACT)
    model.graph.input.append(helper.make_tensor_value_info("memory", TensorProto.FLOAT, [1, 3]))
    with pytest.raises(ContractError, match="must have one float input"):
        OnnxPolicy(model.SerializeToString())


def test_the_policy_does_what_it_did_when_it_was_reviewed() -> None:
    module = runpy.run_path(str(GOLDEN))
    with np.load(module["GOLDEN"]) as golden:
        now = module["rollout"]()
        assert set(golden.files) == set(now)
        for key in golden.files:
            np.testing.assert_allclose(now[key], golden[key], atol=1e-5, err_msg=key)


def test_the_robot_is_the_one_of_the_contract(tmp_path: Path) -> None:
    OnnxPolicy(write_random(tmp_path / "p.onnx")).check(ROBOT)


def test_the_shipped_trot_fits_robot_and_task_and_takes_adapters() -> None:
    task = load_task("trot")
    policy = OnnxPolicy(task.policy_path)
    policy.check(ROBOT, task)
    layers = linear_layers(policy.model)
    assert (layers[0].weight.shape[1], len(layers[-1].weight)) == (47, 12)
