"""How every node starts and ends: signals, errors, exit status."""

import signal
import sys
from collections.abc import Callable

import rclpy
from rclpy.exceptions import ParameterException
from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor
from rclpy.node import Node
from rclpy.signals import SignalHandlerOptions

from ros2_rl.errors import Ros2RlError

_LOOK_S = 0.1
"""How often a quiet node looks whether it is to stop, s."""


def run(node_factory: Callable[[], Node], args: list[str] | None = None) -> int:
    """Spin a node until SIGINT, SIGTERM or a shutdown; returns the exit status.

    The node's ``close()``, if it has one, runs while it can still publish. A ``Ros2RlError`` ends
    the node with its sentence on stderr and status 1; a second signal ends it at once.
    """
    stop: list[int] = []
    # rclpy's own handlers would shut the context down before close() can publish.
    rclpy.init(args=args, signal_handler_options=SignalHandlerOptions.NO)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda n, _: _note(stop, n))
    try:
        return _spin(node_factory, stop)
    except (Ros2RlError, ParameterException) as error:
        print(error, file=sys.stderr)
        return 1
    except (KeyboardInterrupt, ExternalShutdownException):
        return 0
    finally:
        rclpy.try_shutdown()


def _note(stop: list[int], number: int) -> None:
    if stop:
        raise KeyboardInterrupt
    stop.append(number)


def _spin(node_factory: Callable[[], Node], stop: list[int]) -> int:
    node = node_factory()
    executor = SingleThreadedExecutor()
    executor.add_node(node)
    try:
        while not stop and rclpy.ok():
            executor.spin_once(timeout_sec=_LOOK_S)
    finally:
        close = getattr(node, "close", None)
        if close is not None and rclpy.ok():
            close()
        executor.shutdown()
        node.destroy_node()
    return 0
