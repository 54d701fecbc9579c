"""A serialised joint message is read as the full decoder reads it."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rclpy.serialization import serialize_message
from sensor_msgs.msg import JointState

from ros2_rl.messages import JointOrder
from ros2_rl.nodes.conversions import joint_reader, to_time
from ros2_rl.robots import load_robot

JOINTS = load_robot("go2").joints
names = st.permutations([*JOINTS, "gripper", "pän"]) | st.permutations(JOINTS) | st.just(list(JOINTS))


def message(named: list[str], frame: str, stamp_ns: int = 0, without: str = "") -> JointState:
    """Every joint has numbers of its own; one array may be left out."""
    msg = JointState(name=named, position=[0.1 * i for i, _ in enumerate(named)])
    msg.velocity, msg.effort = [-v for v in msg.position], [7.0 + v for v in msg.position]
    msg.header.stamp, msg.header.frame_id = to_time(stamp_ns), frame
    if without:
        setattr(msg, without, [])
    return msg


@given(
    st.lists(
        st.tuples(
            names,
            st.text("polic_äö", max_size=9),
            st.integers(0, 2**31 * 10**9 - 1),
            st.sampled_from(["", "", "velocity", "effort"]),
        ),
        max_size=4,
    )
)
def test_whatever_message_follows_another(sent):
    reader, order = joint_reader(JOINTS), JointOrder(JOINTS)
    for given_ in sent:
        msg = message(*given_)
        raw, expected = serialize_message(msg), order.command(msg)
        read = reader.command(raw)
        assert (read.stamp_ns, read.gains) == (expected.stamp_ns, expected.gains)
        state = reader.state(raw)
        for one in ("q", "dq", "tau"):
            np.testing.assert_array_equal(getattr(read, one), getattr(expected, one))
            np.testing.assert_array_equal(getattr(state, one), getattr(expected, one))


def test_the_arrays_may_be_written_to():
    state = joint_reader(JOINTS).state(serialize_message(message(list(JOINTS), "")))
    state.q[0] = 5.0
    assert state.q.flags.aligned and state.dq[0] != 5.0


def test_a_missing_joint_is_named_and_the_next_message_is_read():
    reader = joint_reader(JOINTS)
    with pytest.raises(ValueError, match=JOINTS[0]):
        reader.state(serialize_message(message(list(JOINTS[1:]), "")))
    assert reader.state(serialize_message(message(list(JOINTS), ""))).q[1] == 0.1


def test_as_many_values_as_names():
    msg = message(list(JOINTS), "")
    msg.velocity = [0.0] * 11
    with pytest.raises(ValueError, match="12 names and 11 values"):
        joint_reader(JOINTS).state(serialize_message(msg))


@given(st.data())
def test_a_message_that_is_cut_off_is_refused(data):
    raw = serialize_message(message(list(JOINTS), "policy"))
    cut = raw[: data.draw(st.integers(4, len(raw) - 8))]
    reader = joint_reader(JOINTS)
    if data.draw(st.booleans()):
        reader.state(raw)
    with pytest.raises(ValueError, match="cut off"):
        reader.state(cut)
