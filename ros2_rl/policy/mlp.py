"""The linear layers of an actor's ONNX graph: read for the learner, merged with an adapter, written.

Understood are multilayer perceptrons as torch exports them: Gemm, or MatMul and Add, with one
activation (Elu, Relu, Tanh) between the layers.
"""

from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import onnx
from onnx import helper, numpy_helper

from ros2_rl.errors import ContractError
from ros2_rl.policy.contract import Contract

ACTIVATIONS = {"Elu": "elu", "Relu": "relu", "Tanh": "tanh"}
OPSET = 17


class Layer(NamedTuple):
    """One linear layer: y = weight x + bias."""

    name: str
    """Name of the layer: that of its weight in the graph without the suffix ``.weight``."""
    weight: np.ndarray
    """(out, in), float32."""
    bias: np.ndarray
    """(out,), float32."""


class _Slot(NamedTuple):
    """Where a layer's weight lies in the graph."""

    initializer: str
    transposed: bool
    """Whether the graph keeps (in, out)."""
    bias: str | None


def linear_layers(model: onnx.ModelProto) -> list[Layer]:
    """The linear layers from input to output.

    Raises:
        ContractError: the graph is not a multilayer perceptron of the supported kind.
    """
    slots, _ = _walk(model)
    arrays = _initializers(model)
    layers = []
    for slot in slots:
        weight = arrays[slot.initializer]
        weight = np.ascontiguousarray(weight.T if slot.transposed else weight)
        bias = np.zeros(len(weight), np.float32) if slot.bias is None else arrays[slot.bias]
        layers.append(Layer(slot.initializer.removesuffix(".weight"), weight, bias.reshape(-1)))
    return layers


def activation(model: onnx.ModelProto) -> str:
    """The activation between the layers: ``elu``, ``relu`` or ``tanh``.

    Raises:
        ContractError: the graph is not a multilayer perceptron of the supported kind.
    """
    return _walk(model)[1]


def with_weights(
    model: onnx.ModelProto, weights: dict[str, np.ndarray], biases: dict[str, np.ndarray] | None = None
) -> onnx.ModelProto:
    """A copy of the model in which the named layers have other weights, (out, in), or biases, (out,).

    Raises:
        ContractError: a bias is given for a layer that has none.
    """
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    arrays = {}
    for slot in _walk(model)[0]:
        name = slot.initializer.removesuffix(".weight")
        if name in weights:
            arrays[slot.initializer] = weights[name].T if slot.transposed else weights[name]
        if name in (biases or {}):
            if slot.bias is None:
                raise ContractError(f"The policy's layer {name} has no bias to change.")
            arrays[slot.bias] = (biases or {})[name]
    for tensor in copy.graph.initializer:
        if tensor.name in arrays:
            array = arrays[tensor.name].astype(np.float32).reshape(tuple(tensor.dims))
            tensor.CopyFrom(numpy_helper.from_array(np.ascontiguousarray(array), tensor.name))
    return copy


def with_contract(model: onnx.ModelProto, contract: Contract) -> onnx.ModelProto:
    """The same model with ``contract`` as its metadata (in place)."""
    helper.set_model_props(model, contract.to_metadata())
    return model


def with_residual(model: onnx.ModelProto, layers: Sequence[Layer], reach: np.ndarray) -> None:
    """Add reach * tanh(f(obs)) to the model's output (in place); f has ELU between its layers.

    ``reach`` (J,) is in units of the output.
    """
    graph = model.graph
    obs, out = graph.input[0].name, graph.output[0].name
    for node in graph.node:
        node.output[:] = ["residual.base" if name == out else name for name in node.output]
    named = [layer._replace(name=f"residual.{layer.name}") for layer in layers]
    graph.node.extend(_nodes(named, "Elu", obs, "residual.f", "residual."))
    graph.node.extend(
        [
            helper.make_node("Tanh", ["residual.f"], ["residual.tanh"]),
            helper.make_node("Mul", ["residual.tanh", "residual.reach"], ["residual.change"]),
            helper.make_node("Add", ["residual.base", "residual.change"], [out]),
        ]
    )
    graph.initializer.extend(_tensors(named))
    graph.initializer.append(numpy_helper.from_array(np.asarray(reach, np.float32), "residual.reach"))


def build_model(layers: Sequence[Layer], activation: str, contract: Contract) -> onnx.ModelProto:
    """A perceptron with its contract.

    Raises:
        ContractError: as :func:`perceptron_model`.
    """
    return with_contract(perceptron_model(layers, activation), contract)


