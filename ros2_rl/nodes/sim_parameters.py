"""The parameters of a simulator's node: how robot time runs, and the reality gap, changeable as it runs."""

from collections.abc import Iterable
from typing import Any

from pydantic import ValidationError
from rcl_interfaces.msg import FloatingPointRange, IntegerRange, ParameterDescriptor
from rclpy.node import Node
from rclpy.parameter import Parameter

from ros2_rl.robots import load_robot
from ros2_rl.sim.perturbations import Perturbations, flatten, load_gap, settings, unflatten

Table = Iterable[tuple[str, Any, str, tuple | None]]
"""Name, default, description and range."""


class SimParameters:
    """Declares the parameters; those of the gap begin with the values of its file.

    Raises:
        ConfigError: there is no such gap, or a value is out of its range.
    """

    def __init__(self, node: Node, own: Table):
        """``own``: parameters that only this node has."""
        self._node = node
        self._declare_fixed(own)
        self._declare_gap(flatten(load_gap(self.value("gap"), load_robot(self.value("robot")))))

    def value(self, name: str) -> Any:
        return self._node.get_parameter(name).value

    def gap(self) -> Perturbations:
        """The gap as the parameters have it now."""
        return self.gap_with([])

    def gap_with(self, changed: list[Parameter]) -> Perturbations:
        """The gap after a change of some parameters.

        Raises:
            ValueError: a value is out of its range.
        """
        names = [setting.name for setting in settings()]
        values = {name: self.value(name) for name in names}
        return unflatten(values | {p.name: p.value for p in changed if p.name in values})

    @staticmethod
    def reason(error: ValueError) -> str:
        """One sentence about a value that is refused."""
        if not isinstance(error, ValidationError):
            return f"{error}."
        first = error.errors()[0]
        return f"{' '.join(map(str, first['loc']))}: {first['msg']}."

    def _declare_fixed(self, own: Table) -> None:
        for name, default, text, span in (
            ("robot", "go2", "robot in config/robots", None),
            ("policy", "", "ONNX policy whose gains are carried out; empty: only the robot's own", None),
            ("gap", "none", "reality gap in config/gaps", None),
            ("gap_from_start", True, "apply the gap at once; false: when learner/phase says so", None),
            ("speed", 1.0, "robot time by wall time, 1: real time", (0.01, 100.0)),
            ("seed", 0, "seed of the sensor noise", (0, 2**31 - 1)),
            ("headless", True, "no window", None),
            *own,
        ):  # fmt: skip
            self._node.declare_parameter(name, default, _descriptor(text, span, read_only=True))

    def _declare_gap(self, values: dict[str, float]) -> None:
        for setting in settings():
            fixed = setting.name == "terrain_roughness_m"
            descriptor = _descriptor(setting.description, (setting.low, setting.high), read_only=fixed)
            self._node.declare_parameter(setting.name, values[setting.name], descriptor)


def _descriptor(text: str, span: tuple | None, read_only: bool) -> ParameterDescriptor:
    descriptor = ParameterDescriptor(description=text, read_only=read_only)
    if span is not None and isinstance(span[0], float):
        descriptor.floating_point_range = [FloatingPointRange(from_value=span[0], to_value=span[1])]
    elif span is not None:
        descriptor.integer_range = [IntegerRange(from_value=span[0], to_value=span[1], step=1)]
    return descriptor
