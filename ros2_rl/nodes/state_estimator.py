"""Node ``state_estimator``: joints, IMU and feet in, ``contacts`` and ``odom`` out.

Every state goes into ``ros2_rl.estimation``; what is known is published at stamps that are multiples of
the publishing period. A stamp seen again is answered again. A state that cannot be used is not answered:
whoever needs ``odom`` then sees that it is missing, and ``diagnostics`` says why.
"""

import dataclasses
import sys
import time
from array import array

import numpy as np
from diagnostic_msgs.msg import DiagnosticStatus
from nav_msgs.msg import Odometry
from rclpy.clock import Clock, ClockType
from rclpy.node import Node
from rclpy.qos import qos_profile_sensor_data
from std_msgs.msg import Float32MultiArray, MultiArrayDimension

from ros2_rl.errors import ConfigError
from ros2_rl.estimation import Estimator, EstimatorParams
from ros2_rl.nodes._main import run
from ros2_rl.nodes.foot_input import FootInput
from ros2_rl.nodes.loop_diagnostics import LoopDiagnostics
from ros2_rl.nodes.parameters import Row, declare
from ros2_rl.nodes.state_input import StateInput
from ros2_rl.robots import NS_PER_S, BaseEstimate, RobotState, load_robot

INPUTS = ("joint_states", "imu/data", "foot_forces")
FORBIDDEN = "ground_truth"
"""Namespace of the simulator's own knowledge, which no robot has."""
_PARAMETERS: tuple[Row, ...] = (
    ("robot", "go2", "robot, as in config/robots"),
    ("publish_rate_hz", 50.0, "rate of odom and contacts, Hz", (1.0, 1000.0)),
    *(
        (field.name, field.default, about["description"], (about["low"], about["high"]))
        for field in dataclasses.fields(EstimatorParams)
        for about in (field.metadata,)
    ),
)


class StateEstimator(Node):
    """Answers states with ``contacts`` and ``odom``."""

    def __init__(self) -> None:
        super().__init__("state_estimator")
        self._value = declare(self, _PARAMETERS)
        self._refuse_forbidden_inputs()
        robot = load_robot(self._value("robot"))
        values = {f.name: self._value(f.name) for f in dataclasses.fields(EstimatorParams)}
        self.estimator = Estimator(robot, EstimatorParams(**values))
        self._period_ns = round(NS_PER_S / self._value("publish_rate_hz"))
        self._last: BaseEstimate | None = None
        self._used = self._refused = self._told = 0
        self._fault: str | None = None
        self._prepare(robot.base_link, robot.feet)
        self._connect(robot)

    # ---- set-up

    def _refuse_forbidden_inputs(self) -> None:
        """Raises ConfigError if an input is remapped to what a robot cannot know."""
        for name in INPUTS:
            topic = self.resolve_topic_name(name)
            if FORBIDDEN in topic.split("/"):
                raise ConfigError(
                    f"The estimator's input {name} is remapped to {topic}, which no robot has: "
                    "map it to a sensor's topic."
                )

    def _prepare(self, base_link: str, feet: tuple[str, ...]) -> None:
        """Make the messages, which are filled anew each time."""
        self._odom = Odometry(child_frame_id=base_link)
        self._odom.header.frame_id = "odom"
        self._contacts = Float32MultiArray()
        self._sec = MultiArrayDimension(label="sec", stride=1)
        self._nanosec = MultiArrayDimension(label="nanosec", stride=1)
        labelled = [MultiArrayDimension(label=foot, size=1, stride=1) for foot in feet]
        self._contacts.layout.dim = [*labelled, self._sec, self._nanosec]

    def _connect(self, robot) -> None:
        sensor = qos_profile_sensor_data
        self._pub_contacts = self.create_publisher(Float32MultiArray, "contacts", sensor)
        self._pub_odom = self.create_publisher(Odometry, "odom", sensor)
        self._loop = LoopDiagnostics(self, min_rate_hz=90.0, max_execution_ms=4.0)
        self._feet = FootInput(self, robot, self._on_complete)
        StateInput(self, robot, self._feet.join)
        self.create_timer(1.0, self._each_second, clock=Clock(clock_type=ClockType.STEADY_TIME))

    # ---- states

    def _on_complete(self, state: RobotState) -> None:
        begin = time.perf_counter()
        estimate = self.estimator.update(state)
        if self.estimator.fault is not None:
            self._refused, self._fault = self._refused + 1, self.estimator.fault
            return
        self._used, self._last = self._used + 1, estimate
        if state.stamp_ns % self._period_ns == 0:
            self._publish(estimate)
        self._loop.ran(state.stamp_ns, time.perf_counter() - begin)

    def _publish(self, estimate: BaseEstimate) -> None:
        """``contacts`` first, so that it is there when ``odom`` wakes somebody."""
        sec, nanosec = divmod(estimate.stamp_ns, NS_PER_S)
        self._sec.size, self._nanosec.size = sec, nanosec
        self._contacts.data = array("f", estimate.contacts.astype("f").tobytes())
        self._pub_contacts.publish(self._contacts)
        odom, pose, twist = self._odom, self._odom.pose.pose, self._odom.twist.twist
        odom.header.stamp.sec, odom.header.stamp.nanosec = sec, nanosec
        place, turn = pose.position, pose.orientation
        place.x, place.y, place.z = estimate.position.tolist()
        turn.w, turn.x, turn.y, turn.z = estimate.quat.tolist()
        speed, rate = twist.linear, twist.angular
        speed.x, speed.y, speed.z = estimate.lin_vel.tolist()
        rate.x, rate.y, rate.z = estimate.ang_vel.tolist()
        odom.pose.covariance = self.estimator.pose_cov.reshape(-1)
        odom.twist.covariance = self.estimator.twist_cov.reshape(-1)
        self._pub_odom.publish(odom)

    # ---- once a second

    def _each_second(self) -> None:
        level, text = self._judge()
        values = {"states": self._used, "refused": self._refused, "fault": self._fault or "none"}
        if self._last is not None:
            values |= {
                "speed_std": f"{np.sqrt(np.trace(self._last.lin_vel_cov) / 3.0):.4f}",
                "innovation": f"{self.estimator.innovation.mean():.2f}",
                "gyro_bias": _numbers(self.estimator.gyro_bias),
                "accel_bias": _numbers(self.estimator.accel_bias),
                "feet_believed": _numbers(self.estimator.belief),
            }
        self._loop.tell(self._last.stamp_ns if self._last is not None else 0, text, level, **values)
        self._told, self._fault = self._used, None

    def _judge(self) -> tuple[bytes, str]:
        """Level and text: the last fault of this second, else what is missing."""
        if self._fault is not None:
            return DiagnosticStatus.ERROR, self._fault
        if self._used == self._told:
            return (
                DiagnosticStatus.STALE,
                f"waits for {' and '.join(map(self.resolve_topic_name, INPUTS[:2]))}",
            )
        if self.estimator.degraded is not None:
            return DiagnosticStatus.WARN, self.estimator.degraded
        return DiagnosticStatus.OK, "estimating"


def _numbers(values: np.ndarray) -> str:
    return " ".join(f"{value:.3f}" for value in values)


def main(args: list[str] | None = None) -> int:
    """Entry point of ``ros2 run ros2_rl state_estimator``."""
    return run(StateEstimator, args)


if __name__ == "__main__":
    sys.exit(main())
