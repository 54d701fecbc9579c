"""What the supervisor hears beside the states: estimate, battery, temperatures, commands, adapter, learner.

Inputs that come at every control step are polled then, and read out of the serialised message: none of
this may delay a command.
"""

import math

import numpy as np
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from geometry_msgs.msg import TwistStamped
from nav_msgs.msg import Odometry
from rclpy.node import Node
from rclpy.qos import qos_profile_sensor_data
from sensor_msgs.msg import BatteryState
from std_msgs.msg import Float32MultiArray

from ros2_rl.cdr import (
    base_estimate,
    first_status_name,
    header_stamp,
    labelled_array,
    layout_stamp,
    twist_numbers,
)
from ros2_rl.nodes.conversions import reliable, status_values
from ros2_rl.nodes.polling import Gate, PolledInput
from ros2_rl.robots import BaseEstimate, RobotDescription
from ros2_rl.safety.senses import Senses


class Hearing:
    """Keeps ``senses`` up to date.

    Args:
        node: where to subscribe.
        robot: its joints name the temperatures.
        senses: is written to.

    Attributes:
        learner_heard: whether the learner has said anything since this was last set to False.
    """

    def __init__(self, node: Node, robot: RobotDescription, senses: Senses):
        self._senses, self._joints, self._feet = senses, robot.joints, len(robot.feet)
        self.learner_heard = False
        gate, sensor = Gate(), qos_profile_sensor_data

        def polled(msg_type: type, topic: str, qos, stamp_of=header_stamp) -> PolledInput:
            return PolledInput(node, msg_type, topic, qos, gate, lambda: None, stamp_of)

        self._odom = polled(Odometry, "odom", sensor)
        self._contacts = polled(Float32MultiArray, "contacts", sensor, layout_stamp)
        self._commands = polled(TwistStamped, "cmd_vel", reliable(1))
        node.create_subscription(BatteryState, "battery_state", self._on_battery, reliable(1))
        node.create_subscription(Float32MultiArray, "joint_temperatures", self._on_temperatures, reliable(1))
        node.create_subscription(
            DiagnosticStatus, "policy/active", self._on_active, reliable(1, latched=True)
        )
        node.create_subscription(DiagnosticArray, "diagnostics", self._on_diagnostics, reliable(10), raw=True)

    def look(self, stamp_ns: int) -> None:
        """Take in what has come before the state of a control step."""
        command = self._commands.last_raw()
        # One that says nothing that can be followed is none.
        if command is not None and np.isfinite(twist_numbers(command)).all():
            self._senses.command_ns = stamp_ns
        odom = self._odom.last_raw()
        if odom is not None:
            self._senses.estimate = self._estimate(odom)

    def _estimate(self, odom: bytes) -> BaseEstimate:
        contacts, probability = self._contacts.last_raw(), np.zeros(0)
        if contacts is not None:
            said = labelled_array(contacts)
            self._senses.contacts_ns = said.stamp_ns
            if said.stamp_ns == header_stamp(odom):
                probability = said.data
        # An estimate without contacts has no standing foot.
        return base_estimate(odom, probability if probability.size == self._feet else np.zeros(self._feet))

    def _on_battery(self, msg: BatteryState) -> None:
        """A number that is not known is not finite, by the message's own convention."""
        self._senses.battery_share = msg.percentage if math.isfinite(msg.percentage) else None
        self._senses.battery_v = msg.voltage if math.isfinite(msg.voltage) else None

    def _on_temperatures(self, msg: Float32MultiArray) -> None:
        named = dict(zip((dim.label for dim in msg.layout.dim), msg.data, strict=False))
        known = np.array([named.get(joint, math.nan) for joint in self._joints])
        self._senses.temperatures = np.where(np.isfinite(known), known, -math.inf)

    def _on_active(self, msg: DiagnosticStatus) -> None:
        version = status_values(msg).get("version", "")
        if version.isdecimal():
            self._senses.adapter = int(version)

    def _on_diagnostics(self, raw: bytes) -> None:
        self.learner_heard = self.learner_heard or first_status_name(raw) == "learner"
