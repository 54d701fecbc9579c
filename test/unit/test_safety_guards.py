"""Each guard alone: threshold, debounce, cause."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from safety_rig import CONFIG, ROBOT, STATE_NS, STEP_NS, rolled, state_at

from ros2_rl.robots import tilt
from ros2_rl.safety.guards import (
    OK,
    FiniteGuard,
    JointPositionGuard,
    JointVelocityGuard,
    Reaction,
    Sample,
    StampGuard,
    TargetGuard,
    TiltGuard,
    Verdict,
    attitude,
    state_fault,
    strongest,
)


def sample(stamp_ns=STATE_NS, tilt_deg=0.0, rate_deg=0.0, target_age_s=0.0, **parts) -> Sample:
    state = state_at(stamp_ns, tilt_deg, **parts)
    return Sample(state, math.radians(tilt_deg), math.radians(rate_deg), target_age_s)


def last_of(guard, count, **parts) -> Verdict:
    return [guard.update(sample(**parts)) for _ in range(count)][-1]


@pytest.mark.parametrize(
    "tilt_deg, rate_deg, states, reaction",
    [
        (23.9, 0, 5, Reaction.NONE),
        (24.1, 0, 1, Reaction.NONE),
        (24.1, 0, 2, Reaction.RECOVERY),
        (10, 230, 5, Reaction.NONE),
        (10, 250, 1, Reaction.NONE),
        (10, 250, 2, Reaction.RECOVERY),
        (24.1, -500, 2, Reaction.RECOVERY),
        (20, -500, 5, Reaction.NONE),
    ],
)
def test_tilt_guard(tilt_deg, rate_deg, states, reaction):
    guard = TiltGuard(CONFIG.tilt)
    assert last_of(guard, states, tilt_deg=tilt_deg, rate_deg=rate_deg).reaction is reaction


def test_tilt_guard_debounce_wants_consecutive_states():
    guard = TiltGuard(CONFIG.tilt)
    verdicts = [guard.update(sample(tilt_deg=t)) for t in (30, 5, 30, 5, 30)]
    assert all(v is OK for v in verdicts)
    assert "30 deg" in guard.update(sample(tilt_deg=30)).cause


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


@pytest.mark.parametrize("joint, sign", [(0, 1), (5, -1), (11, 1)])
def test_joint_position_guard(joint, sign):
    limit = ROBOT.q_upper if sign > 0 else ROBOT.q_lower
    near, far = np.array(ROBOT.stand_pose), np.array(ROBOT.stand_pose)
    near[joint], far[joint] = limit[joint] + 0.3 * sign, limit[joint] + 0.4 * sign
    guard = JointPositionGuard(ROBOT, CONFIG.joints)
    assert last_of(guard, 20, q=near) is OK
    assert last_of(guard, 9, q=far) is OK
    verdict = guard.update(sample(q=far))
    assert verdict.reaction is Reaction.DAMPING and ROBOT.joints[joint] in verdict.cause


@pytest.mark.parametrize(
    "share, states, reaction",
    [
        (0.99, 30, Reaction.NONE),
        (1.5, 30, Reaction.LIMIT),
        (2.1, 9, Reaction.LIMIT),
        (2.1, 10, Reaction.DAMPING),
    ],
)
def test_joint_velocity_guard(share, states, reaction):
    dq = np.zeros(12)
    dq[8] = -share * ROBOT.dq_max[8]
    verdict = last_of(JointVelocityGuard(ROBOT, CONFIG.joints), states, dq=dq)
    assert verdict.reaction is reaction
    assert reaction is Reaction.NONE or ROBOT.joints[8] in verdict.cause


@pytest.mark.parametrize(
    "stamps_ms, reaction, cause",
    [
        ((0, 5, 10), Reaction.NONE, ""),
        ((1000, 1050), Reaction.NONE, ""),
        ((1000, 1055), Reaction.DAMPING, "missing"),
        ((1000, 995), Reaction.DAMPING, "went back"),
        ((1000, 0), Reaction.DAMPING, "went back by 1.000 s"),
        ((1000, 995, 1000), Reaction.NONE, ""),
    ],
)
def test_stamp_guard(stamps_ms, reaction, cause):
    guard = StampGuard(CONFIG.stale)
    verdict = [guard.update(sample(stamp_ns=ms * 1_000_000)) for ms in stamps_ms][-1]
    assert verdict.reaction is reaction and cause in verdict.cause


@pytest.mark.parametrize(
    "age, reaction", [(0.0, Reaction.NONE), (0.06, Reaction.NONE), (0.065, Reaction.HOLD)]
)
def test_target_guard(age, reaction):
    assert TargetGuard(CONFIG.stale, STEP_NS).update(sample(target_age_s=age)).reaction is reaction


@pytest.mark.parametrize("part", ["q", "dq", "tau", "quat", "gyro", "accel"])
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_a_state_with_one_non_finite_value_is_a_fault(part, value):
    state = state_at(0)
    assert state_fault(state) == ""
    getattr(state, part)[-1] = value
    assert "not finite" in state_fault(state)


def test_an_orientation_that_is_no_rotation_is_a_fault():
    assert "quaternion" in state_fault(state_at(0, quat=np.zeros(4)))


def test_finite_guard_passes_over_two_bad_states_and_damps_at_the_third():
    guard, bad = FiniteGuard(CONFIG.stale), state_at(0, gyro=np.full(3, np.nan))
    reactions = [guard.update(bad).reaction for _ in range(3)]
    assert reactions == [Reaction.LIMIT, Reaction.LIMIT, Reaction.DAMPING]
    assert guard.update(state_at(0)) is OK


def test_the_strongest_verdict_wins_and_the_first_of_equals():
    verdicts = [Verdict(r, str(i)) for i, r in enumerate((1, 3, 4, 4, 2))]
    assert strongest(Verdict(Reaction(v.reaction), v.cause) for v in verdicts).cause == "2"
    assert strongest([]) is OK
    assert list(Reaction) == sorted(Reaction)
