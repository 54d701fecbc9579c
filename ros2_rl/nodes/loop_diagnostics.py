"""What every node with a loop tells on ``diagnostics``: its rate, execution time and latency, judged."""

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from rclpy.node import Node

from ros2_rl.health import LoopLimits, LoopStats
from ros2_rl.nodes.conversions import reliable, status_msg, to_time
from ros2_rl.nodes.parameters import declare

_SPAN = (0.0, 100_000.0)


class LoopDiagnostics(LoopStats):
    """Declares the thresholds as parameters of a node, and publishes what it is told with them.

    A node that has a parameter ``lockstep`` is judged by wall times only where that is false.
    """

    def __init__(
        self, node: Node, min_rate_hz: float = 0.0, max_execution_ms: float = 0.0, max_latency_ms: float = 0.0
    ):
        value = declare(node, [
            (f"diagnostics.{name}", default, f"{text}; 0: not judged", _SPAN)
            for name, default, text in (
                ("min_rate_hz", min_rate_hz, "lowest rate of the loop in robot time, Hz"),
                ("max_execution_ms", max_execution_ms, "longest execution (99 %), ms"),
                ("max_latency_ms", max_latency_ms, "longest time to an answer (99 %), ms"),
            )
        ])  # fmt: skip
        if not node.has_parameter("lockstep"):
            text = "the robot waits for every answer, so that wall times are not judged"
            declare(node, [("lockstep", False, text)])
        limits = {name: value(f"diagnostics.{name}") for name in LoopLimits.__dataclass_fields__}
        super().__init__(LoopLimits(**limits), timed=not value("lockstep"))
        self._name = node.get_name()
        self._publisher = node.create_publisher(DiagnosticArray, "diagnostics", reliable(10))

    def tell(self, stamp_ns: int, text: str, level: bytes = DiagnosticStatus.OK, /, **values: object) -> None:
        """Publish a node's own word with the figures of its loop; the worse level holds."""
        judged, complaint, figures = self.look()
        if judged and level == DiagnosticStatus.OK:
            level, text = DiagnosticStatus.WARN, f"{text}; {complaint}"
        message = DiagnosticArray(status=[status_msg(self._name, text, level, **values, **figures)])
        message.header.stamp = to_time(stamp_ns)
        self._publisher.publish(message)
