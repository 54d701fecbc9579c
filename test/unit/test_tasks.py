"""Tasks: reward terms by hand, the clock, and what is refused."""

from pathlib import Path

import numpy as np
import pytest

from ros2_rl.errors import ConfigError
from ros2_rl.paths import share_path
from ros2_rl.tasks import StepData, gait_clock, load_task
from ros2_rl.tasks.loading import parse_task
from ros2_rl.tasks.terms import TERMS, UNITS

FLYING = np.array([[0.0, -1.0, 0.0]])
"""Clock of a jump while the plan has no foot on the ground."""

MARK = np.array([[0.5, 0.0, 0.0]])
QUARTER = np.array([[0.0, 0.0, np.pi / 2]])


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
        ("contact_plan", {"clock": FLYING, "contacts": np.array([[1.0, 0.0, 0.0, 0.0]])}, 0.75),
        ("airborne", {"clock": FLYING, "contacts": np.array([[0.5, 0.0, 0.0, 0.0]])}, 0.5),
        ("airborne", {"clock": np.array([[0.0, 1.0, 1.0]]), "contacts": np.zeros((1, 4))}, 0.0),
        ("crouch", {"height": np.array([0.25])}, np.exp(-1.0)),
        ("rise", {"lin_vel": np.array([[0.0, 0.0, 0.7]])}, 0.7),
        ("rise", {"lin_vel": np.array([[0.5, 0.0, 0.0]]), "gravity": np.array([[-1.0, 0.0, 0.0]])}, 0.5),
        ("rise", {"lin_vel": np.array([[0.0, 0.0, 9.0]])}, 1.0),
        ("lift", {"height": np.array([0.33])}, 0.05),
        ("on_mark", {"moved": np.array([[0.3, 0.0, 9.0]]), "mark": MARK}, np.exp(-1.0)),
        ("to_mark", {"lin_vel": np.array([[1.5, 0.0, 9.0]]), "mark": 0.9 * MARK}, np.exp(-2.5)),
        ("to_mark", {"lin_vel": np.array([[0.0, -1.0, 0.0]]), "mark": 0.9 * MARK, "moved": QUARTER}, 1.0),
        ("to_heading", {"mark": np.array([[0.0, 0.0, 0.45]])}, np.exp(-2.0)),
        ("on_heading", {"moved": np.array([[9.0, 0.0, 0.3]])}, np.exp(-1.0)),
        ("off_mark", {"moved": np.array([[0.3, 0.4, 0.0]])}, 0.5),
        ("off_heading", {"moved": np.array([[0.3, 0.4, -0.1]])}, 0.1),
        (
            "still",
            {"lin_vel": np.array([[0.0, 0.1, 0.0]]), "ang_vel": np.array([[0.0, 0.0, 0.5]])},
            np.exp(-0.35),
        ),
    ],
)
def test_terms_by_hand(term, changes, value):
    assert TERMS[term](data(**changes))[0] == pytest.approx(value)


def test_reward_is_the_weighted_sum_and_never_negative():
    task = load_task("trot")
    scorer, step = task.scorer(), np.zeros(1, int)
    best, _ = scorer.score(data(), step)
    weights = task.rewards
    positive = weights["track_lin_vel"] + weights["track_ang_vel"] + weights["gait"]
    assert best[0] == pytest.approx(positive * task.step_dt)
    worst, _ = scorer.score(data(tau=np.full((1, 12), 1e3)), step)
    assert worst[0] == 0.0


def test_clock_turns_once_a_period_and_rests_when_standing():
    clock = gait_clock(np.arange(26), 0.02, 0.5)
    assert clock[0] == pytest.approx((0.0, 1.0))
    assert clock[25] == pytest.approx(clock[0], abs=1e-9)
    assert np.allclose(np.linalg.norm(clock, axis=1), 1.0)
    assert gait_clock(7, 0.02, 0.5, standing=True).tolist() == [0.0, 0.0]


def task_file(name: str) -> str:
    return share_path("config", "tasks", f"{name}.yaml").read_text()


