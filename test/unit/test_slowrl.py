"""SLowRL's update: what changes and what does not, its guards, its step size, and that it learns."""

import dataclasses

import numpy as np
import pytest
import torch
from learning_rig import CRITIC_OBS, batch, collect, make_learner, policy, walk, write_critic
from policy_rig import CONTRACT, write_random

from ros2_rl.errors import ConfigError, ContractError
from ros2_rl.learning.config import SlowRLConfig, load_learner
from ros2_rl.learning.mirror import Mirror
from ros2_rl.learning.networks import entropy, gaussian_kl, load_critic, log_prob
from ros2_rl.learning.ppo import SlowRL
from ros2_rl.learning.rollout import Batch, Counts
from ros2_rl.policy.onnx_policy import OnnxPolicy


def parameters(learner: SlowRL) -> dict[str, torch.Tensor]:
    named = [*learner.actor.named_parameters("actor"), *learner.critic.network.named_parameters("critic")]
    return {name: p.detach().clone() for name, p in named}


def same(one: SlowRL, two: SlowRL) -> bool:
    a, b = parameters(one), parameters(two)
    return all(torch.equal(a[name], b[name]) for name in a)


def test_only_adapters_and_noise_change(tmp_path):
    learner = make_learner(tmp_path)
    before = parameters(learner)
    for seed in range(2):
        assert not learner.update(batch(learner, seed=seed)).reason
    for name, after in parameters(learner).items():
        learns = name.endswith((".A", ".B", "log_std"))
        assert torch.equal(after, before[name]) != learns, name


def test_a_frozen_critic_stays(tmp_path):
    learner = make_learner(tmp_path, adapt_critic="none")
    before = parameters(learner)
    learner.update(batch(learner))
    after = parameters(learner)
    assert all(torch.equal(after[n], before[n]) for n in before if n.startswith("critic"))


def test_only_the_critic_learns_while_it_warms_up(tmp_path):
    learner = make_learner(tmp_path, critic_warmup_updates=1)
    before = parameters(learner)
    stats = learner.update(batch(learner))
    after = parameters(learner)
    assert all(torch.equal(after[n], before[n]) for n in before if n.startswith("actor"))
    assert not all(torch.equal(after[n], before[n]) for n in before if n.startswith("critic"))
    assert stats.actor_steps == 0 and learner.learning_rate == learner.cfg.learning_rate
    assert learner.update(batch(learner, seed=1)).actor_steps > 0


def test_overridden_steps_have_no_gradient(tmp_path):
    one, two = make_learner(tmp_path), make_learner(tmp_path)
    overridden = tuple(range(20, 30))
    steps = walk(one, 200, 0, overridden)
    one.update(collect(steps))
    for i in overridden:
        steps[i][0].action = steps[i][0].action + 5.0
    two.update(collect(steps))
    assert same(one, two)


def test_the_same_seed_gives_the_same_learner_bit_for_bit(tmp_path):
    one, two, other = make_learner(tmp_path), make_learner(tmp_path), make_learner(tmp_path, seed=4)
    b = batch(one)
    for learner in (one, two, other):
        learner.update(b)
    assert same(one, two) and not same(one, other)


@pytest.mark.parametrize("part", ["rewards", "obs", "critic_obs"])
def test_an_update_that_is_not_finite_is_dropped(tmp_path, part):
    learner, twin = (
        make_learner(tmp_path, critic_reuse_windows=2),
        make_learner(tmp_path, critic_reuse_windows=2),
    )
    good = batch(learner)
    for one in (learner, twin):
        one.update(good)
    before = parameters(learner)
    array = getattr(good, part).copy()
    array[7] = np.nan
    stats = learner.update(dataclasses.replace(good, **{part: array}))
    after = parameters(learner)
    assert "not finite" in stats.reason and stats.dropped_updates == 1
    assert all(torch.equal(after[name], before[name]) for name in before)
    assert len(learner.critic.windows) == 1
    assert not learner.update(good).reason


