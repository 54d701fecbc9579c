"""The state estimator: on a robot whose motion is known, on a walking one, and on spoilt samples."""

from dataclasses import replace

import numpy as np
import pytest

from ros2_rl.estimation import Estimator
from ros2_rl.estimation.kinematics import FootKinematics
from ros2_rl.policy.runtime import PolicyRuntime
from ros2_rl.robots import BaseEstimate, RobotState, load_robot
from ros2_rl.sim.plant import Plant
from ros2_rl.tasks import load_task

ROBOT = load_robot("go2")
DT_NS = 5_000_000
LEVEL = np.array((1.0, 0.0, 0.0, 0.0))
UP = np.array((0.0, 0.0, 1.0))
LOADED, FREE = np.full(4, 40.0), np.zeros(4)


def standing(step: int, **change) -> RobotState:
    """A robot that stands still; its forces tremble, or they would count as frozen."""
    force = LOADED + np.random.default_rng(step).random(4)
    state = RobotState(
        stamp_ns=step * DT_NS,
        q=ROBOT.stand_pose,
        dq=np.zeros(12),
        tau=np.zeros(12),
        quat=LEVEL,
        gyro=np.zeros(3),
        accel=9.81 * UP,
        foot_force=force,
    )
    return replace(state, **change)


def gliding(step: int, velocity: np.ndarray, kinematics: FootKinematics, **change) -> RobotState:
    """The legs move as if the base went at ``velocity`` above feet that stand.

    The point that stands is the one below the centre of the foot, where its sphere touches.
    """
    kinematics.update(ROBOT.stand_pose)
    jacobians = kinematics.jacobians(kinematics.positions - ROBOT.foot_radius * UP)
    dq = np.concatenate([np.linalg.solve(jacobians[i][:, 3 * i : 3 * i + 3], -velocity) for i in range(4)])
    return standing(step, dq=dq, **change)


def run(estimator: Estimator, states) -> BaseEstimate:
    estimate = None
    for state in states:
        estimate = estimator.update(state)
        assert estimator.fault is None
    return estimate


@pytest.fixture(scope="module")
def walk() -> list[tuple[RobotState, BaseEstimate]]:
    """Two seconds of trot at 0.7 m/s, a little sideways and turning, with sensor noise, and the truth."""
    task = load_task("trot")
    plant, runtime = Plant(ROBOT, seed=11), PolicyRuntime(task.policy_path, ROBOT, 11, task)
    plant.place(np.concatenate(([0.0, 0.0, ROBOT.stand_height], LEVEL, ROBOT.default_pose)))
    samples, target = [], None
    for _ in range(400):
        state, truth = plant.state(), plant.truth()
        samples.append((state, truth))
        if runtime.is_tick(state.stamp_ns):
            target, _ = runtime.tick(state, truth, np.array((0.7, 0.1, 0.3)), False)
        plant.apply(target)
        plant.advance()
    return samples


def errors(estimator: Estimator, samples) -> np.ndarray:
    """Error of the velocity after the first half second, (T, 3), m/s."""
    return np.array([estimator.update(s).lin_vel - t.lin_vel for s, t in samples])[100:]


# ---- a motion that is known


@pytest.mark.parametrize("velocity", [(0.5, 0.0, 0.0), (-0.2, 0.3, 0.0), (0.1, -0.1, 0.2)])
def test_standing_feet_show_the_velocity(velocity):
    velocity, kinematics = np.array(velocity), FootKinematics(ROBOT)
    estimator = Estimator(ROBOT)
    estimate = run(estimator, (gliding(k, velocity, kinematics) for k in range(200)))
    np.testing.assert_allclose(estimate.lin_vel, velocity, atol=5e-3)
    np.testing.assert_allclose(estimate.position[:2], 0.995 * velocity[:2], atol=0.02)


def test_a_standing_robot_stands_at_its_height():
    estimate = run(Estimator(ROBOT), (standing(k) for k in range(100)))
    # Thigh and calf, 0.213 m each, fold symmetrically about the vertical.
    height = 2 * 0.213 * np.cos(ROBOT.stand_pose[1]) + ROBOT.foot_radius
    assert estimate.position[2] == pytest.approx(height, abs=1e-3)
    np.testing.assert_allclose(estimate.lin_vel, 0.0, atol=1e-3)
    np.testing.assert_allclose(estimate.contacts, 1.0, atol=0.05)


def test_the_bias_of_the_accelerometer_is_learned():
    bias, estimator = np.array((0.1, -0.08, 0.05)), Estimator(ROBOT)
    run(estimator, (standing(k, accel=9.81 * UP + bias) for k in range(1600)))
    np.testing.assert_allclose(estimator.accel_bias, bias, atol=0.02)


def test_a_foot_that_slips_is_not_believed():
    """One of four loaded feet slides at 1 m/s: the mean would say 0.25 m/s."""
    kinematics, estimator = FootKinematics(ROBOT), Estimator(ROBOT)
    run(estimator, (standing(k) for k in range(100)))
    sliding = gliding(0, np.array((1.0, 0.0, 0.0)), kinematics).dq
    sliding[3:] = 0.0
    estimate = run(estimator, (standing(k, dq=sliding) for k in range(100, 130)))
    assert abs(estimate.lin_vel[0]) < 0.05


