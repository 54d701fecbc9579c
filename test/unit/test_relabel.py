"""Steps under other commands: the same motion, the reward of what might have been asked for."""

from dataclasses import fields, replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ros2_rl.learning.config import load_learner
from ros2_rl.learning.finetune import FineTuning
from ros2_rl.learning.sac.experience import Experience
from ros2_rl.learning.sac.relabel import OtherCommands, Step, can_relabel
from ros2_rl.learning.session_config import SessionConfig
from ros2_rl.policy.onnx_policy import OnnxPolicy
from ros2_rl.policy.step import StepRecord
from ros2_rl.robots import load_robot
from ros2_rl.tasks import load_task

TASK, ROBOT = load_task("trot"), load_robot("go2")
CONTRACT = OnnxPolicy(TASK.policy_path).contract
ASKED = np.array([0.5, 0.1, -0.2], np.float32)
COMMAND = slice(6, 9)
"""Of the trot's observation."""


def record(step: int, command: np.ndarray, rng: np.random.Generator) -> StepRecord:
    obs = rng.standard_normal(CONTRACT.observation_width).astype(np.float32)
    obs[COMMAND] = command
    arrays = {
        "action": 12, "mean": 12, "std": 12, "clock": 2, "lin_vel": 3, "contacts": 4,
        "ang_vel": 3, "q": 12, "dq": 12, "tau": 12,
    }  # fmt: skip
    drawn = {name: 0.3 * rng.standard_normal(size).astype(np.float32) for name, size in arrays.items()}
    drawn["q"] = drawn["q"] * 0.1 + ROBOT.default_pose
    return StepRecord(
        20_000_000 * step, step, 1, obs, command=command, height=np.array([0.28]),
        gravity=np.array([0.0, 0.0, -1.0]), **drawn,
    )  # fmt: skip


def steps(
    count: int, first: int = 100, command: np.ndarray = ASKED, label: str = "policy", seed: int = 0
) -> list[Step]:
    """Consecutive steps, rewarded as they are in a session."""
    rng, scorer = np.random.default_rng(seed), TASK.scorer()
    records = [record(first + i, command, rng) for i in range(count + 1)]
    pairs = zip(records, records[1:], strict=False)
    return [Step(r, a, r.action, scorer.outcome(ROBOT, r, a), label) for r, a in pairs]


def others(seed: int = 3) -> OtherCommands:
    return OtherCommands(TASK, ROBOT, CONTRACT, seed)


def test_only_the_command_is_another():
    before = steps(8)
    after = others()(before)
    assert len(after) == 8
    for was, now in zip(before, after, strict=True):
        for old, new in ((was.record, now.record), (was.after, now.after)):
            assert not np.array_equal(new.command, ASKED)
            np.testing.assert_array_equal(new.obs[COMMAND], new.command)
            np.testing.assert_array_equal(np.delete(new.obs, range(6, 9)), np.delete(old.obs, range(6, 9)))
            same = [f.name for f in fields(StepRecord) if f.name not in ("obs", "command")]
            assert all(getattr(old, name) is getattr(new, name) for name in same)
        assert now.action is was.action and (now.label, now.terminal) == (was.label, was.terminal)
    np.testing.assert_array_equal(before[0].record.command, ASKED)
    np.testing.assert_array_equal(before[0].record.obs[COMMAND], ASKED)


def test_the_reward_is_what_the_task_pays_under_that_command():
    before = steps(12)
    before[5].reward += 0.7  # a person's judgement
    after, scorer = others()(before), TASK.scorer()
    paid = [scorer.outcome(ROBOT, s.record, s.after) for s in after]
    paid[5] += 0.7
    np.testing.assert_allclose([s.reward for s in after], paid, atol=1e-9)
    assert not np.allclose(paid, [s.reward for s in before])


def test_what_was_achieved_pays_more_than_what_was_asked_for():
    before = steps(50)
    gained = []
    for seed in range(30):
        after = others(seed)(before)
        did = np.mean([(*s.after.lin_vel[:2], s.after.ang_vel[2]) for s in before], axis=0)
        if np.linalg.norm(after[0].record.command - np.clip(did, others()._low, others()._high)) < 0.2:
            gained.append(sum(s.reward for s in after) - sum(s.reward for s in before))
    assert len(gained) > 5 and np.mean(gained) > 0.0


