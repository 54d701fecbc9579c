"""The limiter, whatever it is given: finite, within limits, and untouched where it was safe."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from safety_rig import CONFIG, ROBOT, state_at

from ros2_rl.robots import JointCommand
from ros2_rl.safety.limiter import Limiter, damping_command

LIMITER = Limiter(ROBOT, CONFIG.joints)
LOWER = ROBOT.q_lower + CONFIG.joints.target_margin
UPPER = ROBOT.q_upper - CONFIG.joints.target_margin
WILD = arrays(float, 12, elements=st.floats(allow_nan=True, allow_infinity=True))
SANE = arrays(float, 12, elements=st.floats(-60, 60))
POSE = arrays(float, 12, elements=st.floats(0, 1)).map(
    lambda s: np.minimum(LOWER + s * (UPPER - LOWER), UPPER)
)
GAINS = st.sampled_from(sorted(ROBOT.gains))


def predicted(command: JointCommand, state) -> np.ndarray:
    gains = ROBOT.gains[command.gains]
    return gains.kp * (command.q - state.q) + gains.kd * (command.dq - state.dq) + command.tau


@settings(max_examples=80)
@given(WILD, WILD, WILD, POSE, SANE, POSE, st.floats(-1, 10), GAINS)
def test_every_command_comes_out_finite_and_within_the_joint_limits(
    q, dq, tau, q_now, dq_now, before, dt, gains
):
    state = state_at(0, q=q_now, dq=dq_now)
    with np.errstate(over="ignore"):
        out = LIMITER.limit(JointCommand(5, q, dq, tau, gains), state, before, dt)
    assert np.isfinite(np.concatenate((out.q, out.dq, out.tau))).all()
    assert (out.q >= LOWER).all() and (out.q <= UPPER).all()
    assert (np.abs(out.dq) <= ROBOT.dq_max).all() and (np.abs(out.tau) <= ROBOT.tau_max).all()
    assert (out.stamp_ns, out.gains) == (5, gains)


@settings(max_examples=80)
@given(SANE, SANE, POSE, SANE, POSE, st.sampled_from(["policy", "stand", "recovery"]))
def test_torque_is_within_its_limit_wherever_the_joint_limits_allow_it(q, tau, q_now, dq_now, before, gains):
    state = state_at(0, q=q_now, dq=dq_now)
    out = LIMITER.limit(JointCommand(0, q, np.zeros(12), tau, gains), state, before, 0.005)
    torque = predicted(out, state)
    inside = (out.q > LOWER + 1e-9) & (out.q < UPPER - 1e-9)
    assert (np.abs(torque[inside]) <= ROBOT.tau_max[inside] + 1e-6).all()


@settings(max_examples=80)
@given(SANE, POSE, POSE)
def test_the_target_moves_no_faster_than_its_rate_unless_torque_asks_for_it(q, q_now, before):
    state = state_at(0, q=q_now)
    out = LIMITER.limit(JointCommand(0, q, np.zeros(12), np.zeros(12), "policy"), state, before, 0.005)
    slow = np.abs(out.q - before) <= CONFIG.joints.target_rate * 0.005 + 1e-9
    saturated = np.abs(predicted(out, state)) >= ROBOT.tau_max - 1e-6
    assert (slow | saturated).all()


@settings(max_examples=80)
@given(POSE, st.floats(-0.3, 0.3), arrays(float, 12, elements=st.floats(-5, 5)))
def test_a_safe_command_is_left_alone(q, offset, dq_now):
    state = state_at(0, q=q + offset, dq=dq_now)
    command = JointCommand(0, q, np.zeros(12), np.zeros(12), "policy")
    out = LIMITER.limit(command, state, q - 0.4, 0.005)
    np.testing.assert_array_equal(out.q, q)
    np.testing.assert_array_equal(out.dq, command.dq)
    np.testing.assert_array_equal(out.tau, command.tau)


def test_a_second_pass_changes_nothing():
    rng = np.random.default_rng(0)
    state = state_at(0, dq=rng.normal(size=12) * 8)
    first = JointCommand(0, rng.normal(size=12) * 5, rng.normal(size=12), rng.normal(size=12) * 40, "stand")
    once = LIMITER.limit(first, state, ROBOT.stand_pose, 0.005)
    twice = LIMITER.limit(once, state, ROBOT.stand_pose, 0.005)
    np.testing.assert_array_equal(once.q, twice.q)


def test_a_joint_above_its_speed_limit_is_not_driven_on():
    dq = np.zeros(12)
    dq[1], dq[4] = 1.2 * ROBOT.dq_max[1], -1.2 * ROBOT.dq_max[4]
    state = state_at(0, dq=dq)
    q = np.array(ROBOT.stand_pose)
    q[1], q[4] = q[1] + 1.5, q[4] - 1.5
    torque = predicted(
        LIMITER.limit(JointCommand(0, q, np.zeros(12), np.zeros(12), "policy"), state, q, 0.005), state
    )
    assert torque[1] <= 1e-9 and torque[4] >= -1e-9


def test_a_pause_does_not_allow_a_leap():
    q = np.array(ROBOT.stand_pose)
    target = JointCommand(0, UPPER.copy(), np.zeros(12), np.zeros(12), "policy")
    short, long = (LIMITER.limit(target, state_at(0), q, dt).q for dt in (0.02, 5.0))
    np.testing.assert_array_equal(short, long)


def test_damping_holds_nothing_and_is_finite_for_any_state():
    command = damping_command(state_at(0, q=np.array([np.nan, np.inf, -np.inf] * 4)), 7)
    assert command.gains == "damping" and command.stamp_ns == 7
    assert (ROBOT.gains["damping"].kp == 0).all() and np.isfinite(command.q).all()