def test_a_gradient_that_is_not_finite_after_some_steps_restores_the_start(tmp_path):
    learner = make_learner(tmp_path, kl_stop=100.0)
    b, before = batch(learner), parameters(learner)
    calls = []
    learner.actor.log_std.register_hook(lambda g: g * np.nan if calls.append(1) or len(calls) > 5 else g)
    assert "gradient norm nan" in learner.update(b).reason and len(calls) == 6
    after = parameters(learner)
    assert all(torch.equal(after[name], before[name]) for name in before)
    assert not learner.optimizer.state


def test_a_window_with_too_few_steps_is_not_learned_from(tmp_path):
    learner = make_learner(tmp_path)
    before = parameters(learner)
    assert "are needed" in learner.update(batch(learner, 20)).reason
    assert all(torch.equal(p, before[name]) for name, p in parameters(learner).items())


def test_a_batch_of_another_critic_is_refused(tmp_path):
    learner = make_learner(tmp_path)
    b = batch(learner)
    with pytest.raises(ContractError, match=f"takes {CRITIC_OBS} numbers, a control step has 8"):
        learner.update(dataclasses.replace(b, critic_obs=np.zeros((len(b), 8), np.float32)))


def test_the_step_shrinks_when_the_kl_stops_an_update(tmp_path):
    learner = make_learner(tmp_path, learning_rate=0.05, learning_rate_bounds=(1e-4, 0.1), target_kl=0.005)
    stats = learner.update(batch(learner))
    assert 0 < stats.actor_steps < 20
    assert stats.learning_rate == pytest.approx(0.05 / 1.5)
    learner.update(batch(learner, seed=1))
    assert learner.optimizer.param_groups[0]["lr"] == stats.learning_rate


def test_the_step_grows_after_a_timid_update_up_to_its_bound(tmp_path):
    learner = make_learner(tmp_path, learning_rate=1e-4, learning_rate_bounds=(1e-5, 2e-4), target_kl=0.1)
    b = batch(learner)
    found = [learner.update(b).learning_rate for _ in range(3)]
    assert found == pytest.approx([1.5e-4, 2e-4, 2e-4])


def test_a_fixed_step_stays(tmp_path):
    learner = make_learner(tmp_path, schedule="fixed", target_kl=0.5)
    assert learner.update(batch(learner)).learning_rate == learner.cfg.learning_rate


def test_log_std_stays_within_hard_bounds(tmp_path):
    found = []
    for bounds in ((-5.0, 1.0), (-1.21, -1.2)):
        learner = make_learner(tmp_path, entropy_coef=1.0, log_std_bounds=bounds, kl_stop=100.0)
        learner.update(batch(learner))
        found.append(learner.actor.log_std.detach().numpy())
    assert (found[0] > -1.195).any() or (found[0] < -1.215).any()
    assert (found[1] >= np.float32(-1.21)).all() and (found[1] <= np.float32(-1.2)).all()


def go2_batch(base: OnnxPolicy, steps: int = 64) -> Batch:
    """Random steps of a policy for the Go2, in one segment."""
    rng = np.random.default_rng(0)
    obs = rng.normal(size=(steps, 47)).astype(np.float32)
    seen = np.concatenate((obs, rng.normal(size=(steps, 8))), axis=1).astype(np.float32)
    mean = np.stack([base(o[None]) for o in obs])
    actions = mean + 0.3 * rng.normal(size=mean.shape).astype(np.float32)
    rewards, end = rng.random(steps).astype(np.float32), np.arange(steps) == steps - 1
    stds, no = np.full_like(mean, 0.3), np.zeros(steps, bool)
    return Batch(
        obs, seen, actions, mean, stds, rewards, no, end, seen[-1:], Counts()
    )  # fmt: skip


def test_mirrored_steps_make_both_sides_alike(tmp_path):
    base = OnnxPolicy(write_random(tmp_path / "go2.onnx"))
    critic = write_critic(tmp_path / "go2.safetensors", 55)
    b, mirror = go2_batch(base), Mirror.of(CONTRACT)
    seen = torch.from_numpy(b.critic_obs)
    found = []
    for on in (False, True):
        cfg = SlowRLConfig(
            mirror_augmentation=on, min_batch_steps=8, kl_stop=100.0, std_init=0.3, adapt_critic="full",
            critic_epochs=50,
        )  # fmt: skip
        learner = SlowRL(base, critic, cfg)
        assert learner.update(b).actor_steps == 20
        found.append(
            float((learner.critic.values(seen) - learner.critic.values(mirror.critic_obs(seen))).abs().mean())
        )
    assert found[1] < 0.7 * found[0]


