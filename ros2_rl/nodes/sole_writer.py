"""That a node is the only one that commands: two writers would fight, and nobody could say what comes out."""

import time

from rclpy.node import Node

from ros2_rl.errors import ConfigError

_DISCOVERY_S = 2.0
_LINGERS_S = 3


class SoleWriter:
    """Watches over the other writers of a topic that the node is about to write.

    A second writer that comes later is not the end at once: the node stays for a few seconds, since discovery
    takes its time. Should the other one be of the same kind, it finds this one and refuses likewise.
    """

    def __init__(self, node: Node, topic: str):
        """Leave a robot that somebody else commands alone.

        Raises:
            ConfigError: the topic has a writer already.
        """
        self._node, self.topic = node, node.resolve_topic_name(topic)
        self._seconds = 0
        end = time.monotonic() + _DISCOVERY_S
        while time.monotonic() < end:
            if node.count_publishers(self.topic):
                raise ConfigError(
                    f"{self.topic} has a writer already, and two would fight: end the other one first."
                )
            time.sleep(0.05)

    @property
    def rivalled(self) -> bool:
        """Whether there was ever a second writer."""
        return self._seconds > 0

    @property
    def cause(self) -> str:
        """Why the robot is stopped then."""
        return f"a second writer on {self.topic}"

    def appears(self) -> bool:
        """Whether a second writer is seen, for the first time."""
        if self.rivalled or self._node.count_publishers(self.topic) < 2:
            return False
        self._seconds = 1
        return True

    def each_second(self, stance: str) -> None:
        """End soon after a second writer was found; ``stance``: what the robot does meanwhile.

        Raises:
            ConfigError: that time is over.
        """
        if not self.rivalled:
            return
        self._seconds += 1
        if self._seconds > _LINGERS_S:
            raise ConfigError(f"There is {self.cause}: {stance}; end the other one, then start again.")
