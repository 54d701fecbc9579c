"""The off-policy learner: starts as the base, learns a task that can be learned, and does not run away."""

import time
from dataclasses import replace

import numpy as np
import pytest
import torch
from learning_rig import CRITIC_OBS, JOINTS, OBS, policy, record, write_critic

from ros2_rl.errors import ConfigError, ContractError
from ros2_rl.learning.checkpoint import CheckpointStore
from ros2_rl.learning.config import load_learner
from ros2_rl.learning.sac.config import OffPolicyConfig
from ros2_rl.learning.sac.effort import Effort
from ros2_rl.learning.sac.experience import Experience, Transitions
from ros2_rl.learning.sac.learner import OffPolicyLearner
from ros2_rl.learning.sac.networks import Critics
from ros2_rl.learning.sac.value_guard import ValueGuard
from ros2_rl.policy.adapter import Adapter, check, check_probe, merge
from ros2_rl.policy.onnx_policy import OnnxPolicy

SMALL = {
    "critics": 2, "critic_hidden": (32, 32), "actor_hidden": (16,), "batch": 32, "start_steps": 64,
    "critic_warmup": 0, "bound_opens_steps": 0, "utd": 1.0, "seed": 3, "rank": 1,
}  # fmt: skip


def learner(folder=None, clock=None, **changes) -> OffPolicyLearner:
    critic = write_critic(folder / "critic.safetensors") if folder else None
    cfg = OffPolicyConfig(**(SMALL | changes))
    return OffPolicyLearner(policy(), critic, cfg, CRITIC_OBS, {"robot": "test"}, clock)


def window(
    agent: OffPolicyLearner, steps: int = 100, seed: int = 0, first: int = 0, by_sight: bool = False
) -> Transitions:
    """The joints go where they are told; the reward wants both a little further than the base does.

    ``by_sight``: further or less far, by the sign of the first number that is seen.
    """
    rng, experience = np.random.default_rng(seed), Experience(lambda r: r.action, hold_back=0)
    std = agent.sac.acting.log_std.detach().exp().numpy()
    x = rng.uniform(-1, 1, OBS)
    for step in range(first, first + steps + 1):
        obs = torch.tensor(x[None], dtype=torch.float32)
        with torch.no_grad():
            base = agent.base(obs)
            change = agent.sac.acting.sample(obs, base, torch.zeros(1, JOINTS))[0].numpy()[0]
        change = np.clip(change + std * rng.standard_normal(JOINTS), -1, 1)
        action = base.numpy()[0] + agent.reach * change
        now, x = x, rng.uniform(-1, 1, OBS)
        reward = float(change.sum()) * (np.sign(now[0]) if by_sight else 1.0)
        experience.add(record(step, now, action), record(step + 1, x), reward, "policy", False)
    return experience.drain()


@pytest.mark.parametrize("change", ["residual", "lora"])
def test_it_starts_as_the_base_and_its_adapter_is_accepted(change):
    agent = learner(change=change)
    obs = torch.randn(20, OBS)
    assert torch.equal(agent.sac.acting.mean(obs, agent.base(obs)), torch.zeros(20, JOINTS))
    adapter = agent.adapter(1)
    check(adapter, agent.policy)
    merged = OnnxPolicy(merge(agent.policy.model, adapter))
    check_probe(adapter, merged)
    assert np.array_equal(merged(obs[:1].numpy()), agent.policy(obs[:1].numpy()))


@pytest.mark.parametrize("change", ["residual", "lora"])
def test_it_learns_what_pays(change):
    agent = learner(
        change=change, learning_rate=3e-3, critic_learning_rate=3e-3, gamma=0.5, actor_average=0.1
    )
    first = window(agent).rewards.mean()
    for i in range(5):
        stats = agent.update(window(agent, seed=i, first=200 * i))
    assert window(agent, seed=99).rewards.mean() > first + 0.5
    assert stats.gradient_steps == stats.utd_wished * stats.used == 100
    assert not stats.reason and stats.replay == 500
    adapter = agent.adapter(1)
    check_probe(adapter, OnnxPolicy(merge(agent.policy.model, adapter)))
    agent.rollback(0)
    obs = torch.randn(5, OBS)
    assert torch.equal(agent.sac.acting.mean(obs, agent.base(obs)), torch.zeros(5, JOINTS))


