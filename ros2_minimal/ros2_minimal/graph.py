"""Looks at the graph, with rclpy."""

import argparse
import array
import contextlib
import importlib
import signal
import time
from collections import deque
from collections.abc import Iterator
from typing import Any

import numpy as np
import rclpy
import yaml
from rclpy.node import Node
from rclpy.parameter import Parameter, parameter_value_to_python
from rclpy.parameter_client import AsyncParameterClient
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from rclpy.signals import SignalHandlerOptions

_SETTLE_S = 1.0
"""How long other nodes are given to be discovered."""
_PATIENCE_S = 10.0
"""How long an answer may take."""


@contextlib.contextmanager
def _node() -> Iterator[Node]:
    # Ctrl-C is Python's alone: rclpy's handler would race it and end the loop in another way. Whoever
    # was started by a script in the background begins with it ignored.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    rclpy.init(signal_handler_options=SignalHandlerOptions.NO)
    node = Node("_ros2_minimal", start_parameter_services=False, enable_rosout=False)
    try:
        yield node
    finally:
        node.destroy_node()
        rclpy.try_shutdown()


def _settle(node: Node) -> None:
    end = time.monotonic() + _SETTLE_S
    while time.monotonic() < end:
        rclpy.spin_once(node, timeout_sec=0.1)


# ---- names


def topic_list(args: argparse.Namespace) -> int:
    """Names of the topics, with their types if asked for."""
    with _node() as node:
        _settle(node)
        for name, types in sorted(node.get_topic_names_and_types()):
            print(f"{name} [{', '.join(types)}]" if args.show_types else name)
    return 0


def node_list(args: argparse.Namespace) -> int:
    """Names of the nodes."""
    with _node() as node:
        _settle(node)
        for name, namespace in sorted(node.get_node_names_and_namespaces()):
            if not name.startswith("_"):
                print(f"{namespace.rstrip('/')}/{name}")
    return 0


def service_list(args: argparse.Namespace) -> int:
    """Names of the services."""
    with _node() as node:
        _settle(node)
        for name, _ in sorted(node.get_service_names_and_types()):
            print(name)
    return 0


# ---- messages


def topic_echo(args: argparse.Namespace) -> int:
    """Messages as YAML, until interrupted or once."""
    with _node() as node:
        seen: list[int] = []

        def show(message: Any) -> None:
            print(
                yaml.safe_dump(as_plain(message), sort_keys=False, default_flow_style=None),
                end="---\n",
                flush=True,
            )
            seen.append(1)

        _subscribe(node, args.topic, args.type, show, raw=False)
        while rclpy.ok() and not (args.once and seen):
            rclpy.spin_once(node, timeout_sec=0.1)
    return 0


def topic_hz(args: argparse.Namespace) -> int:
    """Rate and spread of the time between messages, once a second."""
    times: deque[float] = deque(maxlen=args.window)
    with _node() as node:
        _subscribe(node, args.topic, None, lambda _: times.append(time.monotonic()), raw=True)
        told = time.monotonic()
        while rclpy.ok():
            rclpy.spin_once(node, timeout_sec=0.1)
            if time.monotonic() - told >= 1.0 and len(times) > 1:
                told = time.monotonic()
                print(rate(times), flush=True)
    return 0


def rate(times: deque[float]) -> str:
    """Rate and spread of arrival times in seconds, as text."""
    gaps = np.diff(np.array(times))
    return (
        f"average rate: {1 / gaps.mean():.3f}\n\tmin: {gaps.min():.3f}s max: {gaps.max():.3f}s "
        f"std dev: {gaps.std():.5f}s window: {len(times)}"
    )