def perceptron_model(layers: Sequence[Layer], activation: str, squashed: bool = False) -> onnx.ModelProto:
    """A perceptron as an ONNX model, input ``obs`` (batch, in), output ``actions`` (batch, out).

    ``squashed``: with a hyperbolic tangent at its end.

    Raises:
        ContractError: unknown activation, or layers that do not fit together.
    """
    operators = {name: operator for operator, name in ACTIVATIONS.items()}
    if activation not in operators:
        raise ContractError(f"There is no activation '{activation}'; use {', '.join(operators)}.")
    for one, two in pairwise(layers):
        if len(one.weight) != two.weight.shape[1]:
            raise ContractError(f"Layer {two.name} does not fit the output of layer {one.name}.")
    out = "before" if squashed else "actions"
    nodes = _nodes(layers, operators[activation], out=out)
    if squashed:
        nodes.append(helper.make_node("Tanh", [out], ["actions"]))
    graph = helper.make_graph(
        nodes,
        "actor",
        [_value("obs", layers[0].weight.shape[1])],
        [_value("actions", len(layers[-1].weight))],
        _tensors(layers),
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=8)


def _nodes(
    layers: Sequence[Layer], operator: str, x: str = "obs", out: str = "actions", prefix: str = ""
) -> list[onnx.NodeProto]:
    nodes = []
    for i, layer in enumerate(layers):
        last = i == len(layers) - 1
        y = out if last else f"{prefix}linear_{i}"
        names = [x, f"{layer.name}.weight", f"{layer.name}.bias"]
        nodes.append(helper.make_node("Gemm", names, [y], transB=1))
        if not last:
            x = f"{prefix}hidden_{i}"
            nodes.append(helper.make_node(operator, [y], [x]))
    return nodes


def _tensors(layers: Iterable[Layer]) -> list[onnx.TensorProto]:
    tensors = []
    for layer in layers:
        for suffix, array in (("weight", layer.weight), ("bias", layer.bias)):
            array = np.ascontiguousarray(array, dtype=np.float32)
            tensors.append(numpy_helper.from_array(array, f"{layer.name}.{suffix}"))
    return tensors


def _value(name: str, width: int) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, ["batch", width])


def _initializers(model: onnx.ModelProto) -> dict[str, np.ndarray]:
    return {t.name: numpy_helper.to_array(t) for t in model.graph.initializer}


def _walk(model: onnx.ModelProto) -> tuple[list[_Slot], str]:
    """Follow the chain of nodes from input to output."""
    known = {t.name: t.dims for t in model.graph.initializer}
    x = next(v.name for v in model.graph.input if v.name not in known)
    slots: list[_Slot] = []
    kinds: set[str] = set()
    for node in model.graph.node:
        if x not in node.input:
            raise _foreign(node)
        slots = _read_node(node, x, known, slots, kinds)
        x = node.output[0]
    if not slots or len(kinds) > 1:
        raise ContractError("The policy's network is not a perceptron with one kind of activation.")
    return slots, next(iter(kinds), "elu")


def _read_node(node: onnx.NodeProto, x: str, known: dict, slots: list[_Slot], kinds: set[str]) -> list[_Slot]:
    """The slots with this node's; ``kinds`` collects the activations."""
    attributes = {a.name: helper.get_attribute_value(a) for a in node.attribute}
    others = [name for name in node.input if name != x]
    if not all(name in known for name in others):
        raise _foreign(node)
    if node.op_type == "Gemm" and node.input[0] == x and _plain_gemm(attributes):
        bias = others[1] if len(others) > 1 else None
        return [*slots, _Slot(others[0], not attributes.get("transB", 0), bias)]
    if node.op_type == "MatMul" and node.input[0] == x:
        return [*slots, _Slot(others[0], True, None)]
    if node.op_type == "Add" and slots and slots[-1].bias is None:
        return [*slots[:-1], slots[-1]._replace(bias=others[0])]
    if node.op_type in ACTIVATIONS and attributes.get("alpha", 1.0) == 1.0:
        kinds.add(ACTIVATIONS[node.op_type])
    elif node.op_type != "Identity":
        raise _foreign(node)
    return slots


def _plain_gemm(attributes: dict) -> bool:
    return (
        attributes.get("alpha", 1.0) == attributes.get("beta", 1.0) == 1.0
        and attributes.get("transA", 0) == 0
    )


def _foreign(node: onnx.NodeProto) -> ContractError:
    return ContractError(
        f"The policy's network has a {node.op_type} that is no part of a plain perceptron; "
        "adapters need Linear layers with ELU, ReLU or Tanh between them."
    )