def test_a_bound_of_zero_is_the_base_whatever_is_learned():
    agent = learner(bound_deg=0.0)
    agent.update(window(agent))
    adapter = agent.adapter(1)
    obs = np.ones((1, OBS), np.float32)
    assert np.array_equal(OnnxPolicy(merge(agent.policy.model, adapter))(obs), agent.policy(obs))
    with pytest.raises(ConfigError, match="leaves nothing to learn"):
        learner(bound_deg=0.0, change="lora")


def test_its_noise_lasts_as_long_as_it_is_told_to():
    adapter = learner(noise_memory_s=0.1).adapter(1)
    assert adapter.noise_memory == pytest.approx(5.0)
    assert Adapter.from_bytes(adapter.to_bytes()).noise_memory == adapter.noise_memory
    for wrong in (-1.0, 1000.0, np.nan):
        with pytest.raises(ContractError, match="noise_memory"):
            check(replace(adapter, noise_memory=wrong), policy())


def test_a_smooth_change_differs_less_from_step_to_step():
    def jitter(agent: OffPolicyLearner) -> float:
        new, mean = window(agent, seed=99), agent.sac.acting.mean
        now, then = torch.from_numpy(new.obs), torch.from_numpy(new.next_obs)
        return float((mean(now, agent.base(now)) - mean(then, agent.base(then))).detach().square().mean())

    settings = {"learning_rate": 3e-3, "critic_learning_rate": 3e-3, "actor_average": 0.1, "gamma": 0.5}
    rough, smooth = learner(**settings), learner(smooth_coef=10.0, **settings)
    for agent in (rough, smooth):
        for i in range(5):
            agent.update(window(agent, seed=i, first=200 * i, by_sight=True))
    assert jitter(rough) > 0.01
    assert jitter(smooth) < 0.3 * jitter(rough)


def test_the_bound_opens_with_the_gradient_steps_and_not_before():
    agent = learner(critic_warmup=100, bound_opens_steps=200, bound_start=0.25)
    shares = []
    for i in range(5):
        agent.update(window(agent, first=200 * i))
        shares.append(float(agent.adapter(i + 1).residual.bound_deg[0]) / agent.cfg.bound_deg)
    assert shares == pytest.approx([0.25, 0.25, 0.625, 1.0, 1.0])


def test_rewards_are_relative_to_the_pre_trained_values(tmp_path):
    agent, new = learner(tmp_path), window(learner())
    new.terminal[3] = 1.0
    value = agent.fields.potential(torch.from_numpy(new.critic_obs))[:, 0].numpy()
    then = agent.fields.potential(torch.from_numpy(new.next_critic_obs))[:, 0].numpy()
    agent.update(new)
    after = np.where(new.terminal > 0.5, -np.minimum(value, 2.0), 0.99 * then - value)
    wanted = 10.0 * (new.rewards + after)
    np.testing.assert_allclose(agent.replay.tensors()["reward"].numpy(), wanted, rtol=1e-5)


def test_an_evaluation_that_brings_many_steps_does_not_hold_up_the_next_adapter():
    agent = learner()
    assert agent.update(window(agent, steps=350)).gradient_steps == agent.cfg.window_steps == 100


def test_nothing_is_learned_before_there_is_enough_and_from_nobody_who_is_left_out():
    agent = learner(start_steps=150)
    assert agent.update(window(agent)).gradient_steps == 0
    assert agent.update(window(agent, first=200)).gradient_steps == 100
    only = learner(learn_from=("human",))
    assert only.update(window(only)).gradient_steps == 0


