"""From an ONNX graph to the plain perceptron that it computes, where it is one.

Exporters leave a normaliser before the first layer and constants of several kinds in between. All
that is affine is folded into the nearest linear layer; the result must answer as the graph did.
"""

from dataclasses import dataclass, field

import numpy as np
import onnx
from onnx import helper, numpy_helper

from ros2_rl.policy.mlp import ACTIVATIONS
from ros2_rl.policy.onnx_policy import Layer


@dataclass
class _Chain:
    """Layers so far, and the affine map y = scale x + shift since the last activation."""

    layers: list[Layer] = field(default_factory=list)
    open: bool = False
    """Whether nothing but affine maps came after the last layer."""
    scale: np.ndarray = field(default_factory=lambda: np.ones(()))
    shift: np.ndarray = field(default_factory=lambda: np.zeros(()))
    kinds: set[str] = field(default_factory=set)

    def affine(self, scale: np.ndarray, shift: np.ndarray) -> None:
        """Multiply by ``scale``, then add ``shift``; into the last layer where it is open."""
        if self.open:
            last = self.layers.pop()
            weight = last.weight * np.broadcast_to(scale, last.bias.shape)[:, None]
            self.layers.append(Layer(last.name, weight, last.bias * scale + shift))
        else:
            self.scale, self.shift = self.scale * scale, self.shift * scale + shift

    def linear(self, weight: np.ndarray, bias: np.ndarray) -> None:
        """One layer, (out, in); two without an activation between them are one."""
        inputs = weight.shape[1]
        bias = bias + weight @ np.broadcast_to(self.shift, inputs)
        weight = weight * np.broadcast_to(self.scale, inputs)
        self.scale, self.shift = np.ones(()), np.zeros(())
        if self.open:
            last = self.layers.pop()
            weight, bias = weight @ last.weight, weight @ last.bias + bias
        self.layers.append(Layer(f"actor.{2 * len(self.layers)}", weight, bias))
        self.open = True

    def activation(self, kind: str) -> None:
        self.kinds.add(kind)
        self.open = False


def perceptron(model: onnx.ModelProto) -> tuple[list[Layer], str] | None:
    """Layers (float32) and activation of the graph; None when it is no perceptron."""
    constants = {t.name: numpy_helper.to_array(t).astype(float) for t in model.graph.initializer}
    x = next(v.name for v in model.graph.input if v.name not in constants)
    chain = _Chain()
    for node in model.graph.node:
        if node.op_type == "Constant":
            attribute = {a.name: helper.get_attribute_value(a) for a in node.attribute}
            if "value" not in attribute:
                return None
            constants[node.output[0]] = numpy_helper.to_array(attribute["value"]).astype(float)
        elif x not in node.input or not _take(node, x, constants, chain):
            return None
        else:
            x = node.output[0]
    if not chain.open or len(chain.kinds) > 1 or x != model.graph.output[0].name:
        return None
    layers = [Layer(n, w.astype(np.float32), b.astype(np.float32)) for n, w, b in chain.layers]
    return layers, next(iter(chain.kinds), "elu")


def _take(node: onnx.NodeProto, x: str, constants: dict[str, np.ndarray], chain: _Chain) -> bool:
    """Add a node to the chain; False when it does not belong into a perceptron."""
    attributes = {a.name: helper.get_attribute_value(a) for a in node.attribute}
    others = [constants.get(name) for name in node.input if name != x]
    if any(other is None for other in others) or len(others) + 1 != len(node.input):
        return False
    if node.op_type in ACTIVATIONS and attributes.get("alpha", 1.0) == 1.0:
        if not chain.layers:
            return False
        chain.activation(ACTIVATIONS[node.op_type])
        return True
    first, arrays = node.input[0] == x, [other for other in others if other is not None]
    if node.op_type == "Gemm" and first:
        return _gemm(arrays, attributes, chain)
    if node.op_type == "MatMul" and first and arrays[0].ndim == 2:
        chain.linear(arrays[0].T, np.zeros(arrays[0].shape[1]))
        return True
    return _elementwise(node.op_type, first, arrays, chain)


def _gemm(arrays: list[np.ndarray], attributes: dict, chain: _Chain) -> bool:
    if attributes.get("transA", 0):
        return False
    weight = arrays[0] if attributes.get("transB", 0) else arrays[0].T
    bias = arrays[1].ravel() if len(arrays) > 1 else np.zeros(len(weight))
    chain.linear(attributes.get("alpha", 1.0) * weight, attributes.get("beta", 1.0) * bias)
    return True


def _elementwise(operator: str, first: bool, arrays: list[np.ndarray], chain: _Chain) -> bool:
    """Add, Sub, Mul, Div by a vector or a number; Identity."""
    if operator == "Identity":
        return True
    if len(arrays) != 1 or arrays[0].size != max(arrays[0].shape, default=1):
        return False
    value = arrays[0].ravel() if arrays[0].size > 1 else arrays[0].reshape(())
    one, zero = np.ones(()), np.zeros(())
    maps = {"Add": (one, value), "Mul": (value, zero), "Sub": (one, -value) if first else (-one, value)}
    if first and operator == "Div":
        with np.errstate(divide="ignore"):
            maps["Div"] = (1.0 / value, zero)
    if operator not in maps:
        return False
    chain.affine(*maps[operator])
    return True
