"""An arm's tasks: an expert solves each, success is what the poses say, episodes follow each other."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from arm_rig import HIGH, LOW, ROBOT, ZERO

from ros2_rl.errors import ConfigError, RecordError
from ros2_rl.learning.arm_tuning import ArmTuning
from ros2_rl.learning.config import load_arm_learner
from ros2_rl.manipulation.demos import DemoWriter, load_demos
from ros2_rl.manipulation.episode import Episodes, Stage
from ros2_rl.manipulation.observation import WIDTH, Observation
from ros2_rl.manipulation.operator import Character, ScriptedOperator
from ros2_rl.manipulation.poses import ScenePoses
from ros2_rl.manipulation.practice import PracticeConfig
from ros2_rl.manipulation.success import SuccessCheck
from ros2_rl.manipulation.task import ArmTask, load_arm_task
from ros2_rl.robots import RobotState
from ros2_rl.safety.modes import Mode
from ros2_rl.sim.arm_loop import ArmCell, by_expert, helped
from ros2_rl.sim.arm_session import tried
from ros2_rl.tasks.loading import parse_as


def outcomes(notes) -> list[str]:
    return [note.outcome for note in notes if note.stage is Stage.LIFT and note.outcome]


def seen_at(task: str, place, thing=None, stamp_ns: int = 0) -> Observation:
    zero, goal = np.zeros(3), np.array((0.5, 0.0, 0.05))
    thing = None if thing is None else goal + thing
    return Observation(stamp_ns, goal + place, zero, zero, zero, goal, thing)


@pytest.mark.parametrize(("task", "episodes"), [("reach", 2), ("push", 1), ("peg", 1)])
def test_an_expert_solves_it_and_no_guard_trips(task, episodes):
    cell = ArmCell(task, seed=11)
    notes, transitions = cell.run(episodes, by_expert(cell), most_s=60.0)
    assert outcomes(notes) == ["success"] * episodes
    assert cell.supervisor.mode is Mode.POLICY and cell.supervisor.snapshot().events == 0
    assert sum(t.reward for t in transitions) == episodes
    assert [t.terminal for t in transitions] == [t.reward == 1.0 for t in transitions]
    assert not any(t.truncated for t in transitions)


def test_the_same_seed_gives_the_same_transitions():
    def run() -> np.ndarray:
        cell = ArmCell("reach", seed=12)
        return np.array([t.next_obs for t in cell.run(1, by_expert(cell))[1]])

    assert np.array_equal(run(), run())


def test_transitions_follow_each_other_and_tables_differ():
    cell = ArmCell("reach", seed=11)
    goals = []
    notes, transitions = [], []
    for _ in range(3):
        told, experienced = cell.run(1, by_expert(cell))
        goals.append(cell.plant.truth().goal)
        notes, transitions = notes + told, transitions + experienced
    assert len({tuple(goal) for goal in goals}) == 3
    for before, after in zip(transitions, transitions[1:], strict=False):
        if before.episode == after.episode:
            assert after.index == before.index + 1 and after.stamp_ns - before.stamp_ns == 100_000_000
            assert np.array_equal(before.next_obs, after.obs)
    stages = [note.stage for note in notes if note.number == 1]
    assert stages == [Stage.LIFT, Stage.MOVE, Stage.RUN]
    assert all(t.obs.shape == (WIDTH,) and t.obs.dtype == np.float32 for t in transitions)
    assert all((np.abs(t.action) <= 1.0 + 1e-9).all() for t in transitions)


def test_who_does_nothing_runs_into_the_time_limit_and_that_is_no_end():
    cell = ArmCell("reach", seed=11)
    notes, transitions = cell.run(1, lambda seen: (np.zeros(3), "policy"))
    assert outcomes(notes) == ["time limit"]
    assert len(transitions) == cell.task.limit_steps
    assert transitions[-1].truncated and not transitions[-1].terminal
    assert sum(t.reward for t in transitions) == 0.0


@pytest.mark.parametrize(("outcome", "reward"), [("success", 1.0), ("failure", 0.0)])
def test_a_person_ends_an_episode_by_judging_it(outcome, reward):
    cell, acted = ArmCell("reach", seed=11), []
    assert "nothing to judge" in cell.episodes.judge(outcome)

    def act(seen: Observation) -> tuple[np.ndarray, str]:
        acted.append(seen)
        if len(acted) == 5:
            assert cell.episodes.judge(outcome) == f"Episode 0 ends as a {outcome}."
        return np.zeros(3), "policy"

    notes, transitions = cell.run(1, act)
    assert outcomes(notes) == [outcome]
    assert [t.terminal for t in transitions] == [False] * 4 + [True]
    assert [t.reward for t in transitions] == [0.0] * 4 + [reward] and not transitions[-1].truncated
    notes, _ = cell.run(1, lambda seen: (np.zeros(3), "policy"))
    assert outcomes(notes) == ["time limit"], "a judgement is of one episode"


def test_what_is_stored_is_what_was_executed():
    """An action that the box cuts short is stored as what is left of it."""
    cell = ArmCell("reach", seed=11)
    _, transitions = cell.run(1, lambda seen: (np.array((1.0, 0.0, 0.0)), "policy"))
    assert max(t.action[0] for t in transitions) == pytest.approx(1.0, abs=0.01)
    assert abs(transitions[-1].action[0]) < 0.05


def test_an_action_that_is_no_number_holds_the_arm_and_the_episode_goes_on():
    cell, asked, expert = ArmCell("reach", seed=11), [], None
    expert = by_expert(cell)

    def act(seen):
        asked.append(seen)
        return (np.full(3, np.nan), "policy") if len(asked) == 3 else expert(seen)

    notes, transitions = cell.run(1, act, most_s=30.0)
    assert outcomes(notes) == ["success"]
    assert all(np.isfinite(t.action).all() for t in transitions)
    assert cell.supervisor.mode is Mode.POLICY and len(transitions) < len(asked)


@pytest.mark.parametrize(
    ("task", "place", "thing", "there"),
    [
        ("reach", (0.005, 0.0, 0.005), None, True),
        ("reach", (0.011, 0.0, 0.0), None, False),
        ("reach", (0.0, 0.0, 0.02), None, False),
        ("peg", (0.001, 0.0, -0.035), None, True),
        ("peg", (0.001, 0.0, -0.029), None, False),
        ("peg", (0.02, 0.0, -0.035), None, False),
        ("push", (0.2, 0.0, 0.0), (0.005, 0.005, 0.0), True),
        ("push", (0.0, 0.0, 0.0), (0.02, 0.0, 0.0), False),
    ],
)
def test_success_is_what_the_poses_say(task, place, thing, there):
    check = SuccessCheck(load_arm_task(task))
    thing = None if thing is None else np.array(thing)
    seen = seen_at(task, np.array(place), thing)
    assert check.there(seen) is there
    assert not check.update(seen)  # it has to last
    assert check.update(replace(seen, stamp_ns=400_000_000)) is there


def test_success_that_does_not_last_is_none():
    check = SuccessCheck(load_arm_task("reach"))
    near, far = seen_at("reach", np.zeros(3)), seen_at("reach", np.array((0.1, 0, 0)))
    for stamp_ns in range(0, 1_000_000_000, 100_000_000):
        seen = near if stamp_ns % 200_000_000 == 0 else far
        assert not check.update(replace(seen, stamp_ns=stamp_ns))


def test_an_arm_that_is_held_is_taken_over_where_it_is():
    episodes = Episodes(ROBOT, load_arm_task("reach"), LOW, HIGH, 0, 0.02)
    level, scene = np.array((1.0, 0, 0, 0)), ScenePoses(0, np.array((0.5, 0.0, 0.2)), None)
    q = ROBOT.stand_pose + 0.1
    state = RobotState(0, q, ZERO, ZERO, level, np.zeros(3), np.zeros(3))
    command = episodes.tick(state, scene, False, lambda seen: (np.zeros(3), "policy"))
    np.testing.assert_allclose(command.q, q, atol=0.02)
    assert not episodes.notes and not episodes.transitions


# ---- the scripted operator


def test_an_arm_that_does_not_get_to_its_start_says_so_and_nobody_waits_for_ever(monkeypatch):
    monkeypatch.setattr("ros2_rl.manipulation.episode._PATIENCE_NS", 4_000_000_000)
    monkeypatch.setattr("ros2_rl.sim.arm_session._PATIENCE_NS", 1_000_000_000)
    cell = ArmCell("reach")
    cell.run(1, lambda seen: (np.zeros(3), "policy"))
    assert cell.episodes.trouble(cell.plant.stamp_ns) == ""
    cell.supervisor.request("stand")  # held where it is, until somebody lets it go on
    cell.run(1, lambda seen: (np.zeros(3), "policy"), most_s=5.0)
    assert "is something in the arm's way?" in cell.episodes.trouble(cell.plant.stamp_ns)
    idle = ArmTuning(PracticeConfig(), load_arm_learner("rlpd"), cell.task, None, 1).policy()
    with pytest.raises(RuntimeError, match="does not end"):
        tried(cell, idle, 1)


def test_it_helps_a_policy_that_stalls_and_gives_back():
    cell = ArmCell("reach", seed=11)
    operator = ScriptedOperator(cell.task, 11, Character(patience_s=1.0, help_s=0.5))
    _, transitions = cell.run(2, helped(cell, operator, lambda obs: np.zeros(3)), most_s=40.0)
    labels = [t.label for t in transitions]
    assert operator.interventions >= 2 and {"policy", "human"} == set(labels)
    assert labels[:10] == ["policy"] * 10  # it lets the policy try, and then needs a moment


def test_it_leaves_a_policy_alone_that_gets_there():
    cell = ArmCell("reach", seed=11)
    operator = ScriptedOperator(cell.task, 11)
    notes, transitions = cell.run(2, helped(cell, operator, lambda obs: np.clip(-5.0 * obs[:3], -1, 1)))
    assert operator.interventions == 0 and outcomes(notes) == ["success"] * 2
    assert {t.label for t in transitions} == {"policy"}


def test_it_waits_longer_for_a_policy_that_mostly_did_without_help():
    cell = ArmCell("reach", seed=11)
    operator = ScriptedOperator(cell.task, 11, Character(patience_s=1.0, trust_s=3.0))

    def let_alone_s(episodes: int, policy) -> float:
        """Until the person drove for the first time, in the last of so many more episodes."""
        _, transitions = cell.run(episodes, helped(cell, operator, policy), most_s=120.0)
        last = [t.label for t in transitions if t.episode == transitions[-1].episode]
        return last.index("human") * cell.task.step_dt if "human" in last else np.inf

    def idle(obs: np.ndarray) -> np.ndarray:
        return np.zeros(3)

    def able(obs: np.ndarray) -> np.ndarray:
        return np.clip(-5.0 * obs[:3], -1, 1)

    assert let_alone_s(2, idle) < 2.0
    assert let_alone_s(7, able) == np.inf
    assert 3.0 < let_alone_s(1, idle) < 4.0


def test_it_shows_a_whole_task_though_its_hand_is_unsteady(tmp_path: Path):
    cell = ArmCell("peg", seed=13)
    operator = ScriptedOperator(cell.task, 13, Character(always=True))
    notes, transitions = cell.run(1, helped(cell, operator, lambda obs: np.zeros(3)), most_s=40.0)
    assert outcomes(notes) == ["success"]
    writer = DemoWriter(tmp_path / "demos", cell.task)
    for transition in transitions:
        writer.add(transition)
    demos = load_demos(tmp_path / "demos", cell.task)
    assert len(demos) == len(transitions) and demos.episodes == 1 and demos.rewards.sum() == 1.0
    assert np.array_equal(demos.actions, np.array([t.action for t in transitions], dtype=np.float32))
    assert demos.labels.count("human") > 0.8 * len(demos)


# ---- bad input


def changed(task: ArmTask, **values) -> ArmTask:
    return task.model_copy(update=values)


def test_a_demonstration_of_another_robot_task_or_rate_is_named(tmp_path: Path):
    cell = ArmCell("reach", seed=11)
    writer = DemoWriter(tmp_path, cell.task)
    for transition in cell.run(1, by_expert(cell))[1]:
        writer.add(transition)
    for change, what in (
        ({"robot": "ur5"}, "robot arm, not ur5"),
        ({"name": "peg"}, "task reach, not peg"),
        ({"step_dt": 0.05}, "step 0.1, not 0.05"),
    ):
        with pytest.raises(RecordError, match=what):
            load_demos(tmp_path, changed(cell.task, **change))


def test_an_empty_or_damaged_set_is_named(tmp_path: Path):
    task = load_arm_task("reach")
    with pytest.raises(RecordError, match="no demonstrations in .*record some"):
        load_demos(tmp_path, task)
    (tmp_path / "0001.demo.npz").write_bytes(b"PK nonsense")
    with pytest.raises(RecordError, match="0001.demo.npz is damaged"):
        load_demos(tmp_path, task)


def test_an_episode_with_a_gap_or_without_success_is_left_out(tmp_path: Path):
    cell = ArmCell("reach", seed=11)
    transitions = cell.run(1, by_expert(cell))[1]
    writer = DemoWriter(tmp_path, cell.task)
    for transition in transitions[1:]:
        assert writer.add(transition) is None
    time_limit = replace(transitions[-1], reward=0.0, terminal=False, truncated=True)
    failure = replace(transitions[-1], reward=0.0)
    for last in (time_limit, failure):
        for transition in (*transitions[:-1], last):
            writer.add(transition)
    assert writer.written == 0 and writer.left_out == 3 and not list(tmp_path.iterdir())


def test_a_wrong_entry_of_a_task_is_refused_with_its_line():
    from ros2_rl.paths import share_path

    path = share_path("config", "tasks", "peg.yaml")
    text = path.read_text()
    for old, new, what in (
        ("within: 0.003 m", "within: 3 mm", "unknown unit 'mm'"),
        ("moves: [x, y, z]", "moves: [x, y, w]", "moves"),
        ("scene: hole", "scene: puck", "has an object"),
        ("hold: 0.2 s}", "hold: 0.2 s, colour: red}", "no such entry; there are of, within"),
    ):
        with pytest.raises(ConfigError, match=f"peg.yaml, line .*{what}"):
            parse_as(ArmTask, text.replace(old, new), path)
