"""Experience: who acted, what was executed, where nothing follows; and the replay that keeps it."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from learning_rig import record
from policy_rig import CONTRACT, ROBOT, random_state

from ros2_rl.errors import ConfigError
from ros2_rl.learning.sac.executed import ExecutedActions
from ros2_rl.learning.sac.experience import Experience, Transitions
from ros2_rl.learning.sac.identity import identity_of
from ros2_rl.learning.sac.replay import LABELS, Replay
from ros2_rl.robots import JointCommand
from ros2_rl.tasks import load_task

IDENTITY = {"robot": "go2", "task": "trot", "rate": "50 Hz", "reward": "gait 1", "base policy": "abc"}
WIDTHS = {"obs": 2, "reward": 0, "terminal": 0}


def gather(actors: str, executed=lambda r: r.action, falls: str = "", hold_back: int = 0) -> Transitions:
    """``actors``: p, h, r or s, one a step; ``falls``: x where the supervisor counts one."""
    names = {"p": "policy", "h": "human", "r": "recovery", "s": "supervisor"}
    experience = Experience(executed, fall_blame_steps=3, hold_back=hold_back)
    for step, actor in enumerate(actors):
        fell = step < len(falls) and falls[step] == "x"
        experience.add(record(step, action=(step, 0)), record(step + 1), 1.0, names[actor], fell)
    return experience.drain()


@pytest.mark.parametrize(
    ("actors", "falls", "terminal"),
    [
        ("ppppp", "", "0000"),
        ("pprrp", "", "0100"),  # recovery had to take over: nothing follows
        ("pphhp", "", "0000"),  # a person took over: no loss of the policy's
        ("pps", "", "01"),
        ("pppp", "..x", "001"),
        ("pprrr", "...x", "0101"),
    ],
)
def test_where_nothing_follows(actors, falls, terminal):
    assert "".join(f"{t:.0f}" for t in gather(actors, falls=falls).terminal) == terminal


def test_a_fall_soon_after_a_person_took_over_is_the_policys():
    assert gather("pphhp", falls="...x").terminal.tolist() == [0, 1, 0, 1]


def test_labels_and_counts():
    found = gather("phrsp" + "p")
    assert [LABELS[i] for i in found.labels] == ["policy", "human", "recovery", "policy"]
    assert (found.counts.policy, found.counts.human, found.counts.recovery) == (2, 1, 1)


def test_what_was_executed_is_kept_and_not_what_was_proposed():
    found = gather("pprr" + "p", executed=lambda r: None if r.step in (0, 2) else r.action + 5.0)
    # Not known: the policy's own proposal stands in; recovery's step is left out.
    assert found.actions[:, 0].tolist() == [0.0, 6.0, 8.0]
    assert found.counts.unusable == 1


def test_a_record_that_did_not_arrive_costs_one_step():
    experience = Experience(lambda r: r.action, hold_back=0)
    for step in (0, 1, 3, 4, 5):
        experience.add(record(step), record(3 if step == 1 else step + 1), 1.0, "policy", False)
    found = experience.drain()
    assert found.steps.tolist() == [0, 3, 4] and found.counts.cut == 1


def test_a_judgement_reaches_the_steps_that_were_held_back():
    experience = Experience(lambda r: r.action, hold_back=3)
    for step in range(10):
        experience.add(record(step), record(step + 1), 0.0, "policy", False)
    assert len(experience.drain()) == 6
    assert experience.judge(7 * 20_000_000, 9 * 20_000_000, -1.0) == 2
    for step in range(10, 14):
        experience.add(record(step), record(step + 1), 0.0, "policy", False)
    assert experience.drain().rewards.tolist() == [0.0, -0.5, -0.5, 0.0]


# ---- what was executed


def command(q: np.ndarray, gains: str = "policy") -> JointCommand:
    return JointCommand(20_000_000, q, np.zeros(12), np.zeros(12), gains)


def test_a_command_says_what_was_executed():
    executed, state = ExecutedActions(CONTRACT, ROBOT, "policy"), random_state(1)
    proposed = np.linspace(-1, 1, 12).astype(np.float32)
    assert executed.at(20_000_000, state.q, state.dq, proposed) is None
    executed.put(command(ROBOT.default_pose + 0.25 * proposed))
    assert np.array_equal(executed.at(20_000_000, state.q, state.dq, proposed), proposed)
    executed.put(command(ROBOT.default_pose + 0.25 * np.clip(proposed, -0.5, 0.5)))
    limited = executed.at(20_000_000, state.q, state.dq, proposed)
    np.testing.assert_allclose(limited, np.clip(proposed, -0.5, 0.5), atol=1e-6)


def test_other_gains_count_as_the_target_of_the_same_torque():
    executed, state = ExecutedActions(CONTRACT, ROBOT, "policy"), random_state(1)
    target = state.q + 0.1
    executed.put(command(target, "stand"))
    action = executed.at(20_000_000, state.q, state.dq, np.zeros(12))
    own, stand = ROBOT.gains["policy"], ROBOT.gains["stand"]
    wanted = stand.kp * (target - state.q) - stand.kd * state.dq
    np.testing.assert_allclose(
        own.kp * (ROBOT.default_pose + 0.25 * action - state.q) - own.kd * state.dq, wanted, atol=1e-4
    )


# ---- the replay


def rows(first: int, count: int) -> dict[str, np.ndarray]:
    numbers = np.arange(first, first + count, dtype=np.float32)
    return {"obs": np.stack([numbers, -numbers], 1), "reward": numbers, "terminal": 0 * numbers}


@given(st.lists(st.integers(0, 7), max_size=12), st.integers(1, 9))
def test_a_replay_keeps_the_newest_in_order(sizes, capacity):
    replay, total = Replay(WIDTHS, IDENTITY, capacity), 0
    for size in sizes:
        replay.add(rows(total, size), np.full(size, total % 3, np.uint8))
        total += size
    kept = replay.tensors()["reward"].tolist()
    assert kept == list(range(max(total - capacity, 0), total))
    assert replay.newest(3)["reward"].tolist() == kept[::-1][:3]
    copy = Replay(WIDTHS, IDENTITY, capacity)
    copy.restore(replay.tensors())
    assert copy.tensors()["reward"].tolist() == kept and copy.counts() == replay.counts()


def test_samples_are_of_the_labels_that_are_asked_for():
    replay, generator = Replay(WIDTHS, IDENTITY, 100), torch.Generator().manual_seed(0)
    replay.add(rows(0, 30), np.arange(30, dtype=np.uint8) % 3)
    drawn = replay.sample(64, generator, ("human",))["reward"]
    assert set((drawn % 3).tolist()) == {1.0}
    with pytest.raises(ValueError, match="no steps of recovery"):
        Replay(WIDTHS, IDENTITY, 9).sample(1, generator, ("recovery",))
    with pytest.raises(ValueError, match="reward has the shape"):
        replay.add({"obs": np.zeros((2, 2)), "reward": np.zeros(3)}, np.zeros(2, np.uint8))


def test_a_replay_survives_its_file(tmp_path):
    replay = Replay(WIDTHS, IDENTITY, 20)
    replay.add(rows(0, 25), np.zeros(25, np.uint8))
    replay.save(tmp_path / "r.safetensors")
    other = Replay(WIDTHS, IDENTITY, 50)
    other.load(tmp_path / "r.safetensors")
    assert torch.equal(other.tensors()["obs"], replay.tensors()["obs"]) and len(other) == 20


@pytest.mark.parametrize("key", list(IDENTITY))
def test_a_foreign_replay_is_refused_with_what_differs(tmp_path, key):
    path = tmp_path / "r.safetensors"
    Replay(WIDTHS, {**IDENTITY, key: "other"}, 9).save(path)
    with pytest.raises(ConfigError, match=f"its {key} is other, not {IDENTITY[key]}; start without it"):
        Replay(WIDTHS, IDENTITY, 9).load(path)


def test_a_damaged_replay_is_refused(tmp_path):
    path = tmp_path / "r.safetensors"
    with pytest.raises(ConfigError, match="cannot be read"):
        Replay(WIDTHS, IDENTITY, 9).load(path)
    replay = Replay(WIDTHS, IDENTITY, 9)
    replay.add(rows(0, 4), np.zeros(4, np.uint8))
    replay.save(path)
    path.write_bytes(path.read_bytes()[:-3])
    with pytest.raises(ConfigError, match="cannot be read"):
        Replay(WIDTHS, IDENTITY, 9).load(path)
    Replay({"obs": 3, "reward": 0}, IDENTITY, 9).save(path)
    with pytest.raises(ConfigError, match=r"other fields .*obs"):
        Replay(WIDTHS, IDENTITY, 9).load(path)


def test_the_identity_names_what_must_agree():
    task = load_task("trot")
    ours = identity_of(ROBOT, task, "a" * 64)
    assert set(ours) == set(IDENTITY)
    changed = task.model_copy(update={"rewards": {**task.rewards, "gait": 2.0}})
    assert identity_of(ROBOT, changed, "a" * 64)["reward"] != ours["reward"]
