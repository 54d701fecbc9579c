"""The parameters of a control node that wish for real-time treatment."""

from rcl_interfaces.msg import IntegerRange, ParameterDescriptor, ParameterType
from rclpy.node import Node

from ros2_rl.realtime import HIGHEST_PRIORITY, Wish, apply


def treat(node: Node, urgent: tuple[int, ...] = ()) -> None:
    """Declare the parameters and get what they wish for; what cannot be had is a warning.

    Called once the node's topics and its own threads are there, so that they are treated as well: a thread
    that waits for a core while it holds the interpreter would hold up those that need not wait. Threads that
    are ``urgent`` (native ids) go before the others of the process.
    """
    priorities = [IntegerRange(from_value=0, to_value=HIGHEST_PRIORITY, step=1)]
    for name, default, descriptor in (
        ("realtime_priority", 0, {"description": "SCHED_FIFO priority; 0: off", "integer_range": priorities}),
        ("lock_memory", False, {"description": "keep the memory of the process from being paged out"}),
    ):
        node.declare_parameter(name, default, ParameterDescriptor(read_only=True, **descriptor))
    value = lambda name: node.get_parameter(name).value  # noqa: E731
    _wish(node, Wish(value("realtime_priority"), value("lock_memory"), _cores(node), urgent))


def keep_to_cores(node: Node) -> None:
    """Declare ``cores`` alone, and keep the process to them; for a node that is never in a hurry."""
    _wish(node, Wish(cores=_cores(node)))


def _cores(node: Node) -> tuple[int, ...]:
    integers = ParameterType.PARAMETER_INTEGER_ARRAY
    text = "cores that the process runs on; -1: any"
    descriptor = ParameterDescriptor(description=text, type=integers, read_only=True)
    return tuple(core for core in node.declare_parameter("cores", [-1], descriptor).value if core >= 0)


def _wish(node: Node, wish: Wish) -> None:
    for complaint in apply(wish):
        node.get_logger().warning(complaint)