@pytest.mark.parametrize(
    "tether", [{"base_kl_coef": 50.0}, {"correction_coef": 50.0, "correction_limit_deg": 0.5}]
)
def test_a_tether_keeps_the_policy_near_its_base(tmp_path, tether):
    found = []
    for changes in ({}, tether):
        learner = make_learner(tmp_path, learning_rate=5e-3, kl_stop=100.0, schedule="fixed", **changes)
        found.append([learner.update(batch(learner, seed=i)) for i in range(3)][-1])
    assert found[1].correction_deg < 0.7 * found[0].correction_deg


def test_the_critic_learns_from_the_kept_windows(tmp_path):
    learner = make_learner(
        tmp_path, critic_reuse_windows=2, critic_learning_rate=1e-2, critic_warmup_updates=99
    )
    found = [learner.update(batch(learner, seed=i)) for i in range(12)]
    assert len(learner.critic.windows) == 2
    assert found[0].explained_variance < 0.2 and found[-1].explained_variance > 0.5


def test_clipped_values_move_less(tmp_path):
    found = []
    for clip in (0.0, 0.1):
        learner = make_learner(
            tmp_path,
            critic_warmup_updates=9,
            critic_learning_rate=0.02,
            max_grad_norm=1000.0,
            value_clip=clip,
        )
        b = batch(learner)
        before = learner.critic.values(torch.from_numpy(b.critic_obs))
        learner.update(b)
        after = learner.critic.values(torch.from_numpy(b.critic_obs))
        found.append(float((after - before).abs().mean()))
    assert 0.0 < found[1] < 0.8 * found[0]


def test_with_a_huber_loss_outliers_pull_less(tmp_path):
    plain, huber = (make_learner(tmp_path, critic_warmup_updates=9, huber_delta=d) for d in (0.0, 0.1))
    b = batch(plain)
    assert huber.update(b).critic_grad_norm < 0.5 * plain.update(b).critic_grad_norm


def test_scaled_rewards_have_a_scaled_critic(tmp_path):
    one, ten = make_learner(tmp_path), make_learner(tmp_path, reward_scale=10.0)
    b = batch(one)
    assert ten.update(b).explained_variance == pytest.approx(one.update(b).explained_variance, abs=1e-4)


def test_rollback_restores_an_earlier_actor(tmp_path):
    learner = make_learner(tmp_path)
    probes = [learner.adapter(1).probe_out]
    for version in (2, 3):
        learner.update(batch(learner, seed=version))
        probes.append(learner.adapter(version).probe_out)
    learner.rollback(2)
    assert np.array_equal(learner.adapter(4).probe_out, probes[1])
    learner.rollback(0)
    assert np.array_equal(learner.adapter(5).probe_out, probes[0])
    with pytest.raises(ConfigError, match="there are 0, 1, 2, 3, 4, 5"):
        learner.rollback(9)


def test_the_pinned_version_outlives_many_others(tmp_path):
    learner = make_learner(tmp_path)
    for version in range(1, 400):
        learner.adapter(version)
        learner.snapshots.pinned = 7
    learner.rollback(7)
    learner.rollback(0)
    with pytest.raises(ConfigError, match="no adapter of version 8"):
        learner.rollback(8)


def test_it_learns_to_reach_zero(tmp_path):
    learner = make_learner(
        tmp_path, rank=2, learning_rate=5e-3, critic_learning_rate=5e-3, adapt_critic="full",
        target_kl=0.05, gamma=0.9,
    )  # fmt: skip
    rewards = [learner.update(batch(learner, 512, seed=i)).reward for i in range(16)]
    assert np.mean(rewards[-2:]) > rewards[0] + 0.3