def test_a_batch_is_half_from_earlier_sessions(tmp_path):
    past, agent = learner(), learner()
    past.update(window(past))
    past.replay.save(tmp_path / "replay.safetensors")
    agent.earlier.load(tmp_path / "replay.safetensors")
    agent.update(window(agent, seed=5))
    old = {tuple(row.tolist()) for row in agent.earlier.tensors()["critic_obs"]}
    batch = agent._batch(agent._sources())["critic_obs"]
    assert sum(tuple(row.tolist()) in old for row in batch) == 16 and len(batch) == 32


def test_a_batch_is_half_under_other_commands_and_earlier_sessions_come_first(tmp_path):
    agent = learner(relabelled_share=0.5)
    own, relabelled, earlier = (window(agent, seed=i) for i in (5, 6, 7))
    agent.update(replace(own, relabelled=lambda: relabelled))
    assert len(agent.replay) == len(agent.relabelled) == 100
    assert [count for _, count in agent._sources()] == [16, 16]
    agent._take_in(agent.earlier, earlier)
    sources = agent._sources()
    assert [replay for replay, _ in sources] == [agent.replay, agent.earlier, agent.relabelled]
    assert [count for _, count in sources] == [8, 16, 8]
    others = {tuple(row.tolist()) for row in agent.relabelled.tensors()["critic_obs"]}
    batch = agent._batch(sources)["critic_obs"]
    assert sum(tuple(row.tolist()) in others for row in batch) == 8 and len(batch) == 32
    CheckpointStore(tmp_path).save(agent)
    copy = learner(relabelled_share=0.5)
    CheckpointStore(tmp_path).load_latest(copy)
    assert torch.equal(copy.relabelled.tensors()["change"], agent.relabelled.tensors()["change"])


def test_a_window_in_which_nobody_acted_teaches_nothing_new_and_hurts_nobody():
    agent, nobody = learner(), Experience(lambda r: r.action, hold_back=0).drain()
    assert agent.update(nobody).gradient_steps == 0
    agent.update(window(agent))
    stats = agent.update(nobody)
    assert not stats.reason and stats.replay == 100 and stats.used == 0


def test_a_resumed_learner_goes_on_as_if_nothing_had_happened(tmp_path):
    one = learner()
    one.update(window(one))
    CheckpointStore(tmp_path).save(one)
    two = learner(seed=9)
    CheckpointStore(tmp_path).load_latest(two)
    new = window(one, seed=1, first=200)
    assert one.update(new).scalars() == two.update(new).scalars()
    for a, b in zip(one.sac.actor.parameters(), two.sac.actor.parameters(), strict=True):
        assert torch.equal(a, b)
    with pytest.raises(ConfigError, match="change residual"):
        CheckpointStore(tmp_path).load_latest(learner(change="lora"))


def test_a_reward_beyond_all_reason_is_left_out():
    agent, new = learner(), window(learner())
    new.rewards[7] = 1e38
    agent.update(new)
    assert len(agent.replay) == 99


def test_the_same_seed_gives_the_same_policy_bit_for_bit():
    one, two = learner(), learner()
    for agent in (one, two):
        agent.update(window(agent))
    for a, b in zip(one.adapter(1).residual.layers, two.adapter(1).residual.layers, strict=True):
        assert np.array_equal(a.weight, b.weight) and np.array_equal(a.bias, b.bias)


def test_an_update_that_ends_in_infinity_is_dropped(monkeypatch):
    agent = learner()
    agent.update(window(agent))
    before = agent.sac.state()["actor"]
    monkeypatch.setattr(agent.sac, "step", lambda *_: agent.sac.actor.log_std.data.fill_(np.inf))
    stats = agent.update(window(agent, first=200))
    assert stats.dropped_updates == 1 and "no longer finite" in stats.reason
    after = agent.sac.state()["actor"]
    assert all(torch.equal(before[name], after[name]) for name in before)


def test_the_ensemble_computes_each_critic():
    critics = Critics(3, 5, (8, 8))
    x = torch.randn(4, 5)
    h = x
    for i in range(2):
        h = torch.nn.functional.layer_norm(h @ critics.weights[i][1] + critics.biases[i][1], (8,))
        h = torch.relu(h * critics.gains[i][1] + critics.shifts[i][1])
    assert torch.allclose(critics(x)[1], (h @ critics.weights[2][1] + critics.biases[2][1])[:, 0], atol=1e-5)


