"""Reads the parameters of every node of the graph, once each, without waiting for anybody."""

from collections.abc import Callable

from rcl_interfaces.srv import GetParameters, ListParameters
from rclpy.client import Client
from rclpy.node import Node
from rclpy.parameter import parameter_value_to_python
from rclpy.task import Future


class ParameterReader:
    """Asks nodes as they turn up; ``on_values(full name, values)`` gets what they answer."""

    def __init__(self, node: Node, on_values: Callable[[str, dict[str, str]], None]):
        self._node, self._on_values = node, on_values
        self._asked = {node.get_fully_qualified_name()}

    def look_around(self) -> None:
        """Ask those that are new; one whose services are not there yet is asked later."""
        for name, namespace in self._node.get_node_names_and_namespaces():
            full = f"{namespace.rstrip('/')}/{name}"
            if full not in self._asked:
                self._ask(full)

    def _ask(self, full: str) -> None:
        names: Client = self._node.create_client(ListParameters, f"{full}/list_parameters")
        values: Client = self._node.create_client(GetParameters, f"{full}/get_parameters")
        if not (names.service_is_ready() and values.service_is_ready()):
            self._node.destroy_client(names)
            self._node.destroy_client(values)
            return
        self._asked.add(full)

        def on_names(future: Future) -> None:
            found = list(future.result().result.names)
            request = GetParameters.Request(names=found)
            values.call_async(request).add_done_callback(lambda answer: on_answer(found, answer))

        def on_answer(found: list[str], future: Future) -> None:
            said = [parameter_value_to_python(value) for value in future.result().values]
            self._on_values(full, {key: str(value) for key, value in zip(found, said, strict=False)})
            self._node.destroy_client(names)
            self._node.destroy_client(values)

        names.call_async(ListParameters.Request()).add_done_callback(on_names)
