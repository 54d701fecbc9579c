"""How a node declares its parameters: each described, with its range, fixed unless it is said to change."""

from collections.abc import Callable, Iterable
from typing import Any

from rcl_interfaces.msg import FloatingPointRange, IntegerRange, ParameterDescriptor
from rclpy.node import Node

Span = tuple[float, float]
Row = tuple[str, Any, str] | tuple[str, Any, str, Span]
"""Name, default, description, and lowest and highest value of a number."""
SEEDS = (0, 2**31 - 1)


def declare(node: Node, table: Iterable[Row]) -> Callable[[str], Any]:
    """Declare a table of parameters that nobody may change later; returns what reads one by its name."""
    for row in table:
        name, default, text = row[:3]
        span = row[3] if len(row) == 4 else None
        node.declare_parameter(name, default, describe(default, text, span))
    return lambda name: node.get_parameter(name).value


def describe(
    default: Any, text: str, span: Span | None = None, read_only: bool = True
) -> ParameterDescriptor:
    """What is said of a parameter; the range is one of whole numbers where the default is one."""
    descriptor = ParameterDescriptor(description=text, read_only=read_only)
    if span is not None and isinstance(default, int):
        descriptor.integer_range = [IntegerRange(from_value=int(span[0]), to_value=int(span[1]), step=1)]
    elif span is not None:
        descriptor.floating_point_range = [
            FloatingPointRange(from_value=float(span[0]), to_value=float(span[1]))
        ]
    return descriptor
