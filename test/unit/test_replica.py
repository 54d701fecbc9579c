"""A simulator is fitted to what a robot did and adapters are practised in it; not where it makes no sense."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from ros2_rl.errors import ConfigError
from ros2_rl.learning.config import load_learner
from ros2_rl.learning.making import make_replica
from ros2_rl.learning.replica import identify, practice
from ros2_rl.learning.replica.identify import Identifier, Measured
from ros2_rl.learning.replica.practice import Practice, ReplicaEnv, pretraining_settings
from ros2_rl.learning.replica.replica import Replica
from ros2_rl.learning.sac.adapters import build_actor
from ros2_rl.learning.sac.networks import LoraActor
from ros2_rl.policy.onnx_policy import OnnxPolicy
from ros2_rl.pretraining.velocity_env import ACTION_CLIP
from ros2_rl.robots import load_robot
from ros2_rl.tasks import load_task

ROBOT, TASK = load_robot("go2"), load_task("trot")
LIMPING = np.array([3.0, 0.0, 1.0, 1.0, 1.0, 0.5, 15.0])
CFG = load_learner("offpolicy_replica", replica_robots=2)


@pytest.fixture(scope="module")
def base():
    torch.set_num_threads(1)
    return OnnxPolicy(TASK.policy_path)


def env(robots, dynamics=LIMPING, seed=0):
    settings = pretraining_settings(TASK)["env"] | {"threads": 1, "push_m_s": 0.0}
    return ReplicaEnv(ROBOT, TASK, settings, robots, seed, dynamics)


@pytest.fixture(scope="module")
def walked(base):
    """What 20 robots with the very same dynamics measured in 2 s, as rows of a replay."""
    spread, practice._SPREAD = practice._SPREAD, 0.0
    robots, rng, rows = env(20), np.random.default_rng(1), []
    practice._SPREAD = spread
    actor, reach = build_actor(base, CFG)
    for _ in range(100):
        seen = robots.get_observations()
        with torch.no_grad():
            mean = actor.mlp(seen["policy"])
        action = np.clip(mean.numpy() + 0.2 * rng.standard_normal((20, 12)), -ACTION_CLIP, ACTION_CLIP)
        rows.append((seen["critic"].numpy(), mean.numpy(), action.astype(np.float32)))
        _, _, done, _ = robots.step(torch.from_numpy(action))
        assert not done.any()
    seen, means, actions = (np.stack(part, axis=1) for part in zip(*rows, strict=True))
    flat = {"critic_obs": seen[:, :-1], "next_critic_obs": seen[:, 1:], "base": means[:, :-1]}
    flat["change"] = (actions - means)[:, :-1] / reach
    found = {key: torch.from_numpy(value.reshape(-1, value.shape[-1])) for key, value in flat.items()}
    return found | {"label": torch.zeros(len(found["base"]), dtype=torch.uint8)}, reach


def fit(found, rows, reach, breaths=None, steps=10_000):
    count = [] if breaths is None else breaths
    return found.fit(lambda: rows, reach, steps, lambda: count.append(1))


def replica(base, **changes):
    return Replica(ROBOT, TASK, base, TASK.critic_path, CFG.model_copy(update=changes))


def test_the_dynamics_of_a_robot_are_found_in_what_it_measured(base, walked):
    found, breaths, parts = replica(base), [], 0
    while not (said := fit(found, *walked, breaths=breaths, steps=100)):
        parts += 1
        assert found.looking and not found.fitted and len(breaths) == 100 * parts
    assert parts == 18 and not found.looking
    assert said.startswith("The replica: payload_kg") and found.wanted and 0.0 < found.error < 0.3
    names = list(found.fitted)
    assert names[0] == "payload_kg" and names[-1] == "delay_ms"
    off = np.abs(np.array(list(found.fitted.values())) - LIMPING)
    assert np.all(off < [1.0, 0.06, 0.08, 0.08, 0.08, 0.08, 2.5]), dict(zip(names, off, strict=True))


def test_a_robot_that_it_cannot_explain_has_no_replica(base, walked, monkeypatch):
    monkeypatch.setattr(identify, "ROUNDS", 3)
    rows, reach = walked
    found = replica(base)
    said = fit(found, rows | {"change": rows["change"].flip(0)}, 8.0 * reach)
    assert said.startswith("No replica: even payload_kg") and not found.wanted
    again = replica(base)
    again.restore(found.state())
    assert not again.wanted and again.fitted == found.fitted


def test_nothing_is_fitted_to_steps_that_do_not_follow_one_another(base, walked):
    rows, reach = walked
    found = replica(base)
    every_other = {key: value[::2] for key, value in rows.items()}
    assert fit(found, every_other, reach) == "" and not found.fitted and found.wanted and not found.looking


def test_stretches_lie_within_what_one_robot_did_in_one_go():
    follows = np.array([True, True, False, True, True, True, False])
    nothing = np.zeros((7, 3))
    rows = Measured(*(nothing,) * 5, np.zeros(7), *(nothing,) * 2, follows)
    assert rows.starts(2).tolist() == [0, 3, 4] and rows.starts(3).tolist() == [3]
    with pytest.raises(ValueError, match="no 3 consecutive steps"):
        Identifier(ROBOT, 0.005, 0).fit(replace(rows, follows=follows & (np.arange(7) % 3 != 1)))


def test_gravity_tells_roll_and_pitch():
    gravity = np.random.default_rng(0).normal(size=(50, 3))
    gravity /= np.linalg.norm(gravity, axis=1, keepdims=True)
    np.testing.assert_allclose(identify.projected_gravity(identify._upright(gravity)), gravity, atol=1e-9)


def test_practice_changes_the_adapters_and_nothing_else(base, monkeypatch):
    monkeypatch.setattr(practice, "STEPS", 4)
    actor, _ = build_actor(base, CFG)
    assert isinstance(actor, LoraActor)
    before = {name: p.detach().clone() for name, p in actor.named_parameters()}
    found, breaths = replica(base), []
    found.fitted = dict(zip("abcdefg", LIMPING.tolist(), strict=True))
    assert not found.practise(actor, 3, lambda: breaths.append(1))
    assert found.updates == 0 and len(breaths) == 3
    assert found.practise(actor, 1, lambda: breaths.append(1))
    assert found.updates == 1 and found.reward > 0.0
    assert len(breaths) == 4 + 1 + 20 * 5, "before each step, the returns and each part of a gradient step"
    after = dict(actor.named_parameters())
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    assert changed and all(name.endswith((".A", ".B")) for name in changed)
    assert all(bool(p.isfinite().all()) for p in after.values())


def test_practice_charges_changes_of_the_action_but_not_beginnings(base, monkeypatch):
    monkeypatch.setattr(practice, "STEPS", 4)

    def reward(smooth_coef, always_new=False):
        torch.manual_seed(0)
        robots = env(3)
        if always_new:
            robots.max_episode_length = 0
        found = Practice(robots, build_actor(base, CFG)[0], TASK.critic_path, 0.35, smooth_coef)
        while not found.walk(lambda: None):
            pass
        return found.reward

    free, cheap, dear = reward(0.0), reward(1.0), reward(2.0)
    assert free - cheap > 1e-4 and free - dear == pytest.approx(2 * (free - cheap), rel=1e-3)
    assert reward(0.0, always_new=True) == reward(2.0, always_new=True)


def test_a_replica_that_is_given_up_is_not_wanted_any_more(base):
    found, again = replica(base), replica(base)
    assert found.wanted
    found.give_up()
    again.restore(found.state())
    assert not found.wanted and not again.wanted


def test_replicas_are_nearly_but_not_quite_alike():
    robots = env(8)
    assert len(set(robots.sim.kp[:, 9].tolist())) == 8
    np.testing.assert_allclose(robots.sim.kp[:, 9], 20.0, atol=8.0)
    assert set(robots.sim.delay.tolist()) <= {2, 3, 4}


def test_a_policy_that_the_simulator_does_not_know_is_refused(base):
    assert make_replica(ROBOT, TASK, base, None, load_learner("offpolicy_lora")) is None
    with pytest.raises(ConfigError, match="needs the policy's critic"):
        make_replica(ROBOT, TASK, base, None, CFG)
    other = OnnxPolicy(TASK.policy_path)
    other.contract = replace(other.contract, action_clip=5.0)
    with pytest.raises(ConfigError, match="only the observations, joints and rates of the stack's own trot"):
        make_replica(ROBOT, TASK, other, TASK.critic_path, CFG)
    with pytest.raises(ConfigError, match="replica_updates needs change: lora"):
        load_learner("offpolicy", replica_updates=10)