@given(
    parts=st.lists(
        st.tuples(
            st.integers(1, 70),
            st.sampled_from(["policy", "human", "recovery"]),
            st.tuples(st.floats(-0.3, 1.0), st.floats(-0.3, 0.3), st.floats(-0.8, 0.8)),
            st.booleans(),
        ),
        max_size=4,
    )
)
@settings(max_examples=30)
def test_a_stretch_has_one_command_within_its_range(parts):
    taken, first = [], 0
    for count, label, command, gap in parts:
        taken += steps(count, first + 5 * gap, np.array(command, np.float32), label)
        first += count + 5 * gap
    found = others()(taken)
    moving = [s for s in taken if s.label != "recovery" and not TASK.clock.standing(s.record.command)]
    assert [s.record.step for s in found] == [s.record.step for s in moving]
    for s in found:
        assert (others()._low - 1e-6 <= s.record.command).all()
        assert (s.record.command <= others()._high + 1e-6).all()
        assert not TASK.clock.standing(s.record.command)
    for was, one, two in zip(moving, found, found[1:], strict=False):
        if two.record.step != one.record.step + 1 or two.label != one.label:
            assert not np.array_equal(one.record.command, two.record.command)
        assert was.label == one.label


def test_the_same_seed_draws_the_same():
    one, two, other = (others(seed)(steps(60)) for seed in (3, 3, 4))
    assert all(np.array_equal(a.record.command, b.record.command) for a, b in zip(one, two, strict=True))
    assert not np.array_equal(one[0].record.command, other[0].record.command)


def test_every_frame_of_a_history_has_the_command_and_its_scale():
    contract = replace(
        CONTRACT, observation_history=3, observation_scales=(0.25, 1.0, 2.0, 1.0, 0.05, 1.0, 1.0)
    )
    rng, width = np.random.default_rng(0), contract.frame_width
    made = [
        replace(s, record=replace(s.record, obs=rng.standard_normal(3 * width)),
                after=replace(s.after, obs=rng.standard_normal(3 * width)))
        for s in steps(4)
    ]  # fmt: skip
    for step in OtherCommands(TASK, ROBOT, contract, 0)(made):
        wanted = 2.0 * step.record.command
        holds = [np.allclose(step.record.obs[i : i + 3], wanted) for i in range(3 * width - 2)]
        assert sum(holds) == 3


@pytest.mark.parametrize(
    ("task", "names", "can"),
    [("trot", CONTRACT.observation_names, True), ("jump", CONTRACT.observation_names, False),
     ("trot", ("base_ang_vel", "joint_pos"), False)],
)  # fmt: skip
def test_where_it_is_not_known_what_would_have_been_paid(task, names, can):
    contract = replace(CONTRACT, observation_names=names, observation_scales=())
    assert can_relabel(load_task(task), contract) is can


def test_a_window_brings_them_along():
    experience = Experience(lambda r: r.action, hold_back=0, relabel=others())
    for step in steps(20):
        experience.add(step.record, step.after, step.reward, "policy", False)
    new = experience.drain()
    other = new.relabelled()
    assert other is not None and len(new) == len(other) == 19
    assert np.array_equal(new.actions, other.actions)
    assert not np.array_equal(new.obs[:, COMMAND], other.obs[:, COMMAND])
    assert Experience(lambda r: r.action, hold_back=0, relabel=others()).drain().relabelled() is None


def test_who_drains_does_not_wait_for_the_scores():
    called = []
    experience = Experience(lambda r: r.action, hold_back=0, relabel=lambda s: called.append(len(s)) or [])
    for step in steps(5):
        experience.add(step.record, step.after, step.reward, "policy", False)
    new = experience.drain()
    assert not called
    new.relabelled()
    assert called == [4]


@pytest.mark.parametrize(
    ("name", "share", "does"), [("trot", 0.5, True), ("trot", 0, False), ("jump", 0.5, False)]
)
def test_a_session_relabels_where_it_is_asked_to_and_can(name, share, does):
    task, cfg = load_task(name), load_learner("offpolicy", relabelled_share=share)
    tuning = FineTuning(SessionConfig(), cfg, task, ROBOT, task.policy_path, task.critic_path, 0)
    assert isinstance(tuning.rollout, Experience) and (tuning.rollout.relabel is not None) is does
