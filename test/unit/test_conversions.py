"""Joints in any order, and messages that no robot would send."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sensor_msgs.msg import JointState

from ros2_rl.nodes.conversions import JointOrder, command_msg, to_ns, to_time
from ros2_rl.robots import load_robot

JOINTS = load_robot("go2").joints
POSITIONS = dict(zip(JOINTS, np.linspace(-1.0, 1.0, len(JOINTS)), strict=True))


@given(st.permutations([*JOINTS, "gripper"]))
def test_a_state_is_read_by_name_whatever_the_order(names):
    values = [POSITIONS.get(name, 9.0) for name in names]
    state = JointOrder(JOINTS).state(JointState(name=names, position=values, velocity=values))
    np.testing.assert_array_equal(state.q, list(POSITIONS.values()))
    np.testing.assert_array_equal(state.dq, state.q)
    np.testing.assert_array_equal(state.tau, np.zeros(len(JOINTS)))


@pytest.mark.parametrize("sent", [1, 11, 13])
def test_as_many_values_as_names(sent):
    msg = JointState(name=list(JOINTS), position=[0.0] * 12, velocity=[0.0] * sent)
    with pytest.raises(ValueError, match=f"12 names and {sent} values"):
        JointOrder(JOINTS).state(msg)


def test_a_missing_joint_is_named():
    msg = JointState(name=list(JOINTS[1:]), position=[0.0] * 11)
    with pytest.raises(ValueError, match=JOINTS[0]):
        JointOrder(JOINTS).state(msg)


@given(st.integers(0, 2**31 * 10**9 - 1))
def test_stamps_survive_the_message(stamp_ns):
    assert to_ns(to_time(stamp_ns)) == stamp_ns


def test_a_command_survives_the_message():
    order = JointOrder(JOINTS)
    sent = order.command(JointState(name=list(reversed(JOINTS)), position=[float(i) for i in range(12)]))
    got = order.command(command_msg(sent, list(JOINTS)))
    np.testing.assert_array_equal(got.q, np.arange(12.0)[::-1])
