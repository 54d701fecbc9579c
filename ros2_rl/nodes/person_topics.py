"""The topics and services of a person: velocities on ``teleop/cmd_vel``, requests that nobody waits for."""

from builtin_interfaces.msg import Time
from geometry_msgs.msg import TwistStamped
from rclpy.node import Node

from ros2_rl.nodes.asking import Asking
from ros2_rl.nodes.conversions import reliable
from ros2_rl.teleop.config import REQUESTS
from ros2_rl.teleop.intent import Intent


class PersonTopics:
    """Says what a person wants, whether it is one or a script; answers of services are logged.

    Args:
        node: that speaks for the person.
        frame: in whose axes the velocities are.
    """

    def __init__(self, node: Node, frame: str):
        self._frame, self._logger = frame, node.get_logger()
        self._asking = Asking(node, self._answered)
        self._commands = node.create_publisher(TwistStamped, "teleop/cmd_vel", reliable(1))
        self.sent = 0
        """Velocities so far."""

    def follow(self, intent: Intent, stamp: Time) -> None:
        """Publish the velocity, if one is asked for, and make the requests."""
        if intent.velocity is not None:
            msg = TwistStamped()
            msg.header.stamp, msg.header.frame_id = stamp, self._frame
            linear, angular = msg.twist.linear, msg.twist.angular
            linear.x, linear.y, linear.z = intent.velocity.tolist()
            angular.z = float(intent.yaw_rate)
            self._commands.publish(msg)
            self.sent += 1
        for request in intent.requests:
            self._asking.ask(REQUESTS[request])

    def _answered(self, service: str, answer: str) -> None:
        self._logger.info(f"{service}: {answer}")
