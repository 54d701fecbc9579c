"""Waits for messages of one topic outside of the executor, with next to no cost for each.

An executor builds its wait set anew from all entities of a node for each message. Where one topic
sets the pace, a wait set with that topic alone is several times faster.
"""

from typing import Any

from rclpy.impl.implementation_singleton import rclpy_implementation as _rclpy
from rclpy.node import Node
from rclpy.qos import QoSProfile

from ros2_rl.nodes.polling import Gate


class TopicWait:
    """A subscription that its owner waits for; the executor of the node never looks at it."""

    def __init__(self, node: Node, msg_type: type, topic: str, qos: QoSProfile):
        self._type = msg_type
        self._subscription = node.create_subscription(
            msg_type, topic, _never_called, qos, callback_group=Gate()
        )
        self._waits = _rclpy.WaitSet(1, 0, 0, 0, 0, 0, node.context.handle)

    @property
    def topic(self) -> str:
        """Full name of the topic."""
        return self._subscription.topic_name

    def next(self, timeout_s: float) -> bytes | None:
        """The next message, as it came; None when none comes within ``timeout_s`` of wall time."""
        handle = self._subscription.handle
        with handle:
            taken = handle.take_message(self._type, True)
            if taken is None and timeout_s > 0.0:
                self._waits.clear_entities()
                self._waits.add_subscription(handle)
                self._waits.wait(int(timeout_s * 1e9))
                taken = handle.take_message(self._type, True)
        return None if taken is None else taken[0]


def _never_called(_: Any) -> None:
    """The gate of the subscription stays shut."""