# ---- guards


def test_the_value_guard_trips_on_values_above_what_was_measured():
    rng = np.random.default_rng(0)
    rewards, steps = rng.normal(0.0, 1.0, 400), np.arange(400)
    right, wrong = ValueGuard(0.9, 1.0), ValueGuard(0.9, 1.0)
    none = np.zeros(400)
    right.add(steps, none, rewards, none)
    wrong.add(steps, none + 5.0, rewards, none)
    assert abs(right.bias) < 0.3 and not right.tripped
    assert wrong.bias > 1.0 and wrong.tripped


def test_a_fall_completes_a_return_and_a_gap_does_not():
    guard = ValueGuard(0.5, 1.0)
    steps = np.concatenate((np.arange(60), np.arange(100, 140)))
    terminal = np.zeros(100)
    terminal[59] = 1.0
    guard.add(steps, np.zeros(100), np.ones(100), terminal)
    returns, _ = guard._compare()
    assert len(returns) == 60 + 40 - 4 and returns[59] == 1.0


def test_while_values_run_away_the_actor_waits():
    agent = learner()
    agent.update(window(agent))
    agent.guard = ValueGuard(0.9, -100.0)  # everything is too high
    before = agent.sac.state()["actor"]
    stats = agent.update(window(agent, first=200))
    after = agent.sac.state()["actor"]
    assert stats.actor_held and all(torch.equal(before[name], after[name]) for name in before)
    assert stats.gradient_steps == 100


def test_effort_is_as_wished_in_lockstep_and_what_the_machine_can_do_in_real_time():
    lockstep, real = (Effort(1.5, 0.1, 0.5, 0.02, real_time) for real_time in (False, True))
    assert [lockstep.steps(101) for _ in range(2)] == [151, 152]
    lockstep.took(10, 10.0)
    assert lockstep.ratio == 1.5 and not lockstep.behind
    assert real.ratio == 1.5
    real.took(100, 2.0)  # 20 ms each: half of the time allows one in two control steps
    assert real.ratio == pytest.approx(0.5) and real.behind
    for _ in range(50):
        real.took(1, 10.0)
    assert real.ratio == 0.1
    for _ in range(50):
        real.took(100, 0.1)
    assert real.ratio == 1.5 and not real.behind


def test_in_real_time_it_asks_for_a_pause_before_everything_that_takes_time():
    agent = learner(clock=time.monotonic)
    waits = []
    agent.pauses.wait = lambda: waits.append(agent.sac.steps)
    stats = agent.update(window(agent))
    assert stats.gradient_steps == 100
    # Data, the same under other commands, values; critics and, every second time, the actor; the report.
    assert len(waits) == 3 + (100 + 50) + 1
    assert learner().pauses is None


class FakeReplica:
    """Nudges the actor in its second practice; ``found`` is whether it can be fitted."""

    def __init__(self, found=True, updates=2):
        self.found, self.left, self.fits = found, updates, 0
        self.fitted, self.updates, self.reward = {}, 0, 0.5
        self.asked = []

    @property
    def wanted(self):
        return self.updates < self.left

    looking = False

    def fit(self, rows, reach, steps, breathe):
        self.fits += 1
        self.fitted = {"payload_kg": 2.0} if self.found else {}
        assert len(rows()["label"]) >= 100 and len(reach) == JOINTS and steps == 100
        return "The replica: payload_kg 2.00." if self.found else ""

    def practise(self, actor, steps, breathe):
        self.asked.append(steps)
        self.updates += 1
        with torch.no_grad():
            actor.mlp.linears[0].B.add_(0.1)
        return True

    def state(self):
        return {"updates": self.updates}

    def restore(self, state):
        self.updates = state["updates"]


def with_replica(fake, **changes) -> OffPolicyLearner:
    cfg = OffPolicyConfig(**(SMALL | {"change": "lora"} | changes))
    return OffPolicyLearner(policy(), None, cfg, CRITIC_OBS, {"robot": "test"}, None, fake)