WRONG = [
    ("trot", "  gait: 1.0", "  speed: 1.0", "rewards.speed: unknown term speed; there are action_rate, "),
    ("trot", "  gait: 1.0", "  gait: .nan", "rewards.gait: 'nan' is not a finite number"),
    ("trot", "  gait: 1.0", "  gait: yes", "rewards.gait: 'True' is not a finite number"),
    (
        "trot",
        "0.05 per rad",
        "0.05 per deg",
        "rewards.ang_vel_xy: unknown unit 'deg^2/s^2'; it is to be",
    ),
    ("trot", "-0.05 per rad^2/s^2", "-0.05", "rewards.ang_vel_xy: unknown unit ''; it is to be in rad^2/s^2"),
    ("trot", "  gait: 1.0", "  gait: 1.0 per m", "rewards.gait: unknown unit 'm'; it is to be without"),
    (
        "trot",
        "name: trot",
        "name: trot\ncolour: red",
        "colour: there is no such entry; there are name, step_dt",
    ),
    ("trot", "  vx:", "  speed: 1.0\n  vx:", "commands.speed: there is no such entry; there are vx, vy, wz"),
    ("trot", "step_dt: 0.02 s", "step_dt: -0.02 s", "step_dt: Input should be greater than 0"),
    ("trot", "step_dt: 0.02 s", "step_dt: 20 ms", "step_dt: unknown unit 'ms'; it is to be in s"),
    ("jump", "        rise: 1.5", "        jump: 1.5", "states.launch.rewards.jump: unknown term jump"),
    (
        "jump",
        "        rise: 1.5",
        "        rise: .inf",
        "rewards.rise: '.inf per m/s' is not a finite",
    ),
    (
        "jump",
        "      next:\n        crouch",
        "      then:\n        crouch",
        "states.stand.then: there is no such entry; there are rewards, next",
    ),
    ("jump", "missed: time", "lost: time", "launch.next.lost: unknown phase lost; there are stand, crouch"),
    ("jump", "flight: feet < 1", "flight: legs < 1", "flight: unknown signal legs; there are time, in_state"),
    ("jump", "flight: feet < 1", "flight: feet = 1", "launch.next.flight: 'feet = 1' is no comparison"),
    ("jump", "time > 0.8 s", "time > 800 ms", "launch.next.missed: unknown unit 'ms'; it is to be in s"),
]
"""(task, what stands in its file, what is written there instead, what the refusal says)."""


@pytest.mark.parametrize(("task", "old", "new", "words"), WRONG)
def test_wrong_task_files_are_refused_with_the_line(task, old, new, words):
    good = task_file(task)
    wrong = good.replace(old, new, 1)
    changed = zip(good.splitlines(), wrong.splitlines(), strict=False)
    line = next(i for i, (before, after) in enumerate(changed, 1) if before != after)
    with pytest.raises(ConfigError) as refusal:
        parse_task(wrong, Path(f"config/tasks/{task}.yaml"))
    assert words in str(refusal.value)
    assert f"{task}.yaml, line {line}," in str(refusal.value)


def test_entries_that_contradict_each_other_are_refused():
    path, good = Path("jump.yaml"), task_file("jump")
    with pytest.raises(ConfigError, match="jump: lift_off, touch_down and duration are to follow each other"):
        parse_task(good.replace("touch_down: 0.68 s", "touch_down: 0.44 s"), path)
    with pytest.raises(ConfigError, match="the jump lasts 1 s, longer than gait_period"):
        parse_task(good.replace("gait_period: 1.6 s", "gait_period: 0.9 s"), path)


@pytest.mark.parametrize(("text", "words"), [("- a", "key: value"), ("a: [", "not YAML"), ("", "key: value")])
def test_what_is_no_task_file_is_refused(text, words):
    with pytest.raises(ConfigError, match=words):
        parse_task(text, Path("odd.yaml"))


@pytest.mark.parametrize("task", ["trot", "jump"])
def test_every_term_that_has_a_unit_is_a_term(task):
    assert set(UNITS) <= set(TERMS)
    assert np.isfinite(list(load_task(task).rewards.values())).all()


def test_unknown_task_names_those_there_are():
    with pytest.raises(ConfigError, match="available: .*trot"):
        load_task("gallop")
