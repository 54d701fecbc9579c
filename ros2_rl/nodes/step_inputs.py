"""The inputs of a control step, gathered by stamp: state, estimate and velocity command.

In lockstep a step waits until all of them have come with its stamp. In real time it takes what is
there: the newest estimate and command, and nobody waits.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from geometry_msgs.msg import TwistStamped
from nav_msgs.msg import Odometry
from rclpy.node import Node
from rclpy.qos import QoSProfile, qos_profile_sensor_data
from sensor_msgs.msg import Imu, JointState
from std_msgs.msg import Float32MultiArray

from ros2_rl.cdr import base_estimate, header_stamp, imu_reading, labelled_array, layout_stamp
from ros2_rl.messages import to_ns
from ros2_rl.nodes.conversions import joint_reader, reliable
from ros2_rl.nodes.polling import Gate, PolledInput
from ros2_rl.policy.schedule import CommandInbox
from ros2_rl.robots import BaseEstimate, RobotDescription, RobotState

ESTIMATE_MAX_AGE_NS = 100_000_000
"""In real time an older estimate counts as none."""
IMU_MAX_AGE_NS = 20_000_000


class Inputs(NamedTuple):
    """All that one control step needs."""

    state: RobotState
    estimate: BaseEstimate | None
    command: np.ndarray
    """(vx, vy, yaw rate)."""


class StepInputs:
    """Subscribes to what the policy needs.

    Args:
        node: where to subscribe.
        robot: the robot.
        commands: keeps the velocity commands.
        lockstep: wait for every input.
        needs_estimate: without an estimate there is no step, in real time either; otherwise a step there
            does not wait for the estimator, which works while the robot moves already.
        on_state: called with the stamp of each state, when the last of its parts is expected.
        on_late: called when an input comes that a step waits for.
    """

    def __init__(
        self,
        node: Node,
        robot: RobotDescription,
        commands: CommandInbox,
        lockstep: bool,
        needs_estimate: bool,
        on_state: Callable[[int], None],
        on_late: Callable[[], None],
    ):
        self.lockstep, self.needs_estimate = lockstep, needs_estimate or lockstep
        self._node, self._commands, self._on_state = node, commands, on_state
        self._reader, self._num_feet = joint_reader(robot.joints), len(robot.feet)
        self._trigger = b""
        self._gate = Gate()

        def polled(msg_type: type, topic: str, qos: QoSProfile, stamp_of=header_stamp) -> PolledInput:
            return PolledInput(node, msg_type, topic, qos, self._gate, on_late, stamp_of)

        sensor = qos_profile_sensor_data
        self._imu = polled(Imu, "imu/data", sensor)
        self._contacts = polled(Float32MultiArray, "contacts", sensor, layout_stamp)
        self._cmd_vel = polled(TwistStamped, "cmd_vel", reliable(10))
        # The input that comes last starts the step: the odometry in lockstep, else the joints.
        if lockstep:
            node.create_subscription(Odometry, "odom", self._on_trigger, sensor, raw=True)
            self._joints = polled(JointState, "joint_states", sensor)
        else:
            node.create_subscription(JointState, "joint_states", self._on_trigger, sensor, raw=True)
            self._odom = polled(Odometry, "odom", sensor)

    def gather(self, stamp_ns: int, give_up: bool) -> Inputs | None:
        """The inputs of the step ``stamp_ns``; None while one is missing.

        ``give_up``: do not wait for a command any longer.
        """
        state, command = self._state(stamp_ns), self._command(stamp_ns, give_up)
        estimate = self.estimate(stamp_ns) if self.needs_estimate else None
        if state is None or command is None or (estimate is None and self.needs_estimate):
            self._gate.open = self.lockstep and not give_up
            return None
        self._gate.open = False
        return Inputs(state, estimate, command)

    def _on_trigger(self, raw: bytes) -> None:
        self._trigger = raw
        self._on_state(header_stamp(raw))

    def _state(self, stamp_ns: int) -> RobotState | None:
        if self.lockstep:
            joints, imu = self._joints.raw_at(stamp_ns), self._imu.raw_at(stamp_ns)
        else:
            joints, imu = self._trigger, self._imu.newest_raw(stamp_ns, IMU_MAX_AGE_NS)
        if joints is None or imu is None:
            return None
        try:
            return self._reader.state(joints, imu_reading(imu))
        except ValueError as error:
            self._node.get_logger().error(
                f"A state is dropped, {error}: the driver's joints must be those of the robot.",
                throttle_duration_sec=1.0,
            )
            return None

    def estimate(self, stamp_ns: int) -> BaseEstimate | None:
        """The estimate of a control step; in real time an earlier one will do."""
        if self.lockstep:
            odom: bytes | None = self._trigger
            contacts = self._contacts.raw_at(stamp_ns)
        else:
            odom = self._odom.newest_raw(stamp_ns, ESTIMATE_MAX_AGE_NS)
            contacts = self._contacts.newest_raw(stamp_ns, ESTIMATE_MAX_AGE_NS)
        if odom is None or contacts is None:
            return None
        probability = labelled_array(contacts).data
        return (
            base_estimate(odom, probability[: self._num_feet]) if probability.size >= self._num_feet else None
        )

    def _command(self, stamp_ns: int, give_up: bool) -> np.ndarray | None:
        for msg in self._cmd_vel.take():
            twist = np.array((msg.twist.linear.x, msg.twist.linear.y, msg.twist.angular.z))
            self._commands.put(to_ns(msg.header.stamp), twist, stamp_ns)
        if not self.lockstep or give_up or not self._cmd_vel.has_publisher:
            return self._commands.newest(stamp_ns)
        return self._commands.answering(stamp_ns)
