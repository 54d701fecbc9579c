"""What a Go2 tells beside its state: battery, temperatures, remote control."""

import numpy as np
from rclpy.node import Node
from rclpy.qos import qos_profile_sensor_data
from sensor_msgs.msg import Joy

from ros2_rl.nodes.conversions import to_time
from ros2_rl.nodes.robot_topics import HealthTopics
from ros2_rl.robots import RobotDescription
from ros2_rl.unitree import layout
from ros2_rl.unitree.remote import BUTTONS, Remote

WARM = 70
"""Motor temperature from which on the driver warns, °C."""


class Go2Topics:
    """``battery_state``, ``joint_temperatures`` and ``joy``."""

    def __init__(self, node: Node, robot: RobotDescription):
        self._health = HealthTopics(node, robot)
        self._pub_joy = node.create_publisher(Joy, "joy", qos_profile_sensor_data)

    def publish_remote(self, remote: Remote, stamp_ns: int) -> None:
        """Axes lx, ly, rx, ry; buttons in the order of :data:`BUTTONS`."""
        joy = Joy(axes=[remote.lx, remote.ly, remote.rx, remote.ry])
        joy.header.stamp = to_time(stamp_ns)
        joy.buttons = [int(name in remote.held) for name in BUTTONS]
        self._pub_joy.publish(joy)

    def publish_health(self, payload: bytes, celsius: np.ndarray, stamp_ns: int) -> None:
        """Battery from a LowState (C struct); temperatures of the motors, (J,), robot order."""
        frame = np.frombuffer(payload, layout.LOW_STATE)[0]
        battery, cells = frame["bms_state"], frame["bms_state"]["cell_vol"]
        self._health.publish_battery(
            stamp_ns,
            share=0.01 * float(battery["soc"]),
            volt=float(frame["power_v"]),
            ampere=float(frame["power_a"]),
            cells=(0.001 * cells[cells > 0]).tolist(),
        )
        self._health.publish_temperatures(celsius)
