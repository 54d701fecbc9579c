"""The arithmetic of bench/estimator.py and the filters that it compares ours with."""

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from recording_rig import Walk, _odom

from ros2_rl.errors import RecordError
from ros2_rl.estimation import Estimator, EstimatorParams
from ros2_rl.robots import BaseEstimate, RobotState, load_robot

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "bench"))
import estimator as bench
import estimator_recorded
from estimator_rivals import LegOdometry, Legs, PlainFilter

ROBOT = load_robot("go2")
LEGS = Legs(ROBOT)
LEVEL = np.array((1.0, 0.0, 0.0, 0.0))


def walking(i: int, velocity: np.ndarray, force: np.ndarray) -> RobotState:
    """A base that goes at ``velocity`` over feet whose centres stand."""
    state = RobotState(
        5_000_000 * i, ROBOT.stand_pose, np.zeros(12), np.zeros(12), LEVEL, np.zeros(3),
        np.array((0.0, 0.0, 9.81)), force,
    )  # fmt: skip
    LEGS.read(state)
    jacobians = LEGS._kinematics.jacobians(LEGS._kinematics.positions)
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


class WalkWithTruth(Walk):
    """A record whose truth says, for every other state, that the base goes at its stamp's seconds."""

    def _on_state(self, state: RobotState) -> None:
        speed, zero = np.array((state.stamp_ns / 1e9, 0.0, 0.0)), np.zeros(3)
        truth = BaseEstimate(state.stamp_ns, zero, LEVEL, speed, zero, np.zeros(4), np.eye(3))
        if state.stamp_ns % 10_000_000 == 0:
            self._send("/ground_truth/odom", _odom(truth), state.stamp_ns)
        super()._on_state(state)


def test_a_record_is_a_walk_of_the_states_whose_truth_is_known(tmp_path, monkeypatch):
    monkeypatch.setattr(estimator_recorded, "ENOUGH", 10)
    WalkWithTruth(tmp_path / "bag", 20)
    robot, walk, params = estimator_recorded.recorded(tmp_path / "bag")
    stamps = [state.stamp_ns for state, _ in walk]
    assert (robot.name, params) == ("go2", EstimatorParams())
    assert len(stamps) >= 20 and stamps == sorted(stamps)
    assert all(stamp % 10_000_000 == 0 for stamp in stamps)
    assert [t.lin_vel[0] for _, t in walk] == pytest.approx([stamp / 1e9 for stamp in stamps])
    assert walk[0][0].foot_force.size == 4


def test_a_record_without_truth_or_too_short_is_refused(tmp_path):
    Walk(tmp_path / "blind", 5)
    with pytest.raises(RecordError, match="has no ground_truth/odom"):
        estimator_recorded.recorded(tmp_path / "blind")
    WalkWithTruth(tmp_path / "short", 5)
    with pytest.raises(RecordError, match="too few; record 5 s or more"):
        estimator_recorded.recorded(tmp_path / "short")


def test_consistency_by_hand():
    """Chi-square of three degrees of freedom: one of four innovations lies beyond 7.8."""
    nis = np.array((0.1, 1.0, 2.0, 3.0))
    track = bench.OurTrack(np.zeros((4, 3)), 0.0, nis, nis, nis, nis)
    assert track.nis_share == 0.75


def test_ours_is_given_every_state_and_its_innovations_where_feet_stood():
    samples = []
    for i in range(bench.SETTLE + 50):
        force = np.full(4, 60.0 if i < bench.SETTLE + 20 else 0.0) + 0.01 * (i % 2)
        truth = BaseEstimate(
            i, np.array((0.0025 * i, 0.0, 0.3)), LEVEL, np.array((0.5, 0.0, 0.0)), *3 * [LEVEL]
        )
        samples.append((walking(i, truth.lin_vel, force), truth))
    track = bench.ours(ROBOT, samples, replace(Estimator(ROBOT).params, rolling=0.0))
    assert len(track.nis) == 20 and len(track.nees) == len(track.seconds) == 50
    assert track.rmse[0] < 0.05
