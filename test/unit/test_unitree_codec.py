"""Joint order, set-points, remote, ticks: between Unitree's messages and ours."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ros2_rl.errors import ConfigError
from ros2_rl.robots import JointCommand, RobotState, load_robot
from ros2_rl.unitree import layout
from ros2_rl.unitree.codec import SDK_JOINTS, Codec
from ros2_rl.unitree.remote import BUTTONS, Remote
from ros2_rl.unitree.ticks import TickClock, TickFault

ROBOT = load_robot("go2")
MS = 1_000_000


def frame_of(payload: bytes, dtype: np.dtype = layout.LOW_CMD) -> np.void:
    return np.frombuffer(payload, dtype)[0]


def a_state() -> RobotState:
    rng = np.random.default_rng(1)
    quat = np.array((1.0, 0.25, -0.5, 0.125))
    return RobotState(
        40 * MS, rng.normal(size=12), rng.normal(size=12), rng.normal(size=12), quat, rng.normal(size=3),
        rng.normal(size=3), np.array((10.0, 20.0, 30.0, 40.0)),
    )  # fmt: skip


def test_unitrees_order_of_legs_is_its_own_inverse() -> None:
    index = [SDK_JOINTS.index(joint) for joint in ROBOT.joints]
    assert index == [3, 4, 5, 0, 1, 2, 9, 10, 11, 6, 7, 8]


def test_a_state_goes_there_and_back() -> None:
    codec, state = Codec(ROBOT), a_state()
    frame = np.zeros((), layout.LOW_STATE)
    codec.write_state(frame, state)
    assert frame["motor_state"]["q"][0] == np.float32(state.q[ROBOT.joints.index("FR_hip_joint")])
    assert frame["foot_force"].tolist() == [20, 10, 40, 30]  # FR, FL, RR, RL
    back = codec.state(layout.sealed(frame), state.stamp_ns)
    for name in ("q", "dq", "tau", "quat", "gyro", "accel", "foot_force"):
        assert np.allclose(getattr(back, name), getattr(state, name), atol=1e-6), name
    assert back.stamp_ns == state.stamp_ns


def test_foot_forces_are_scaled() -> None:
    frame = np.zeros((), layout.LOW_STATE)
    frame["foot_force"] = [2, 4, 6, 8]
    assert Codec(ROBOT, 0.5).state(frame.tobytes(), 0).foot_force.tolist() == [2.0, 1.0, 4.0, 3.0]


def test_a_command_names_motors_gains_and_check_sum() -> None:
    q = np.arange(12) * 0.1
    payload = Codec(ROBOT).command(JointCommand(0, q, q + 1, q + 2, "stand"))
    motors = frame_of(payload)["motor_cmd"]
    for name, values in (("q", q), ("dq", q + 1), ("tau", q + 2)):
        ours = [values[ROBOT.joints.index(joint)] for joint in SDK_JOINTS]
        assert np.allclose(motors[name][:12], ours, atol=1e-6)
    assert (motors["kp"][:12] == 80.0).all() and (motors["kd"][:12] == 4.0).all()
    assert (motors["mode"] == 1).all() and (motors["kp"][12:] == 0.0).all()
    assert layout.intact(payload) and frame_of(payload)["head"].tolist() == [0xFE, 0xEF]


def test_a_command_goes_there_and_back() -> None:
    codec, q = Codec(ROBOT), np.linspace(-1.0, 1.0, 12)
    back = codec.motor_command(codec.command(JointCommand(0, q, -q, 2 * q, "recovery")), 7)
    for name, value in (("q", q), ("dq", -q), ("tau", 2 * q), ("kp", 60.0), ("kd", 1.5)):
        assert np.allclose(getattr(back, name), value, atol=1e-6), name
    assert back.stamp_ns == 7


def test_motors_that_are_off_have_no_torque_and_stop_values_no_control() -> None:
    codec = Codec(ROBOT)
    off = codec.motor_command(codec.command(None), 0)
    assert not np.any((off.q, off.dq, off.tau, off.kp, off.kd))
    idle = codec.motor_command(layout.new_low_cmd().tobytes(), 0)
    assert not np.any((idle.q, idle.dq, idle.tau, idle.kp, idle.kd))


@pytest.mark.parametrize("joints", [ROBOT.joints[:-1], ("FL_wheel_joint", *ROBOT.joints[1:])])
def test_another_robot_is_refused(joints: tuple[str, ...]) -> None:
    with pytest.raises(ConfigError, match="not a Go2.*FR_hip_joint"):
        Codec(replace(ROBOT, joints=joints))


def test_a_description_in_another_order_is_mapped_by_name() -> None:
    turned = replace(ROBOT, joints=tuple(reversed(ROBOT.joints)))
    frame = np.zeros((), layout.LOW_STATE)
    frame["motor_state"]["q"][:12] = np.arange(12)
    straight = Codec(ROBOT).state(frame.tobytes(), 0).q
    assert np.array_equal(Codec(turned).state(frame.tobytes(), 0).q, straight[::-1])


# ---- remote


@given(
    st.sets(st.sampled_from(BUTTONS)),
    st.lists(st.floats(-1, 1, width=32), min_size=4, max_size=4),
)
def test_the_remote_goes_there_and_back(held: set[str], sticks: list[float]) -> None:
    remote = Remote(*sticks, held=frozenset(held))  # type: ignore[misc]
    data = remote.pack()
    assert len(data) == 40 and Remote.unpack(data) == remote
    assert remote.emergency == ({"L2", "B"} <= held)


def test_the_remotes_bytes_are_unitrees() -> None:
    data = Remote(lx=1.0, ly=-1.0, rx=0.5, ry=0.25, held=frozenset({"L2", "B", "left"})).pack()
    assert (data[2], data[3]) == (1 << 5, 1 << 1 | 1 << 7)
    assert np.frombuffer(data, "<f4", 3, 4).tolist() == [1.0, 0.5, 0.25]
    assert np.frombuffer(data, "<f4", 1, 20).tolist() == [-1.0]


# ---- ticks


def test_ticks_become_stamps_from_the_next_control_step_on() -> None:
    clock = TickClock(1_000_000_001)
    assert [clock.stamp(tick) for tick in (501, 503, 505)] == [1_020 * MS, 1_022 * MS, 1_024 * MS]
    assert clock.offset_ns == (1_020 - 501) * MS


def test_a_repeated_tick_is_dropped_and_a_gap_counted() -> None:
    clock = TickClock(0)
    stamps = [clock.stamp(tick) for tick in (0, 2, 2, 8, 10)]
    assert stamps == [0, 2 * MS, None, 8 * MS, 10 * MS]
    assert (clock.frames, clock.lost, clock.repeated, clock.longest_gap_ms) == (4, 2, 1, 6)


def test_a_lost_frame_costs_no_control_step() -> None:
    clock = TickClock(0)
    stamps = [clock.stamp(tick) for tick in (0, 18, 22, 24, 38, 42, 58, 70)]
    assert stamps == [t * MS for t in (0, 18, 20, 24, 38, 40, 58, 70)]


def test_of_two_states_one_is_handed_on_and_every_control_step_is() -> None:
    clock = TickClock(0, state_ns=4 * MS)
    stamps = [clock.stamp(tick) for tick in (*range(0, 20, 2), 22, 24, 26, 29, 31, 33, 44, 46)]
    due = [stamp for stamp in stamps if stamp is not None and clock.is_due(stamp)]
    assert due == [t * MS for t in (0, 4, 8, 12, 16, 20, 24, 28, 32, 40, 44)]


@given(st.lists(st.integers(1, 9), min_size=1, max_size=200), st.sampled_from((2, 4, 10)))
def test_states_that_are_handed_on_lie_on_their_grid(steps: list[int], period: int) -> None:
    clock, tick, due = TickClock(0, state_ns=period * MS), 0, []
    for step in steps:
        tick += step
        stamp = clock.stamp(tick)
        if stamp is not None and clock.is_due(stamp):
            due.append(stamp)
    assert all(stamp % (period * MS) == 0 for stamp in due) and due == sorted(set(due))


def test_the_tick_may_wrap_but_not_go_back() -> None:
    clock = TickClock(0)
    assert clock.stamp(2**32 - 2) == 0 and clock.stamp(0) == 2 * MS
    with pytest.raises(TickFault, match="back to 4294967000 ms.*start the driver again"):
        clock.stamp(4294967000)


@given(st.lists(st.integers(1, 9), min_size=1, max_size=200), st.integers(0, 2**32 - 1))
def test_stamps_grow_and_stay_near_the_tick(steps: list[int], first: int) -> None:
    clock, tick = TickClock(0), first
    last, grid = clock.stamp(tick), 20 * MS
    for step in steps:
        tick = (tick + step) % 2**32
        stamp = clock.stamp(tick)
        raw = (tick - first) % 2**32 * MS
        assert last is not None and stamp is not None and stamp > last and 0 <= raw - stamp < 6 * MS
        assert stamp // grid == last // grid or stamp % grid == 0 or raw % grid >= 6 * MS
        last = stamp
