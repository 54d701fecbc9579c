"""How every node starts and ends: signals, errors, exit status."""

import signal
import sys
from collections.abc import Callable, Sequence

import rclpy
from rclpy.exceptions import ParameterException
from rclpy.executors import Executor, ExternalShutdownException, SingleThreadedExecutor
from rclpy.node import Node
from rclpy.signals import SignalHandlerOptions

from ros2_rl.errors import ConfigError, Ros2RlError

_LOOK_S = 0.1
"""How often a quiet node looks whether it is to stop, s."""


def run(node_factory: Callable[[], Node], args: list[str] | None = None) -> int:
    """Spin a node until SIGINT, SIGTERM or a shutdown; returns the exit status.

    The node's ``close()``, if it has one, runs while it can still publish. A ``Ros2RlError`` ends
    the node with its sentence on stderr and status 1; a second signal ends it at once.
    """
    return run_together([node_factory], args, lambda _, executor: executor.spin_once(timeout_sec=_LOOK_S))


def run_together(
    factories: Sequence[Callable[[], Node]],
    args: list[str] | None,
    turn: Callable[[list[Node], Executor], None],
) -> int:
    """Several nodes in one process, see :func:`run`; ``turn`` serves them for a moment at a time."""
    stop: list[int] = []
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda n, _: _note(stop, n))
    try:
        _init(args)
        return _spin(factories, stop, turn)
    except (Ros2RlError, ParameterException) as error:
        print(error, file=sys.stderr)
        return 1
    except (KeyboardInterrupt, ExternalShutdownException):
        return 0
    finally:
        rclpy.try_shutdown()


def _init(args: list[str] | None) -> None:
    try:
        # rclpy's own handlers would shut the context down before close() can publish.
        rclpy.init(args=args, signal_handler_options=SignalHandlerOptions.NO)
    except RuntimeError as error:
        reason = str(error).removeprefix("failed to initialize rcl: ").split(", at ")[0]
        raise ConfigError(f"The arguments after --ros-args cannot be read: {reason}.") from error


def _note(stop: list[int], number: int) -> None:
    if stop:
        raise KeyboardInterrupt
    stop.append(number)


def _spin(
    factories: Sequence[Callable[[], Node]],
    stop: list[int],
    turn: Callable[[list[Node], Executor], None],
) -> int:
    executor = SingleThreadedExecutor()
    nodes: list[Node] = []
    try:
        for factory in factories:
            nodes.append(factory())
            executor.add_node(nodes[-1])
        while not stop and rclpy.ok():
            turn(nodes, executor)
    finally:
        for node in nodes:
            close = getattr(node, "close", None)
            if close is not None and rclpy.ok():
                close()
        executor.shutdown()
        for node in nodes:
            node.destroy_node()
    return 0