def _subscribe(node: Node, topic: str, kind: str | None, callback, raw: bool) -> None:
    """Subscribe with a QoS that fits every publisher there is."""
    name = topic if topic.startswith("/") else f"/{topic}"
    deadline = time.monotonic() + _PATIENCE_S
    while not (publishers := node.get_publishers_info_by_topic(name)) and kind is None:
        if time.monotonic() > deadline:
            raise LookupError(f"Nobody publishes {name}; ros2 topic list shows the topics that there are.")
        rclpy.spin_once(node, timeout_sec=0.1)
    profiles = [publisher.qos_profile for publisher in publishers]
    qos = QoSProfile(depth=100, reliability=ReliabilityPolicy.BEST_EFFORT)
    if profiles and all(p.reliability == ReliabilityPolicy.RELIABLE for p in profiles):
        qos.reliability = ReliabilityPolicy.RELIABLE
    if profiles and all(p.durability == DurabilityPolicy.TRANSIENT_LOCAL for p in profiles):
        qos.durability = DurabilityPolicy.TRANSIENT_LOCAL
    node.create_subscription(_interface(kind or publishers[0].topic_type), name, callback, qos, raw=raw)


# ---- services


def service_call(args: argparse.Namespace) -> int:
    """Call a service; the answer is printed, and the status is 1 where it says no."""
    kind = _interface(args.type)
    with _node() as node:
        client = node.create_client(kind, args.service)
        if not client.wait_for_service(_PATIENCE_S):
            raise LookupError(
                f"Nobody serves {args.service}; ros2 service list shows the services that there are."
            )
        answer = _answer(
            node, client.call_async(kind.Request(**(yaml.safe_load(args.values) or {}))), args.service
        )
    print(yaml.safe_dump(as_plain(answer), sort_keys=False), end="")
    return 0 if getattr(answer, "success", True) else 1


def _answer(node: Node, future: Any, what: str) -> Any:
    rclpy.spin_until_future_complete(node, future, timeout_sec=_PATIENCE_S)
    if not future.done():
        raise RuntimeError(f"{what} gave no answer within {_PATIENCE_S:g} s.")
    return future.result()


# ---- parameters


def param_list(args: argparse.Namespace) -> int:
    """Names of a node's parameters."""
    with _node() as node:
        names = _answer(node, _parameters(node, args.node).list_parameters(), args.node).result.names
    print("\n".join(f"  {name}" for name in sorted(names)))
    return 0


def param_get(args: argparse.Namespace) -> int:
    """One parameter."""
    with _node() as node:
        (value,) = _answer(node, _parameters(node, args.node).get_parameters([args.name]), args.node).values
    if value.type == 0:
        raise LookupError(f"{args.node} has no parameter '{args.name}'; ros2 param list {args.node}")
    print(yaml.safe_dump(as_plain(parameter_value_to_python(value))).removesuffix("...\n"), end="")
    return 0


def param_set(args: argparse.Namespace) -> int:
    """Set one parameter; status 1 where the node refuses."""
    parameter = Parameter(args.name, value=yaml.safe_load(args.value))
    with _node() as node:
        (result,) = _answer(node, _parameters(node, args.node).set_parameters([parameter]), args.node).results
    if not result.successful:
        raise RuntimeError(f"{args.node} refused {args.name}: {result.reason or 'no reason given'}")
    print("Set parameter successful")
    return 0


def _parameters(node: Node, name: str) -> AsyncParameterClient:
    client = AsyncParameterClient(node, name)
    if not client.wait_for_services(_PATIENCE_S):
        raise LookupError(f"There is no node {name}; ros2 node list shows the nodes that there are.")
    return client


# ---- messages as plain values


def as_plain(value: Any) -> Any:
    """A message as dictionaries, lists and numbers."""
    if hasattr(value, "get_fields_and_field_types"):
        return {name: as_plain(getattr(value, name)) for name in value.get_fields_and_field_types()}
    if isinstance(value, np.ndarray):
        return value.tolist()
    if isinstance(value, (list, tuple, array.array)):
        return [as_plain(item) for item in value]
    return list(value) if isinstance(value, bytes) else value


def _interface(kind: str) -> Any:
    """``std_srvs/srv/Trigger`` or ``std_srvs/Trigger`` as a class."""
    parts = kind.split("/")
    if len(parts) not in (2, 3):
        raise ValueError(f"A type is written package/msg/Name or package/srv/Name, not '{kind}'.")
    folders = [parts[1]] if len(parts) == 3 else ["msg", "srv"]
    for folder in folders:
        with contextlib.suppress(ImportError):
            module = importlib.import_module(f"{parts[0]}.{folder}")
            if hasattr(module, parts[-1]):
                return getattr(module, parts[-1])
    raise LookupError(f"The type '{kind}' is not installed.")
