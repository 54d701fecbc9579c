"""What guards look at: attitude, the tick of a control step, unusable states, serialised inputs."""

import math

import numpy as np
import pytest
from guard_rig import RULES, estimate_at
from hypothesis import given
from hypothesis import strategies as st
from safety_rig import ROBOT, STATE_NS, STEP_NS, rolled, state_at

from ros2_rl.robots import tilt
from ros2_rl.safety.guards.sensors import FiniteGuard, state_fault
from ros2_rl.safety.reaction import OK, Reaction
from ros2_rl.safety.senses import Senses, TickMaker, attitude


@given(st.lists(st.floats(-1, 1), min_size=4, max_size=4), st.lists(st.floats(-5, 5), min_size=3, max_size=3))
def test_attitude_agrees_with_the_definition_and_with_finite_differences(quat, gyro):
    quat, gyro = np.array(quat), np.array(gyro)
    norm = np.linalg.norm(quat)
    if norm < 0.1:
        return
    quat = quat / norm
    angle, rate = attitude(quat, gyro)
    assert angle == pytest.approx(tilt(quat), abs=1e-6)
    if 0.05 < angle < math.pi - 0.05:
        dt = 1e-6
        w, v = quat[0], quat[1:]
        turned = quat + 0.5 * dt * np.array([-v @ gyro, *(w * gyro + np.cross(v, gyro))])
        after, _ = attitude(turned / np.linalg.norm(turned), gyro)
        assert rate == pytest.approx((after - angle) / dt, abs=1e-3)


def test_level_every_horizontal_rotation_raises_the_tilt():
    assert attitude(rolled(0), np.array([3.0, 4.0, 9.0])) == (0.0, 5.0)


@pytest.mark.parametrize("part", ["q", "dq", "tau", "quat", "gyro", "accel"])
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_a_state_with_one_non_finite_value_is_a_fault(part, value):
    state = state_at(0)
    assert state_fault(state) == ""
    getattr(state, part)[-1] = value
    assert "not finite" in state_fault(state)


def test_an_orientation_that_is_no_rotation_is_a_fault():
    assert "quaternion" in state_fault(state_at(0, quat=np.zeros(4)))


def test_states_that_cannot_be_used_are_passed_over_until_there_are_too_many():
    guard, bad = FiniteGuard(RULES.finite), {"gyro": np.full(3, np.nan)}
    reactions = [guard.update(state_at(i * STATE_NS, **bad)).reaction for i in range(3)]
    assert reactions == [Reaction.LIMIT, Reaction.LIMIT, Reaction.DAMPING]
    assert guard.update(state_at(3 * STATE_NS)) is OK


def test_a_tick_holds_the_means_since_the_last_one_and_the_height_of_the_base():
    maker = TickMaker(ROBOT)
    maker.gather(state_at(0))
    assert maker.make(state_at(0), Senses(), None).dt_s == 0.0
    for i in range(1, 5):
        state = state_at(i * STATE_NS, gyro=np.array([float(i), 0, 0]), accel=np.array([0, 0, 2.0 * i]))
        maker.gather(state)
    tick = maker.make(state, Senses(), None)
    assert tick.dt_s == STEP_NS / 1e9
    np.testing.assert_allclose(tick.gyro, [2.5, 0, 0], atol=1e-6)
    np.testing.assert_allclose(tick.accel, [0, 0, 5.0], atol=1e-6)
    assert tick.height == pytest.approx(ROBOT.stand_height, abs=0.02)
    assert tick.leg_velocity is None and tick.target_q is None


@pytest.mark.parametrize("tilt_deg", [0.0, 180.0])
def test_folded_legs_mean_a_low_base_whichever_way_it_lies(tilt_deg):
    maker, state = TickMaker(ROBOT), state_at(0, tilt_deg, q=np.array(ROBOT.fold_pose))
    maker.gather(state)
    assert maker.make(state, Senses(), None).height < RULES.base_height.limit_m


def test_the_legs_tell_how_a_base_moves_that_walks_on_them():
    """All feet stand, the base rises at 0.1 m/s: thighs and calves turn as the stand pose's geometry says."""
    maker, dt = TickMaker(ROBOT), 1e-5
    q, pose = np.array(ROBOT.stand_pose), np.array(ROBOT.stand_pose)
    pose[1::3] -= dt
    pose[2::3] += 2 * dt
    heights = []
    for joints in (q, pose):
        state = state_at(0, q=joints)
        maker.gather(state)
        heights.append(maker.make(state, Senses(), None).height)
    state = state_at(0, q=q, dq=np.tile([0.0, -1.0, 2.0], 4))
    maker.gather(state)
    velocity = maker.make(state, Senses(estimate=estimate_at(0)), None).leg_velocity
    assert velocity[2] == pytest.approx((heights[1] - heights[0]) / dt, abs=0.02)
    assert abs(velocity[2]) > 0.1 and abs(velocity[1]) < 1e-6


def test_an_old_estimate_does_not_say_which_feet_stand_now():
    maker, state = TickMaker(ROBOT), state_at(5 * STEP_NS)
    maker.gather(state)
    before = Senses(estimate=estimate_at(4 * STEP_NS))
    assert maker.make(state, before, None).leg_velocity is not None
    maker.gather(state)
    assert maker.make(state, Senses(estimate=estimate_at(3 * STEP_NS)), None).leg_velocity is None