def test_the_replica_comes_first_and_what_was_practised_there_acts():
    fake = FakeReplica()
    agent = with_replica(fake)
    first, _, second, third = (agent.update(window(agent, first=101 * i)) for i in range(4))
    assert first.note.startswith("The replica") and not second.note and fake.fits == 1
    assert fake.asked == [100, 100] and (second.replica_updates, second.replica_reward) == (2, 0.5)
    assert first.actor_held == 1.0 and first.gradient_steps == 0, "the critics do not learn meanwhile"
    assert third.gradient_steps == 100 and third.actor_held == 0.0 and len(fake.asked) == 2
    assert "note" not in first.scalars()


def test_what_was_practised_is_in_the_adapter():
    agent = with_replica(FakeReplica())
    before = agent.adapter(1).probe_out
    for i in range(2):
        agent.update(window(agent, first=101 * i))
    assert not np.array_equal(agent.adapter(2).probe_out, before)


def test_a_robot_that_is_not_learned_from_walks_with_little_noise():
    agent = with_replica(FakeReplica())
    before = agent.adapter(1).log_std
    stats = agent.update(window(agent))
    assert (agent.adapter(2).log_std < before).all()
    np.testing.assert_allclose(np.exp(agent.adapter(2).log_std), 0.05, rtol=1e-4)
    assert stats.std < OffPolicyConfig(**SMALL).std_init and stats.replica_ratio == 1.0
    for i in range(1, 4):
        agent.update(window(agent, first=101 * i))
    np.testing.assert_allclose(agent.adapter(3).log_std, before, atol=0.1, err_msg="critics need noise")


def test_while_no_replica_is_found_it_goes_on_looking():
    fake = FakeReplica(found=False)
    agent = with_replica(fake)
    agent.update(window(agent))
    stats = agent.update(window(agent, first=101))
    assert fake.fits == 2 and not fake.asked and stats.gradient_steps == 100, "it learns as without one"


def test_practice_that_breaks_the_actor_is_undone_and_the_replica_given_up():
    fake = FakeReplica()
    agent = with_replica(fake)
    agent.update(window(agent))
    before = agent.adapter(1).probe_out

    def spoil(actor, steps, breathe):
        with torch.no_grad():
            actor.mlp.linears[0].B[0, 0] = torch.nan
        return True

    fake.practise, fake.give_up = spoil, lambda: setattr(fake, "left", 0)
    stats = agent.update(window(agent, first=101))
    assert "no longer finite" in stats.reason and stats.dropped_updates == 1 and agent.sac.finite()
    assert np.array_equal(agent.adapter(2).probe_out, before)
    assert agent.update(window(agent, first=202)).gradient_steps == 100, "it goes on without"


def test_a_run_that_ends_breaks_off_fit_and_practice():
    fake = FakeReplica()
    agent = with_replica(fake)
    agent.hurried = True
    fake.fit = lambda rows, reach, steps, breathe: breathe()
    assert agent.update(window(agent)).actor_held == 1.0 and not fake.asked
    fake.fitted, fake.practise = {"payload_kg": 2.0}, lambda actor, steps, breathe: breathe()
    assert agent.update(window(agent, first=101)).replica_updates == 0


def test_a_checkpoint_knows_how_much_was_practised(tmp_path):
    fake, again = FakeReplica(), FakeReplica()
    agent = with_replica(fake)
    for i in range(2):
        agent.update(window(agent, first=101 * i))
    store = CheckpointStore(tmp_path)
    store.save(agent, {"version": 1})
    store.load_latest(with_replica(again))
    assert again.updates == fake.updates == 1


def test_settings_are_checked():
    assert load_learner("offpolicy").change == "residual"
    assert load_learner("offpolicy_lora").change == "lora"
    with pytest.raises(ConfigError, match="critic_subset must not be above critics"):
        load_learner("offpolicy", critic_subset=5)
    with pytest.raises(ConfigError, match="no setting 'clip'"):
        load_learner("offpolicy", clip=0.2)
