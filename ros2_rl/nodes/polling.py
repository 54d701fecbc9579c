"""Subscriptions that cost nothing until somebody looks.

An rclpy executor spends far more on waking up for a message than this stack on using it, and most
states fall between two control steps. A polled input stays out of the executor's wait set; its
queue is emptied when a control step needs it, and messages are deserialised only then.
"""

from collections import deque
from collections.abc import Callable
from typing import Any

from rclpy.callback_groups import CallbackGroup
from rclpy.node import Node
from rclpy.qos import QoSProfile
from rclpy.serialization import deserialize_message

from ros2_rl.cdr import header_stamp


class Gate(CallbackGroup):
    """Lets the executor wait for the inputs behind it only while it is open."""

    def __init__(self) -> None:
        super().__init__()
        self.open = False

    def can_execute(self, entity) -> bool:
        return self.open

    def beginning_execution(self, entity) -> bool:
        return True

    def ending_execution(self, entity) -> None:
        pass


class PolledInput:
    """The latest messages of a topic, taken on demand.

    Args:
        stamp_of: stamp in nanoseconds of a serialised message.
        woken: called when a message comes while the gate is open.
    """

    def __init__(
        self,
        node: Node,
        msg_type: type,
        topic: str,
        qos: QoSProfile,
        gate: Gate,
        woken: Callable[[], None],
        stamp_of: Callable[[bytes], int] = header_stamp,
    ):
        self._type, self._stamp_of, self._woken = msg_type, stamp_of, woken
        self._raws: deque[bytes] = deque(maxlen=qos.depth)
        self._subscription = node.create_subscription(
            msg_type, topic, self._on_raw, qos, raw=True, callback_group=gate
        )

    @property
    def has_publisher(self) -> bool:
        return self._subscription.get_publisher_count() > 0

    def take(self) -> list[Any]:
        """Everything that has come since, deserialised, oldest first."""
        return [deserialize_message(raw, self._type) for raw in self.take_raw()]

    def take_raw(self) -> list[bytes]:
        """As :meth:`take`, as they came."""
        self._drain()
        raws, self._raws = list(self._raws), deque(maxlen=self._raws.maxlen)
        return raws

    def last(self) -> Any | None:
        """The newest message that has come since, deserialised alone; what came before it is let go."""
        raw = self.last_raw()
        return None if raw is None else deserialize_message(raw, self._type)

    def last_raw(self) -> bytes | None:
        """As :meth:`last`, as it came."""
        self._drain()
        raw = self._raws[-1] if self._raws else None
        self._raws.clear()
        return raw

    def raw_at(self, stamp_ns: int) -> bytes | None:
        """The message of exactly this stamp, as it came, if it is there."""
        self._drain()
        return next((raw for raw in reversed(self._raws) if self._stamp_of(raw) == stamp_ns), None)

    def newest_raw(self, stamp_ns: int, max_age_ns: int) -> bytes | None:
        """The message of this stamp, or else the newest one if it is not older than ``max_age_ns``."""
        raw = self.raw_at(stamp_ns)
        if raw is None and self._raws and stamp_ns - self._stamp_of(self._raws[-1]) <= max_age_ns:
            raw = self._raws[-1]
        return raw

    def _drain(self) -> None:
        with self._subscription.handle:
            while (taken := self._subscription.handle.take_message(self._type, True)) is not None:
                self._raws.append(taken[0])

    def _on_raw(self, raw: bytes) -> None:
        self._raws.append(raw)
        self._woken()
