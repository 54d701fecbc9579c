"""The parameters of a simulator's node: how robot time runs, and the reality gap, changeable as it runs."""

from collections.abc import Callable, Iterable

from pydantic import ValidationError
from rcl_interfaces.msg import SetParametersResult
from rclpy.node import Node
from rclpy.parameter import Parameter

from ros2_rl.nodes.parameters import SEEDS, Row, declare, describe
from ros2_rl.robots import load_robot
from ros2_rl.sim.perturbations import Perturbations, flatten, load_gap, settings, unflatten

_PARAMETERS: tuple[Row, ...] = (
    ("robot", "go2", "robot in config/robots"),
    ("policy", "", "ONNX policy whose gains are carried out; empty: only the robot's own"),
    ("gap", "none", "reality gap in config/gaps"),
    ("gap_from_start", True, "apply the gap at once; false: when learner/phase says so"),
    ("speed", 1.0, "robot time by wall time, 1: real time", (0.01, 100.0)),
    ("seed", 0, "seed of the sensor noise", SEEDS),
    ("headless", True, "no window"),
)


class SimParameters:
    """Declares the parameters; those of the gap begin with the values of its file.

    Raises:
        ConfigError: there is no such gap, or a value is out of its range.
    """

    def __init__(self, node: Node, own: Iterable[Row]):
        """``own``: parameters that only this node has."""
        self._node = node
        self.value = declare(node, (*_PARAMETERS, *own))
        self._declare_gap(flatten(load_gap(self.value("gap"), load_robot(self.value("robot")))))

    def gap(self) -> Perturbations:
        """The gap as the parameters have it now."""
        return self._gap_with([])

    def follow(self, change: Callable[[Perturbations], None]) -> None:
        """Call ``change`` with the new gap when parameters change; what raises ValueError is refused."""

        def on_parameters(changed: list[Parameter]) -> SetParametersResult:
            try:
                change(self._gap_with(changed))
            except ValueError as error:
                return SetParametersResult(successful=False, reason=_reason(error))
            return SetParametersResult(successful=True)

        self._node.add_on_set_parameters_callback(on_parameters)

    def _gap_with(self, changed: list[Parameter]) -> Perturbations:
        """The gap after a change of some parameters."""
        names = [setting.name for setting in settings()]
        values = {name: self.value(name) for name in names}
        return unflatten(values | {p.name: p.value for p in changed if p.name in values})

    def _declare_gap(self, values: dict[str, float]) -> None:
        for setting in settings():
            fixed = setting.name == "terrain_roughness_m"
            value, span = values[setting.name], (setting.low, setting.high)
            descriptor = describe(value, setting.description, span, read_only=fixed)
            self._node.declare_parameter(setting.name, value, descriptor)


def _reason(error: ValueError) -> str:
    """One sentence about a value that is refused."""
    if not isinstance(error, ValidationError):
        return f"{error}."
    first = error.errors()[0]
    return f"{' '.join(map(str, first['loc']))}: {first['msg']}."
