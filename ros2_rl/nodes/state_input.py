"""The robot's state out of its topics: ``joint_states``, and ``imu/data`` of that stamp if it has an IMU."""

from collections.abc import Callable

from rclpy.node import Node
from rclpy.qos import qos_profile_sensor_data
from sensor_msgs.msg import Imu, JointState

from ros2_rl.cdr import header_stamp, imu_reading
from ros2_rl.messages import LEVEL
from ros2_rl.nodes.conversions import joint_reader
from ros2_rl.nodes.polling import Gate, PolledInput
from ros2_rl.robots import RobotDescription, RobotState


class StateInput:
    """Hands over a state for every ``joint_states`` whose ``imu/data``, if any, has come as well.

    ``imu/data`` is sent first, so it is fetched when ``joint_states`` arrives and wakes nobody; should
    it be late, it is waited for until the next ``joint_states``. A message whose joints are not
    those of the robot is dropped and told about once a second.
    """

    def __init__(self, node: Node, robot: RobotDescription, on_state: Callable[[RobotState], None]):
        self._node, self._on_state = node, on_state
        self._reader = joint_reader(robot.joints)
        self._pending: bytes | None = None
        self._gate = Gate()
        self._imu = None
        if robot.imu_link:
            self._imu = PolledInput(node, Imu, "imu/data", qos_profile_sensor_data, self._gate, self._join)
        self.subscription = node.create_subscription(
            JointState, "joint_states", self._on_joints, qos_profile_sensor_data, raw=True
        )

    def _on_joints(self, joints: bytes) -> None:
        self._pending = joints
        self._join()

    def _join(self) -> None:
        joints = self._pending
        if joints is None:
            return
        reading = LEVEL
        if self._imu is not None:
            raw = self._imu.raw_at(header_stamp(joints))
            self._gate.open = raw is None
            if raw is None:
                return
            reading = imu_reading(raw)
        self._pending = None
        try:
            state = self._reader.state(joints, reading)
        except ValueError as error:
            self._node.get_logger().error(
                f"A state is dropped, {error}: the driver's joints must be those of the robot.",
                throttle_duration_sec=1.0,
            )
            return
        self._on_state(state)