def test_in_the_air_the_accelerometer_carries_on_and_then_the_velocity_fades():
    velocity, kinematics, estimator = np.array((0.6, 0.0, 0.0)), FootKinematics(ROBOT), Estimator(ROBOT)
    held = run(estimator, (gliding(k, velocity, kinematics) for k in range(200)))
    flight = [standing(k, foot_force=FREE + 1e-3 * (k % 2)) for k in range(200, 1200)]
    soon = run(estimator, flight[:20])
    np.testing.assert_allclose(soon.lin_vel, velocity, atol=0.05)
    late = run(estimator, flight[20:])
    assert np.linalg.norm(late.lin_vel) < 0.05
    assert (np.diag(late.lin_vel_cov) > 10 * np.diag(held.lin_vel_cov)).all()
    assert not late.contacts.round().any()


# ---- a walk


def test_a_walking_robot_knows_its_velocity_better_than_its_legs_alone(walk):
    error = errors(Estimator(ROBOT), walk)
    rmse = np.sqrt((error**2).mean(axis=0))
    assert (rmse < (0.06, 0.04, 0.05)).all(), rmse
    kinematics, raw = FootKinematics(ROBOT), []
    for state, truth in walk[100:]:
        kinematics.update(state.q)
        here, loaded = kinematics.positions, state.foot_force > 20.0
        shown = -(kinematics.jacobians(here) @ state.dq + np.cross(state.gyro, here))
        raw += [shown[loaded].mean(axis=0) - truth.lin_vel] if loaded.any() else []
    assert 3 * rmse[0] < np.sqrt(np.mean(np.square(raw), axis=0))[0]


def test_without_foot_sensors_the_torques_tell_of_the_contacts(walk):
    blind = [(replace(s, foot_force=np.zeros(0)), t) for s, t in walk]
    estimator = Estimator(ROBOT)
    rmse = np.sqrt((errors(estimator, blind) ** 2).mean(axis=0))
    assert (rmse < 0.1).all(), rmse
    assert estimator.degraded is not None and "torques" in estimator.degraded


def test_the_same_samples_give_the_same_estimates(walk):
    one, other = (errors(Estimator(ROBOT), walk) for _ in range(2))
    np.testing.assert_array_equal(one, other)
    estimator = Estimator(ROBOT)
    errors(estimator, walk)
    estimator.reset()
    np.testing.assert_array_equal(errors(estimator, walk), one)


def test_lost_samples_do_little_harm(walk):
    kept = [sample for i, sample in enumerate(walk) if i % 7 not in (3, 4)]
    estimator = Estimator(ROBOT)
    error = np.array([estimator.update(s).lin_vel - t.lin_vel for s, t in kept])[100:]
    assert (np.sqrt((error**2).mean(axis=0)) < 0.06).all()


# ---- spoilt samples


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"q": np.full(12, np.nan)}, "q "),
        ({"dq": np.full(12, np.inf)}, "dq"),
        ({"gyro": np.array((np.nan, 0, 0))}, "gyro"),
        ({"accel": np.array((0, 0, 1e9))}, "accel"),
        ({"quat": np.zeros(4)}, "quat"),
        ({"quat": np.full(4, np.nan)}, "quat"),
        ({"q": np.zeros(11)}, "q has 11 values instead of 12"),
        ({"dq": np.zeros(0)}, "dq has 0 values instead of 12"),
        ({"stamp_ns": 10 * DT_NS}, "stamp goes back"),
    ],
)
def test_a_spoilt_sample_is_refused_by_name_and_the_last_good_estimate_stays(change, word):
    estimator, untouched = Estimator(ROBOT), Estimator(ROBOT)
    good = run(estimator, (standing(k) for k in range(50)))
    run(untouched, (standing(k) for k in range(50)))
    assert estimator.update(standing(50, **change)) == good
    assert estimator.fault is not None and word in estimator.fault
    after = estimator.update(standing(51))
    assert estimator.fault is None
    np.testing.assert_array_equal(after.lin_vel, untouched.update(standing(51)).lin_vel)


def test_a_stamp_seen_twice_gets_the_same_answer_and_changes_nothing(walk):
    estimator = Estimator(ROBOT)
    twice = np.array([(estimator.update(s), estimator.update(s))[1].lin_vel for s, _ in walk])
    once = np.array([e.lin_vel for e in map(Estimator(ROBOT).update, (s for s, _ in walk))])
    np.testing.assert_array_equal(twice, once)


def test_a_clock_that_begins_anew_begins_anew(walk):
    estimator = Estimator(ROBOT)
    run(estimator, (standing(k) for k in range(1000, 1100)))
    estimate = estimator.update(standing(0))
    assert estimator.fault is None
    np.testing.assert_array_equal(estimate.lin_vel, Estimator(ROBOT).update(standing(0)).lin_vel)


def test_nothing_good_yet_is_said_as_such():
    estimator = Estimator(ROBOT)
    estimate = estimator.update(standing(3, q=np.full(12, np.nan)))
    assert estimator.fault is not None
    assert not estimate.lin_vel.any() and not estimate.contacts.any()
    assert (np.diag(estimate.lin_vel_cov) >= 0.9).all()


def test_a_foot_sensor_that_freezes_is_replaced_by_the_torques(walk):
    frozen = [(replace(s, foot_force=np.append(s.foot_force[:3], 55.0)), t) for s, t in walk]
    estimator = Estimator(ROBOT)
    rmse = np.sqrt((errors(estimator, frozen) ** 2).mean(axis=0))
    assert (rmse < 0.1).all(), rmse
    assert estimator.degraded == "contact of RR_foot from joint torques"
