"""Node ``health_monitor``: what all nodes say on ``diagnostics``, in one line.

``diagnostics_toplevel_state``, the name that ROS's own aggregator uses, has the worst level of all
nodes and what is wrong; a change of the level is logged.
"""

import sys
import time

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from rclpy.clock import Clock, ClockType
from rclpy.node import Node

from ros2_rl.health import LEVELS, OK, HealthBoard
from ros2_rl.nodes._main import run
from ros2_rl.nodes.conversions import reliable, status_msg, status_values


class HealthMonitor(Node):
    """Topics around :class:`HealthBoard`."""

    def __init__(self) -> None:
        super().__init__("health_monitor")
        self._board, self._level = HealthBoard(), OK
        self._publisher = self.create_publisher(DiagnosticStatus, "diagnostics_toplevel_state", reliable(1))
        self.create_subscription(DiagnosticArray, "diagnostics", self._on_diagnostics, reliable(50))
        self.create_timer(1.0, self._each_second, clock=Clock(clock_type=ClockType.STEADY_TIME))

    def _on_diagnostics(self, msg: DiagnosticArray) -> None:
        for status in msg.status:
            level = int.from_bytes(status.level, "little")
            self._board.heard(status.name, level, status.message, status_values(status), time.monotonic())

    def _each_second(self) -> None:
        now = time.monotonic()
        level, text = self._board.line(now)
        values = {name: LEVELS[self._board.level_of(name, now)] for name in sorted(self._board.nodes)}
        self._publisher.publish(status_msg("health", text, bytes([level]), **values))
        if self._board.nodes and level != self._level:
            self._level = level
            if level:  # a line of a logger keeps its severity
                self.get_logger().warning(f"Health is {LEVELS[level]}: {text}")
            else:
                self.get_logger().info(f"Health is {LEVELS[level]}: {text}")


def main(args: list[str] | None = None) -> int:
    """Entry point of ``ros2 run ros2_rl health_monitor``."""
    return run(HealthMonitor, args)


if __name__ == "__main__":
    sys.exit(main())
