"""The baseline: rsl_rl's PPO fed with the windows of one robot."""

import numpy as np
import pytest
import torch
from learning_rig import batch, collect, make_learner, policy, walk, write_critic

from ros2_rl.errors import ConfigError
from ros2_rl.learning.config import load_learner
from ros2_rl.learning.making import make_learner as by_name
from ros2_rl.learning.window import Window
from ros2_rl.policy.adapter import Adapter, check, check_probe, merge
from ros2_rl.policy.onnx_policy import OnnxPolicy

FULL = {"algorithm": "rsl_rl", "mode": "full", "adapt_critic": "full"}


def baseline(folder, **changes):
    cfg = make_learner(folder, **(FULL | changes)).cfg
    return by_name(policy(), write_critic(folder / "critic.safetensors"), cfg)


def test_its_returns_are_segment_wise_gae(tmp_path):
    learner = baseline(tmp_path)
    b = batch(learner, overridden=(40, 41))
    window = Window.of(b, 1.0)
    learner._fill(window)
    _, returns, _ = learner.critic.targets(window)
    assert b.cut.sum() > 10
    np.testing.assert_allclose(learner._ppo.storage.returns[:, 0, 0].numpy(), returns, atol=1e-5)


def test_a_fall_is_not_bootstrapped(tmp_path):
    learner = baseline(tmp_path)
    b = batch(learner)
    b.terminal[np.flatnonzero(b.cut)[:3]] = True
    window = Window.of(b, 1.0)
    learner._fill(window)
    _, returns, _ = learner.critic.targets(window)
    np.testing.assert_allclose(learner._ppo.storage.returns[:, 0, 0].numpy(), returns, atol=1e-5)


def test_every_weight_and_bias_moves_and_reaches_the_executor(tmp_path):
    learner = baseline(tmp_path)
    before = [p.detach().clone() for p in learner.actor.parameters()]
    assert not learner.update(batch(learner)).reason
    assert all(not torch.equal(a, b) for a, b in zip(before, learner.actor.parameters(), strict=True))
    adapter = Adapter.from_bytes(learner.adapter(1).to_bytes())
    check(adapter, learner.policy)
    check_probe(adapter, OnnxPolicy(merge(learner.policy.model, adapter)))


def test_an_update_that_is_not_finite_is_dropped(tmp_path):
    learner = baseline(tmp_path)
    learner.update(batch(learner))
    before = [p.detach().clone() for p in learner.actor.parameters()]
    rate, bad = learner.learning_rate, batch(learner, seed=1)
    bad.rewards[5] = np.inf
    assert "not finite" in learner.update(bad).reason
    assert all(torch.equal(a, b) for a, b in zip(before, learner.actor.parameters(), strict=True))
    assert learner.learning_rate == learner._ppo.learning_rate == rate
    assert not learner.update(batch(learner, seed=2)).reason


def test_it_learns_and_goes_back(tmp_path):
    learner = baseline(tmp_path, learning_rate=1e-3, target_kl=0.05)
    start = learner.adapter(1)
    rewards = [learner.update(batch(learner, seed=i)).reward for i in range(20)]
    assert np.mean(rewards[-4:]) > np.mean(rewards[:4]) + 0.5
    learner.rollback(1)
    np.testing.assert_array_equal(learner.adapter(2).probe_out, start.probe_out)
    assert collect(walk(learner, 40, 0)) is not None


def test_what_it_cannot_do_is_refused():
    with pytest.raises(ConfigError, match="rsl_rl needs mode and adapt_critic full"):
        load_learner("fft", mode="lora")
    assert load_learner("fft").algorithm == "rsl_rl"
