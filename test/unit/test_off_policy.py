"""Align and filter: V-trace, effective sample size, total variation, and the learner that uses them."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from learning_rig import batch, collect, make_learner, walk

from ros2_rl.learning.off_policy import effective_share, inward, total_variation, vtrace

NO, END = np.zeros(3, bool), np.array([False, False, True])


def test_vtrace_by_hand():
    rewards, values, weights = np.ones(3), np.array([1.0, 2.0, 3.0]), np.array([0.5, 4.0, 0.25])
    advantages, targets = vtrace(rewards, values, np.array([8.0]), NO, END, 0.5, 1.0, weights, 1.0)
    # delta = 1 + 0.5 * following - value = 1, 0.5, 2; rho = 0.5, 1 (truncated), 0.25
    third = 2.0
    second = 0.5 + 0.5 * 0.25 * third
    first = 1.0 + 0.5 * second
    assert advantages == pytest.approx([first, second, third])
    assert targets == pytest.approx([1 + 0.5 * first, 2 + second, 3 + 0.25 * third])


def test_where_nothing_is_old_vtrace_is_gae():
    rng = np.random.default_rng(0)
    rewards, values, cut = rng.normal(size=20), rng.normal(size=20), np.zeros(20, bool)
    cut[[7, 12, 19]] = True
    terminal = np.zeros(20, bool)
    terminal[12] = True
    plain = vtrace(rewards, values, np.array([1.0, 2.0, 3.0]), terminal, cut, 0.9, 0.8)
    weighed = vtrace(rewards, values, np.array([1.0, 2.0, 3.0]), terminal, cut, 0.9, 0.8, np.ones(20), 1.0)
    for one, two in zip(plain, weighed, strict=True):
        np.testing.assert_array_equal(one, two)
    assert plain[1] == pytest.approx(plain[0] + values, abs=1e-6)


def test_steps_that_the_present_policy_would_not_take_do_not_move_a_target():
    _, targets = vtrace(np.full(3, 9.0), np.zeros(3), np.array([5.0]), NO, END, 0.9, 0.9, np.zeros(3))
    assert targets == pytest.approx(np.zeros(3))


@given(st.lists(st.floats(0.01, 100.0), min_size=1, max_size=30), st.floats(0.1, 10.0))
def test_effective_share(weights, factor):
    share = effective_share(np.array(weights))
    assert 1.0 / len(weights) - 1e-9 <= share <= 1.0 + 1e-9
    assert effective_share(factor * np.array(weights)) == pytest.approx(share)
    assert effective_share(np.ones(7)) == 1.0
    assert effective_share(np.array([1.0, 0.0, 0.0, 0.0])) == 0.25
    assert effective_share(np.zeros(4)) == 0.0


def test_total_variation_and_filter_by_hand():
    ratio = torch.tensor([1.0, 1.5, 0.5, 1.5, 0.5])
    assert float(total_variation(ratio)) == pytest.approx(0.2)
    advantages = torch.tensor([1.0, 1.0, -1.0, -1.0, 1.0])
    # Growing a ratio above 1, or shrinking one below it, leads away; the other two lead back.
    assert inward(ratio, advantages).tolist() == [True, False, False, True, True]


def late(learner, updates: int = 4) -> tuple:
    """A batch that the learner's first policy took, and what it is after some updates."""
    old = batch(learner, seed=9)
    for seed in range(updates):
        learner.update(batch(learner, seed=seed))
    return old, learner


def test_late_steps_are_weighed_and_fresh_ones_are_not(tmp_path):
    learner = make_learner(tmp_path, algorithm="vaco")
    assert learner.update(batch(learner)).effective_share == pytest.approx(1.0, abs=1e-4)
    old, learner = late(learner)
    stats = learner.update(old)
    assert stats.effective_share < 0.95
    assert stats.actor_steps > 0


def test_the_kl_of_an_aligned_update_starts_at_zero(tmp_path):
    """PPO measures from the policy that acted: late steps stop it before it has begun."""
    for algorithm, steps in (("ppo", 0), ("vaco", 20)):
        learner = make_learner(tmp_path, algorithm=algorithm, target_kl=0.1, learning_rate=1e-3)
        old, learner = late(learner, 6)
        learner.cfg = learner.cfg.model_copy(update={"target_kl": 0.002, "kl_stop": 5.0})
        learner.learning_rate = 1e-5
        assert learner.update(old).actor_steps == steps


def test_the_filter_acts_above_its_limit_only(tmp_path):
    shares = {}
    for limit in (1e-6, 0.99):
        learner = make_learner(tmp_path, algorithm="vaco", tv_limit=limit, target_kl=1.0)
        shares[limit] = learner.update(batch(learner)).clipfrac
    assert shares[0.99] == 0.0 < shares[1e-6]


def test_a_small_effective_sample_makes_small_steps(tmp_path):
    moved = {}
    for scaling in (False, True):
        learner = make_learner(tmp_path, algorithm="vaco", ess_scaling=scaling, schedule="fixed")
        old, learner = late(learner, 6)
        before = learner.actor.mlp.linears[0].B.detach().clone()
        stats = learner.update(old)
        moved[scaling] = float((learner.actor.mlp.linears[0].B.detach() - before).norm())
        assert learner.learning_rate == learner.cfg.learning_rate, "the schedule does not see the scaling"
    assert moved[True] < (0.5 + 0.5 * stats.effective_share) * moved[False]


@pytest.mark.parametrize("algorithm", ["ppo", "vaco"])
def test_the_actor_learns_from_the_newest_windows(tmp_path, algorithm):
    one = make_learner(tmp_path, algorithm=algorithm, actor_reuse_windows=2)
    two = make_learner(tmp_path, algorithm=algorithm, actor_reuse_windows=1)
    first = batch(one, seed=1)
    assert one.update(first).actor_steps == two.update(first).actor_steps
    second = batch(one, seed=2)
    one.update(second)
    two.update(second)
    assert len(one.critic.windows) == 2 and len(two.critic.windows) == 1
    assert not torch.equal(one.actor.mlp.linears[0].B, two.actor.mlp.linears[0].B)


def test_vaco_learns_from_late_steps(tmp_path):
    """The policy that acts is always four updates old."""
    learner = make_learner(tmp_path, algorithm="vaco", learning_rate=3e-3, tv_limit=0.1)
    acting = [learner.adapter(0)] * 5
    rewards = []
    for seed in range(25):
        present, version = learner.actor.state_dict(), seed + 1
        present = {key: value.clone() for key, value in present.items()}
        learner.rollback(acting[-5].version)
        steps = walk(learner, 257, seed)
        learner.actor.load_state_dict(present)
        rewards.append(learner.update(collect(steps)).reward)
        acting.append(learner.adapter(version))
    assert np.mean(rewards[-5:]) > np.mean(rewards[:5]) + 0.3