def test_gaussians_agree_with_torch():
    torch.manual_seed(0)
    mean, other = torch.randn(2, 9, 3).unbind()
    log_std, log_other = torch.randn(2, 3).unbind()
    p, q = torch.distributions.Normal(mean, log_std.exp()), torch.distributions.Normal(other, log_other.exp())
    action = torch.randn(9, 3)
    assert torch.allclose(log_prob(action, mean, log_std), p.log_prob(action).sum(-1), atol=1e-4)
    assert torch.allclose(entropy(log_std), p.entropy()[0].sum(), atol=1e-5)
    kl = torch.distributions.kl_divergence(p, q).sum(-1)
    assert torch.allclose(gaussian_kl(mean, log_std, other, log_other), kl, rtol=1e-4, atol=1e-4)


def test_the_networks_are_those_of_the_files(tmp_path):
    learner, base = make_learner(tmp_path), policy()
    obs = np.random.default_rng(0).normal(size=(5, 2)).astype(np.float32)
    expected = np.stack([base(o[None]) for o in obs])
    assert np.allclose(learner.base(torch.from_numpy(obs)).numpy(), expected, atol=1e-6)


def test_a_damaged_critic_is_refused(tmp_path):
    path = write_critic(tmp_path / "c.safetensors")
    path.write_bytes(path.read_bytes()[:-8])
    with pytest.raises(ContractError, match="export it again"):
        load_critic(path)
    with pytest.raises(ContractError, match="cannot be read"):
        load_critic(tmp_path / "none.safetensors")


def test_settings_are_checked():
    assert load_learner("slowrl").mode == "lora"
    with pytest.raises(ConfigError, match=r"available: .*slowrl"):
        load_learner("fastrl")
    with pytest.raises(
        ConfigError, match=r"no setting 'learningrate'; there are .*algorithm, .*learning_rate"
    ):
        load_learner("slowrl", learningrate=1)
    with pytest.raises(ConfigError, match="mode: .*'lora' or 'full'"):
        load_learner("slowrl", mode="half")
    with pytest.raises(ConfigError, match="log_std_bounds must rise"):
        load_learner("slowrl", log_std_bounds=(0.0, -1.0))
    rank4 = load_learner("slowrl", rank=4, critic_rank=4)
    assert load_learner("slowrl_rank4").model_dump() == rank4.model_dump()
    assert all(field.description for field in SlowRLConfig.model_fields.values())


@pytest.fixture
def learner_files(tmp_path, monkeypatch):
    """Writes learner files: ``name=text``."""
    folder = tmp_path / "config" / "learners"
    folder.mkdir(parents=True)
    monkeypatch.setattr("ros2_rl.learning.config.share_path", lambda *parts: tmp_path.joinpath(*parts))
    return lambda **texts: [(folder / f"{name}.yaml").write_text(text) for name, text in texts.items()]


def test_a_wrong_setting_is_refused_with_its_file_and_line(learner_files):
    learner_files(base="clip: 0.2\n\nrank: 0\n", top="extends: base\nclip: 0.1\n", odd="- 1\n", bad="a: [\n")
    for name in ("base", "top"):
        with pytest.raises(ConfigError, match=r"base.yaml, line 3, is wrong: rank: .* equal to 1"):
            load_learner(name)
    assert load_learner("top", rank=2).clip == 0.1
    with pytest.raises(ConfigError, match=r"top.yaml is wrong: rank: .* equal to 64"):
        load_learner("top", rank=100)
    for rank in (13, 64):
        learner_files(wide=f"extends: base\nrank: {rank}\n")
        with pytest.raises(
            ConfigError, match=f"wide.yaml, line 2, is wrong: rank: {rank} .*; choose 1 to 12"
        ):
            load_learner("wide").check_rank([(45, 128), (128, 12)])
    load_learner("wide", rank=12).check_rank([(45, 128), (128, 12)])
    load_learner("wide", mode="full").check_rank([(45, 128), (128, 12)])
    for name in ("odd", "bad"):
        with pytest.raises(ConfigError, match=f"{name}.yaml is not a list of 'key: value'"):
            load_learner(name)


def test_a_file_that_extends_itself_is_refused(learner_files):
    learner_files(a="extends: b\n", b="extends: a\n", c="extends: nobody\n")
    with pytest.raises(ConfigError, match="'a' extends itself"):
        load_learner("a")
    with pytest.raises(ConfigError, match="no learner 'nobody'"):
        load_learner("c")
