"""Stamps and numbers are read out of serialised messages as the full decoder reads them."""

import numpy as np
import pytest
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue
from geometry_msgs.msg import TwistStamped
from hypothesis import given
from hypothesis import strategies as st
from nav_msgs.msg import Odometry
from rclpy.serialization import serialize_message
from sensor_msgs.msg import Imu
from std_msgs.msg import Float32MultiArray, MultiArrayDimension

from ros2_rl import messages
from ros2_rl.cdr import (
    first_status_name,
    header_stamp,
    imu_reading,
    labelled_array,
    layout_stamp,
    odometry_numbers,
    twist_numbers,
)
from ros2_rl.nodes.conversions import to_time

stamps = st.integers(0, 2**31 * 10**9 - 1)
labels = st.lists(st.text("abcFLR_äö", max_size=9), max_size=6)


@given(stamps, st.text("abc/", max_size=9))
def test_the_stamp_of_a_header(stamp_ns: int, frame: str) -> None:
    msg = Odometry()
    msg.header.stamp, msg.header.frame_id = to_time(stamp_ns), frame
    assert header_stamp(serialize_message(msg)) == stamp_ns


@given(stamps, labels, labels)
def test_the_stamp_of_a_layout(stamp_ns: int, before: list[str], after: list[str]) -> None:
    stamp = to_time(stamp_ns)
    sizes = [
        *((n, 1) for n in before),
        ("sec", stamp.sec),
        ("nanosec", stamp.nanosec),
        *((n, 1) for n in after),
    ]
    msg = Float32MultiArray(data=[1.0, 2.0])
    msg.layout.dim = [MultiArrayDimension(label=label, size=size, stride=7) for label, size in sizes]
    raw = serialize_message(msg)
    said = labelled_array(raw)
    assert layout_stamp(raw) == said.stamp_ns == stamp_ns and said.data.tolist() == [1.0, 2.0]
    assert said.labels == tuple(label for label, _ in sizes)


def test_a_layout_without_a_stamp_has_stamp_zero() -> None:
    assert layout_stamp(serialize_message(Float32MultiArray(data=[1.0]))) == 0


@pytest.mark.parametrize("frames", [("odom", "base_link"), ("a", "b"), ("map_of_it", ""), ("odom", "base")])
def test_the_numbers_of_a_serialised_odometry(frames):
    msg = Odometry(child_frame_id=frames[1])
    msg.header.frame_id, msg.header.stamp.sec, msg.header.stamp.nanosec = frames[0], 3, 20_000_000
    msg.pose.pose.position.x, msg.pose.pose.orientation.w = 1.5, 0.25
    msg.pose.covariance = np.arange(36.0)
    msg.twist.twist.linear.y, msg.twist.twist.angular.z = -2.0, 7.0
    msg.twist.covariance = np.arange(36.0) + 100
    raw = serialize_message(msg)
    numbers = odometry_numbers(raw)
    assert numbers[0] == 1.5 and numbers[6] == 0.25 and numbers[44] == -2.0 and numbers[48] == 7.0
    assert numbers[7:43].tolist() == list(range(36)) and numbers[49:].tolist() == list(range(100, 136))
    assert header_stamp(raw) == 3_020_000_000


@pytest.mark.parametrize("frame", ["", "x", "base", "base_link", "imu_frame"])
def test_a_serialised_imu_is_read_as_its_message_is(frame):
    msg = Imu()
    msg.header.frame_id, msg.header.stamp.sec = frame, 3
    msg.orientation.w, msg.orientation.x, msg.orientation.z = 0.5, 0.25, -0.75
    msg.angular_velocity.y, msg.linear_acceleration.z = 1.5, 9.81
    msg.orientation_covariance, msg.linear_acceleration_covariance = np.full(9, 7.0), np.full(9, 8.0)
    read, known = imu_reading(serialize_message(msg)), messages.imu_reading(msg)
    assert all((one == other).all() for one, other in zip(read, known, strict=True))


@pytest.mark.parametrize("frame", ["", "x", "base", "base_link"])
def test_the_numbers_of_a_serialised_velocity_command(frame):
    msg = TwistStamped()
    msg.header.frame_id, msg.twist.linear.x, msg.twist.angular.z = frame, 0.5, -0.25
    assert twist_numbers(serialize_message(msg)).tolist() == [0.5, 0.0, 0.0, 0.0, 0.0, -0.25]


@pytest.mark.parametrize("frame", ["", "x", "base", "base_link"])
@pytest.mark.parametrize("name", ["learner", "sim_bridge", "l"])
def test_the_name_in_serialised_diagnostics(frame, name):
    msg = DiagnosticArray(status=[DiagnosticStatus(name=name, values=[KeyValue(key="a", value="b")])])
    msg.header.frame_id = frame
    assert first_status_name(serialize_message(msg)) == name
    assert first_status_name(serialize_message(DiagnosticArray())) == ""
