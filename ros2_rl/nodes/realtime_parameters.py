"""The parameters of a control node that wish for real-time treatment."""

from rcl_interfaces.msg import ParameterType
from rclpy.node import Node

from ros2_rl.nodes.parameters import Row, declare, describe
from ros2_rl.realtime import HIGHEST_PRIORITY, Wish, apply

_PARAMETERS: tuple[Row, ...] = (
    ("realtime_priority", 0, "SCHED_FIFO priority; 0: off", (0, HIGHEST_PRIORITY)),
    ("lock_memory", False, "keep the memory of the process from being paged out"),
)


def treat(node: Node, urgent: tuple[int, ...] = ()) -> None:
    """Declare the parameters and get what they wish for; what cannot be had is a warning.

    Called once the node's topics and its own threads are there, so that they are treated as well: a thread
    that waits for a core while it holds the interpreter would hold up those that need not wait. Threads that
    are ``urgent`` (native ids) go before the others of the process.
    """
    value = declare(node, _PARAMETERS)
    _wish(node, Wish(value("realtime_priority"), value("lock_memory"), _cores(node), urgent))


def keep_to_cores(node: Node) -> None:
    """Declare ``cores`` alone, and keep the process to them; for a node that is never in a hurry."""
    _wish(node, Wish(cores=_cores(node)))


def _cores(node: Node) -> tuple[int, ...]:
    descriptor = describe([-1], "cores that the process runs on; -1: any")
    descriptor.type = ParameterType.PARAMETER_INTEGER_ARRAY
    return tuple(core for core in node.declare_parameter("cores", [-1], descriptor).value if core >= 0)


def _wish(node: Node, wish: Wish) -> None:
    for complaint in apply(wish):
        node.get_logger().warning(complaint)
