"""The arithmetic of bench/estimator.py and the filters that it compares ours with."""

import sys
from pathlib import Path

import numpy as np
import pytest

from ros2_rl.robots import BaseEstimate, RobotState, load_robot

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "bench"))
import estimator as bench
from estimator_rivals import LegOdometry, Legs, PlainFilter

ROBOT = load_robot("go2")
LEVEL = np.array((1.0, 0.0, 0.0, 0.0))


def walking(i: int, velocity: np.ndarray, force: np.ndarray) -> RobotState:
    """A base that goes at ``velocity`` over feet whose centres stand."""
    legs = Legs(ROBOT)
    state = RobotState(
        5_000_000 * i, ROBOT.stand_pose, np.zeros(12), np.zeros(12), LEVEL, np.zeros(3),
        np.array((0.0, 0.0, 9.81)), force,
    )  # fmt: skip
    legs.read(state)
    jacobians = legs._kinematics.jacobians(legs._kinematics.positions)
    state.dq = -np.einsum("fjk,k->j", np.linalg.pinv(jacobians), velocity)
    return state


@pytest.mark.parametrize("rival", [LegOdometry, PlainFilter])
@pytest.mark.parametrize("force", [np.full(4, 40.0), np.zeros(0)])
def test_rivals_know_the_speed_over_feet_that_stand(rival, force):
    velocity, filter_ = np.array((0.4, -0.2, 0.0)), rival(ROBOT)
    for i in range(400):
        if i == 200:
            before = filter_.update(walking(i, velocity, force), np.eye(3))[1]
        else:
            seen, position = filter_.update(walking(i, velocity, force), np.eye(3))
    np.testing.assert_allclose(seen, velocity, atol=0.05)
    # The legs keep their pose while they move, which pulls the position of a filter that sees it.
    assert rival is PlainFilter or position - before == pytest.approx(velocity * 0.995, abs=1e-9)


def test_errors_and_drift_by_hand():
    """A base goes 1 m at 1 m/s; the estimate is .1 m/s too fast and ends 5 cm beside the way."""
    zero, samples = np.zeros(3), []
    count = bench.SETTLE + 201
    for i in range(count):
        position = np.array((0.005 * i, 0.0, 0.3))
        samples.append(
            (None, BaseEstimate(i, position, LEVEL, np.array((1.0, 0.0, 0.0)), zero, zero, np.eye(3)))
        )
    places = [t.position + (0.0, 0.05 * (i == count - 1), 0.0) for i, (_, t) in enumerate(samples)]
    track = bench.compare(samples, [np.array((1.1, 0.0, 0.0))] * count, places)
    np.testing.assert_allclose(track.rmse, (0.1, 0.0, 0.0))
    assert track.drift == pytest.approx(5.0)
