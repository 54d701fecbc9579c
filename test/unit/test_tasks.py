"""Tasks: reward terms by hand, the clock, and what is refused."""

import numpy as np
import pytest
import yaml

from ros2_rl.errors import ConfigError
from ros2_rl.paths import share_path
from ros2_rl.tasks import StepData, gait_clock, load_task
from ros2_rl.tasks import task as task_module
from ros2_rl.tasks.terms import TERMS


def data(**changes) -> StepData:
    """One robot that stands perfectly still as asked."""
    values = {
        "command": np.zeros((1, 3)),
        "clock": np.zeros((1, 2)),
        "lin_vel": np.zeros((1, 3)),
        "ang_vel": np.zeros((1, 3)),
        "gravity": np.array([[0.0, 0.0, -1.0]]),
        "height": np.array([0.28]),
        "contacts": np.ones((1, 4)),
        "q_offset": np.zeros((1, 12)),
        "tau": np.zeros((1, 12)),
        "action": np.zeros((1, 12)),
        "last_action": np.zeros((1, 12)),
    }
    return StepData(**(values | changes))


@pytest.mark.parametrize(
    ("term", "changes", "value"),
    [
        ("track_lin_vel", {}, 1.0),
        ("track_lin_vel", {"lin_vel": np.array([[0.3, 0.4, 9.0]])}, np.exp(-2.0)),  # 0.25 / 0.125
        ("track_ang_vel", {"ang_vel": np.array([[9.0, 9.0, 0.5]])}, np.exp(-1.0)),
        ("gait", {}, 1.0),
        ("gait", {"contacts": np.array([[1.0, 1.0, 0.0, 0.0]])}, 0.5),
        # sin = 1: FL and RR are to stand, the other two to swing.
        ("gait", {"clock": np.array([[1.0, 0.0]]), "contacts": np.array([[1.0, 0.0, 0.0, 1.0]])}, 1.0),
        ("lin_vel_z", {"lin_vel": np.array([[0.0, 0.0, 0.5]])}, 0.25),
        ("ang_vel_xy", {"ang_vel": np.array([[1.0, 2.0, 9.0]])}, 5.0),
        ("flat_orientation", {"gravity": np.array([[0.6, 0.0, -0.8]])}, 0.36),
        ("base_height", {"height": np.array([0.18])}, 0.01),
        ("torques", {"tau": np.full((1, 12), 2.0)}, 48.0),
        ("action_rate", {"last_action": np.full((1, 12), 0.5)}, 3.0),
        ("joint_pose", {"q_offset": np.full((1, 12), 0.5)}, 3.0),
    ],
)
def test_terms_by_hand(term, changes, value):
    assert TERMS[term](data(**changes))[0] == pytest.approx(value)


def test_reward_is_the_weighted_sum_and_never_negative():
    task = load_task("trot")
    best, _ = task.reward(data())
    weights = task.rewards
    positive = weights["track_lin_vel"] + weights["track_ang_vel"] + weights["gait"]
    assert best[0] == pytest.approx(positive * task.step_dt)
    worst, _ = task.reward(data(tau=np.full((1, 12), 1e3)))
    assert worst[0] == 0.0


def test_clock_turns_once_a_period_and_rests_when_standing():
    clock = gait_clock(np.arange(26), 0.02, 0.5)
    assert clock[0] == pytest.approx((0.0, 1.0))
    assert clock[25] == pytest.approx(clock[0], abs=1e-9)
    assert np.allclose(np.linalg.norm(clock, axis=1), 1.0)
    assert gait_clock(7, 0.02, 0.5, standing=True).tolist() == [0.0, 0.0]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"rewards": {"speed": 1.0}}, "unknown term speed"),
        ({"rewards": {"gait": float("nan")}}, "finite"),
        ({"colour": "red"}, "colour"),
        ({"step_dt": -1.0}, "step_dt"),
    ],
)
def test_wrong_task_files_are_refused(tmp_path, monkeypatch, change, words):
    good = yaml.safe_load(share_path("config", "tasks", "trot.yaml").read_text())
    (tmp_path / "odd.yaml").write_text(yaml.safe_dump(good | change))
    monkeypatch.setattr(task_module, "share_path", lambda *parts: tmp_path / parts[-1])
    with pytest.raises(ConfigError, match=words):
        load_task("odd")


def test_unknown_task_names_those_there_are():
    with pytest.raises(ConfigError, match="available: .*trot"):
        load_task("gallop")
