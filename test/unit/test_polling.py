"""Stamps are read out of serialised messages as the full decoder reads them."""

from hypothesis import given
from hypothesis import strategies as st
from nav_msgs.msg import Odometry
from rclpy.serialization import serialize_message
from std_msgs.msg import Float32MultiArray, MultiArrayDimension

from ros2_rl.cdr import header_stamp, layout_stamp
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
    assert layout_stamp(serialize_message(msg)) == stamp_ns


def test_a_layout_without_a_stamp_has_stamp_zero() -> None:
    assert layout_stamp(serialize_message(Float32MultiArray(data=[1.0]))) == 0
