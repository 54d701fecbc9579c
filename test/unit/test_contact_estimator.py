"""Contacts: from force sensors, from torques where these are absent, frozen or wrong."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ros2_rl.estimation.contact import ContactEstimator
from ros2_rl.estimation.kinematics import FootKinematics
from ros2_rl.estimation.params import EstimatorParams
from ros2_rl.robots import load_robot

ROBOT = load_robot("go2")
UP, DT = np.array((0.0, 0.0, 1.0)), 0.005
LEGS = FootKinematics(ROBOT)
LEGS.update(ROBOT.stand_pose)
LOAD = 9.81 * LEGS.mass
JACOBIANS = LEGS.jacobians(LEGS.positions)


def torques(vertical: np.ndarray) -> np.ndarray:
    """Of joints that bear these vertical forces, (F,), N, in statics."""
    return -np.einsum("fj,f->j", JACOBIANS[:, 2], vertical)


def trot(i: int, seed: int = 11) -> np.ndarray:
    """Vertical forces of a trot of 2 steps a second: two feet bear everything, diagonally in turn."""
    rng, diagonal = np.random.default_rng((seed, i)), np.array((1.0, 0.0, 0.0, 1.0))
    bears = diagonal if (i * DT) % 0.5 < 0.25 else 1.0 - diagonal
    return bears * LOAD / 2 + rng.normal(size=4)


def feed(contact: ContactEstimator, forces: np.ndarray, truth: np.ndarray) -> None:
    contact.update(forces, torques(truth), LEGS, UP, LOAD, DT)


@settings(max_examples=50, deadline=None)
@given(low=st.floats(0, 200), more=st.floats(0.01, 200))
def test_more_force_is_more_contact(low, more):
    contact = ContactEstimator(EstimatorParams(), 4)
    contact.update(np.array((low, low + more, 0.0, 500.0)), np.zeros(12), LEGS, UP, LOAD, DT)
    p = contact.probability
    assert 0.0 <= p[2] <= p[0] <= p[1] <= p[3] <= 1.0
    assert p[2] < 0.01 and p[3] > 0.99


def test_sensors_that_are_right_stay_in_use():
    contact = ContactEstimator(EstimatorParams(), 4)
    for i in range(2000):
        feed(contact, trot(i), trot(i))
        assert not contact.from_torque.any()


@pytest.mark.parametrize("forces", [np.zeros(0), np.full(4, np.nan), np.full(3, 40.0), np.full(4, 1e9)])
def test_without_usable_sensors_the_torques_tell_at_once(forces):
    contact = ContactEstimator(EstimatorParams(), 4)
    for i in range(100):
        feed(contact, forces, trot(i))
        np.testing.assert_array_equal(contact.probability > 0.5, trot(i) > 20.0)
    assert contact.from_torque.all()


def test_one_sensor_that_freezes_is_replaced_alone_and_comes_back():
    contact = ContactEstimator(EstimatorParams(), 4)
    for i in range(100):
        feed(contact, np.append(trot(i)[:3], 30.0), trot(i))
    np.testing.assert_array_equal(contact.from_torque, (False, False, False, True))
    assert (contact.probability[3] > 0.5) == (trot(99)[3] > 20.0)
    feed(contact, trot(100), trot(100))
    assert not contact.from_torque.any()


@pytest.mark.parametrize("wrong", [0.0, 60.0])
def test_a_live_sensor_that_lies_is_found_out(wrong):
    """Dead but trembling, or with an offset: the torques explain the weight better than it does."""
    contact = ContactEstimator(EstimatorParams(), 4)
    for i in range(1000):
        truth = trot(i)
        forces = truth.copy()
        forces[0] = abs(trot(i, 12)[0] % 1.0) if wrong == 0.0 else truth[0] + wrong
        feed(contact, forces, truth)
    np.testing.assert_array_equal(contact.from_torque, (True, False, False, False))


def test_torques_that_lie_do_not_take_over():
    """Drives that report half the torque contradict every sensor, and explain the weight worse."""
    contact = ContactEstimator(replace(EstimatorParams(), contact_torque_force=60.0), 4)
    for i in range(1000):
        feed(contact, trot(i), 0.5 * trot(i))
    assert not contact.from_torque.any()


def test_age_counts_from_touch_down():
    contact = ContactEstimator(EstimatorParams(), 4)
    for i in range(5):
        forces = np.full(4, 60.0) + i
        forces[0] = i
        contact.update(forces, np.zeros(12), LEGS, UP, LOAD, DT)
    np.testing.assert_allclose(contact.age, (0.0, 5 * DT, 5 * DT, 5 * DT))
