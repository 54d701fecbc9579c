"""When robot time may begin: everybody whom the robot needs is there and has found its topics.

Discovery goes both ways: a node whose topics are seen here may not see the state yet, and a run that misses
the first states is not the same run.
"""

import time
from collections.abc import Iterable

from rclpy.node import Node

_SETTLED_S = 0.5
"""The readers of the state have to be the same for so long, wall time, s."""


class Audience:
    """Counts those who are awaited and those who read."""

    def __init__(self, node: Node, awaited: Iterable[str]):
        """``awaited``: topics that each need a publisher; empty names count for nothing."""
        self._node = node
        self.awaited = [topic for topic in awaited if topic]
        self._readers: tuple[int, ...] = ()
        self._settled = time.monotonic()

    def there(self, readers: tuple[int, ...]) -> bool:
        """Whether all are there; ``readers``: how many read each topic of the robot's state now."""
        now = time.monotonic()
        if readers != self._readers:
            self._readers, self._settled = readers, now
        count, name = self._node.count_publishers, self._node.resolve_topic_name
        return all(count(name(topic)) for topic in self.awaited) and now - self._settled >= _SETTLED_S
