"""Trigger services: offered, and called without waiting; the answer is told when it comes."""

from collections.abc import Callable

from rclpy.client import Client
from rclpy.node import Node
from std_srvs.srv import Trigger


def offer(node: Node, service: str, answer: Callable[[], tuple[bool, str]]) -> None:
    """Offer a service; ``answer`` does what is asked for and gives success and message."""

    def serve(_: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        response.success, response.message = answer()
        return response

    node.create_service(Trigger, service, serve)


class Asking:
    """Asks services by name.

    Args:
        node: whose clients these are.
        answered: called with the service's name and the sentence it answered.
    """

    def __init__(self, node: Node, answered: Callable[[str, str], None]):
        self._node, self._answered = node, answered
        self._clients: dict[str, Client] = {}

    def ask(self, service: str) -> None:
        """Call a service; one that nobody offers is answered here."""
        client = self._clients.get(service)
        if client is None:
            client = self._clients[service] = self._node.create_client(Trigger, service)
        if not client.service_is_ready() and not client.wait_for_service(0.5):
            self._answered(service, "nobody offers it; is its node running?")
            return
        client.call_async(Trigger.Request()).add_done_callback(
            lambda future: self._answered(service, future.result().message)
        )
