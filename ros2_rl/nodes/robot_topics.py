"""The topics of a robot: its state, as a driver publishes it, and what a simulator adds to that."""

from array import array
from collections.abc import Sequence

import numpy as np
from geometry_msgs.msg import Quaternion, Vector3
from nav_msgs.msg import Odometry
from rclpy.node import Node
from rclpy.qos import qos_profile_sensor_data
from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import BatteryState, Imu, JointState
from std_msgs.msg import Float32MultiArray, MultiArrayDimension

from ros2_rl.nodes.conversions import reliable
from ros2_rl.robots import NS_PER_S, BaseEstimate, RobotDescription, RobotState
from ros2_rl.sim.perturbations import Perturbations, SensorNoise

CLOCK_NS, TRUTH_NS, BATTERY_NS = 50_000_000, 20_000_000, NS_PER_S
"""Periods in robot time."""
_EMPTY_V, _FULL_V = 24.0, 28.8


class StateTopics:
    """``imu/data``, ``foot_forces`` and ``joint_states`` with one message each that is filled anew."""

    def __init__(self, node: Node, robot: RobotDescription):
        sensor = qos_profile_sensor_data
        self._pub_imu = node.create_publisher(Imu, "imu/data", sensor)
        self._pub_feet = node.create_publisher(Float32MultiArray, "foot_forces", sensor)
        self._pub_joints = node.create_publisher(JointState, "joint_states", sensor)
        self._imu, self._joints = Imu(), JointState(name=list(robot.joints))
        self._imu.header.frame_id = robot.imu_link
        data_sheet = SensorNoise()
        self._imu.orientation_covariance = _diagonal(data_sheet.orientation)
        self._imu.angular_velocity_covariance = _diagonal(data_sheet.gyro)
        self._imu.linear_acceleration_covariance = _diagonal(data_sheet.accel)
        self._feet = Float32MultiArray()
        # An array has no header, so two more dimensions carry the stamp.
        self._feet_stamp = [MultiArrayDimension(label=label) for label in ("sec", "nanosec")]
        self._feet.layout.dim = [MultiArrayDimension(label=foot, size=1, stride=1) for foot in robot.feet]
        self._feet.layout.dim += self._feet_stamp

    @property
    def readers(self) -> tuple[int, ...]:
        """How many read each of the topics that make up a state."""
        state = (self._pub_imu, self._pub_feet, self._pub_joints)
        return tuple(publisher.get_subscription_count() for publisher in state)

    def publish_state(self, state: RobotState) -> None:
        """The sensors; ``joint_states`` comes last."""
        imu, joints = self._imu, self._joints
        _stamp(imu.header.stamp, state.stamp_ns)
        _turn(imu.orientation, state.quat)
        _vector(imu.angular_velocity, state.gyro)
        _vector(imu.linear_acceleration, state.accel)
        self._pub_imu.publish(imu)
        self._feet.data = array("f", state.foot_force.astype("f").tobytes())
        self._feet_stamp[0].size, self._feet_stamp[1].size = divmod(state.stamp_ns, NS_PER_S)
        self._pub_feet.publish(self._feet)
        _stamp(joints.header.stamp, state.stamp_ns)
        joints.position = array("d", state.q.tobytes())
        joints.velocity = array("d", state.dq.tobytes())
        joints.effort = array("d", state.tau.tobytes())
        self._pub_joints.publish(joints)


class HealthTopics:
    """``battery_state`` and ``joint_temperatures``, for the supervisor's guards."""

    def __init__(self, node: Node, robot: RobotDescription):
        self._pub_battery = node.create_publisher(BatteryState, "battery_state", reliable(1))
        self._pub_temperatures = node.create_publisher(Float32MultiArray, "joint_temperatures", reliable(1))
        self._battery = BatteryState(present=True)
        self._battery.power_supply_status = BatteryState.POWER_SUPPLY_STATUS_DISCHARGING
        self._temperatures = Float32MultiArray()
        self._temperatures.layout.dim = [
            MultiArrayDimension(label=joint, size=1, stride=1) for joint in robot.joints
        ]

    def publish_battery(
        self, stamp_ns: int, share: float, volt: float, ampere: float = 0.0, cells: Sequence[float] = ()
    ) -> None:
        """``share``: of a full charge, 0 to 1; ``ampere`` is negative while it discharges; ``cells``: V."""
        msg = self._battery
        _stamp(msg.header.stamp, stamp_ns)
        msg.percentage, msg.voltage, msg.current, msg.cell_voltage = share, volt, ampere, list(cells)
        self._pub_battery.publish(msg)

    def publish_temperatures(self, celsius: np.ndarray) -> None:
        """Of the motors, (J,), robot order, °C."""
        self._temperatures.data = celsius.astype(float).tolist()
        self._pub_temperatures.publish(self._temperatures)


class RobotTopics(StateTopics):
    """A state, and what only a simulator publishes: the truth, a full battery, the clock."""

    def __init__(self, node: Node, robot: RobotDescription):
        super().__init__(node, robot)
        self._pub_truth = node.create_publisher(Odometry, "ground_truth/odom", qos_profile_sensor_data)
        self._health = HealthTopics(node, robot)
        self._pub_clock = node.create_publisher(Clock, "/clock", reliable(10))
        self._truth, self._clock = Odometry(child_frame_id=robot.base_link), Clock()
        self._truth.header.frame_id = "odom"
        self._num_joints = robot.num_joints

    @property
    def truth_has_readers(self) -> bool:
        return self._pub_truth.get_subscription_count() > 0

    def publish_truth(self, truth: BaseEstimate) -> None:
        """The pose in the world, the velocities in the base frame, free of noise."""
        msg = self._truth
        _stamp(msg.header.stamp, truth.stamp_ns)
        _vector(msg.pose.pose.position, truth.position)
        _turn(msg.pose.pose.orientation, truth.quat)
        _vector(msg.twist.twist.linear, truth.lin_vel)
        _vector(msg.twist.twist.angular, truth.ang_vel)
        self._pub_truth.publish(msg)

    def publish_slow(self, stamp_ns: int, perturbations: Perturbations) -> None:
        """The clock, the battery and the motors' temperatures, when it is their turn."""
        if stamp_ns % CLOCK_NS == 0:
            _stamp(self._clock.clock, stamp_ns)
            self._pub_clock.publish(self._clock)
        if stamp_ns % BATTERY_NS == 0:
            self._publish_health(stamp_ns, perturbations)

    def _publish_health(self, stamp_ns: int, perturbations: Perturbations) -> None:
        share = perturbations.battery_share
        self._health.publish_battery(stamp_ns, share, _EMPTY_V + share * (_FULL_V - _EMPTY_V))
        self._health.publish_temperatures(np.full(self._num_joints, perturbations.motor_temperature_c))


def _stamp(stamp, stamp_ns: int) -> None:
    stamp.sec, stamp.nanosec = divmod(stamp_ns, NS_PER_S)


def _diagonal(deviation: float) -> list[float]:
    """Covariance of three independent values, row by row."""
    return [deviation**2 if i % 4 == 0 else 0.0 for i in range(9)]


def _vector(vector: Vector3, values) -> None:
    vector.x, vector.y, vector.z = values.tolist()


def _turn(quaternion: Quaternion, quat) -> None:
    quaternion.w, quaternion.x, quaternion.y, quaternion.z = quat.tolist()
