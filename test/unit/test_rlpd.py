"""RLPD: what a batch is made of, what is learned from it by hand arithmetic, and what a state keeps."""

import numpy as np
import pytest
import torch

from ros2_rl.errors import ConfigError
from ros2_rl.learning.config import load_arm_learner, load_learner
from ros2_rl.learning.sac.replay import LABELS
from ros2_rl.learning.sac.rlpd import RlpdLearner

SMALL = {"actor_hidden": (16,), "critic_hidden": (16, 16), "critics": 2, "batch": 32, "start_steps": 8}
IDENTITY = {"robot": "arm", "task": "reach"}
HUMAN = LABELS.index("human")


def learner(**changes) -> RlpdLearner:
    return RlpdLearner(load_arm_learner("rlpd", **{**SMALL, "critic_warmup": 0, **changes}), 3, 2, IDENTITY)


def rows(
    count: int, obs: float = 0.0, action: float = 0.5, reward: float = 0.0, terminal: float = 0.0
) -> dict:
    return {
        "obs": np.full((count, 3), obs),
        "next_obs": np.full((count, 3), obs),
        "action": np.full((count, 2), action),
        "reward": np.full(count, reward),
        "terminal": np.full(count, terminal),
    }


def add(found: RlpdLearner, fields: dict, label: str) -> None:
    found.add(fields, np.full(len(fields["reward"]), LABELS.index(label)))


def test_half_of_a_batch_was_shown_and_half_experienced():
    found = learner()
    found.show(rows(3, obs=1.0))
    add(found, rows(50, obs=2.0), "policy")
    obs = found._batch()["critic_obs"][:, 0]
    assert obs.tolist() == 16 * [1.0] + 16 * [2.0]


def test_without_demonstrations_all_of_it_was_experienced():
    found = learner()
    add(found, rows(50, obs=2.0), "policy")
    batch = found._batch()
    assert batch["critic_obs"].shape == (32, 3) and not batch["imitate"].any()


def test_a_persons_action_goes_into_both_and_the_policys_into_one():
    found = learner()
    add(found, rows(5, action=0.1), "policy")
    add(found, rows(2, action=0.9), "human")
    assert (len(found.online), len(found.shown)) == (7, 2)
    assert found.shown.counts()["human"] == 2 and found.online.counts() == {
        "policy": 5,
        "human": 2,
        "recovery": 0,
    }
    assert found.shown.tensors()["action"].min() == pytest.approx(0.9)


def test_nothing_follows_a_success_but_a_time_limit_has_a_value():
    """Of one state: an end is worth its reward, what goes on is worth more than its reward."""
    found = learner(
        gamma=0.5, utd=1.0, learning_rate=1e-9, critic_learning_rate=3e-3, tau=0.05, temperature=1e-6,
        value_range=None,
    )  # fmt: skip
    add(found, rows(100, obs=1.0, reward=1.0, terminal=1.0), "policy")
    add(found, rows(100, obs=-1.0, reward=1.0), "policy")
    for _ in range(4):
        found.update(100)
    assert value(found, 1.0) == pytest.approx(1.0, abs=0.1)
    assert value(found, -1.0) == pytest.approx(2.0, abs=0.3)  # 1 + 0.5 + 0.25 + ...


def value(found: RlpdLearner, obs: float) -> float:
    action = torch.full((1, 2), 0.5)
    return float(found.sac.values(torch.full((1, 3), obs), torch.zeros(1, 2), action)[0])


def test_a_clone_does_what_was_shown():
    found = learner(learning_rate=3e-3)
    found.show(rows(20, obs=1.0, action=0.5))
    assert found.clone(300) < 1e-3
    obs = torch.full((1, 3), 1.0)
    assert torch.allclose(torch.tanh(found.acting.split(obs)[0]), torch.full((1, 2), 0.5), atol=0.05)


def test_the_weight_of_imitation_halves():
    found = learner(imitation_coef=2.0, imitation_half_life_steps=10)
    found.sac.steps = 10
    assert found.imitation == pytest.approx(1.0)


def test_gradient_steps_follow_the_ratio_and_slices_make_no_difference():
    def trained(slices: int) -> RlpdLearner:
        found = learner(utd=0.5)
        add(found, rows(20), "policy")
        found.begin(13)
        while (stats := found.work(slices)) is None:
            pass
        assert stats.gradient_steps == 6
        found.begin(1)
        assert found.work(slices).gradient_steps == 1  # the half that was left, and another
        return found

    one, many = trained(100), trained(1)
    assert all(
        torch.equal(a, b)
        for a, b in zip(one.sac.critics.parameters(), many.sac.critics.parameters(), strict=True)
    )


def test_before_the_first_transitions_nothing_is_learned():
    found = learner()
    add(found, rows(7), "policy")
    assert found.update(7).gradient_steps == 0


def test_an_update_that_breaks_a_number_is_undone_and_says_so():
    found = learner()
    add(found, rows(20), "policy")
    fine = [p.clone() for p in found.sac.critics.parameters()]
    found.online._rows["reward"][:] = float("inf")
    stats = found.update(4)
    assert "no longer finite" in stats.reason and stats.dropped_updates == 1
    assert all(torch.equal(a, b) for a, b in zip(fine, found.sac.critics.parameters(), strict=True))


def test_a_state_goes_on_as_if_nothing_had_happened():
    one = learner()
    one.show(rows(10, obs=1.0))
    add(one, rows(20), "policy")
    one.update(10)
    two = learner()
    two.load_state_dict(one.state_dict())
    for found in (one, two):
        found.update(10)
    pairs = zip(one.sac.actor.parameters(), two.sac.actor.parameters(), strict=True)
    assert all(torch.equal(a, b) for a, b in pairs)


def test_a_state_of_something_else_is_refused():
    state = learner().state_dict()
    with pytest.raises(ConfigError, match="another robot, task, rate or base"):
        RlpdLearner(learner().cfg, 3, 2, {"robot": "arm", "task": "peg"}).load_state_dict(state)
    with pytest.raises(ConfigError, match="other settings .critics"):
        learner(critics=3).load_state_dict(state)
    state["actor"]["linears.0.weight"] = torch.zeros(16, 4)
    with pytest.raises(ConfigError, match="the shape of its actor"):
        learner().load_state_dict(state)


def test_some_members_of_an_ensemble_say_what_they_say_among_all():
    critics = learner(critics=4).sac.critics
    x, members = torch.randn(8, 3 + 2 + 2), torch.tensor((2, 0))
    assert torch.allclose(critics(x, members), critics(x)[members])


def test_a_learner_is_for_an_arm_or_for_legs():
    with pytest.raises(ConfigError, match="one for an arm"):
        load_learner("rlpd")
    with pytest.raises(ConfigError, match="one for a robot with legs"):
        load_arm_learner("slowrl")
    with pytest.raises(ConfigError, match="utd"):
        load_arm_learner("rlpd", utd=0.0)


def test_values_stay_where_they_can_be():
    """Of a critic that says 5 everywhere, no more than 1 is believed; the reward itself is not clipped."""
    for bounds, follows in ((None, 2.5), ((0.0, 1.0), 0.5)):
        found = learner(value_range=bounds, gamma=0.5, temperature=1e-6)
        with torch.no_grad():
            found.sac.targets.biases[-1].fill_(5.0)
            found.sac.targets.weights[-1].zero_()
        batch = {
            "next_critic_obs": torch.zeros(4, 3), "next_base": torch.zeros(4, 2),
            "reward": torch.tensor((0.0, 1.0, 0.0, 1.0)), "terminal": torch.tensor((0.0, 0.0, 1.0, 1.0)),
            "discount": torch.full((4,), 0.5),
        }  # fmt: skip
        assert found.sac._target(batch).tolist() == pytest.approx([follows, 1 + follows, 0.0, 1.0], abs=1e-3)


def test_what_was_shown_is_imitated_only_where_the_critics_find_it_better():
    found = learner()
    obs = torch.tensor(((1.0, 0, 0), (-1.0, 0, 0)))
    batch = {
        "critic_obs": obs, "base": torch.zeros(2, 2), "change": torch.full((2, 2), 0.5),
        "imitate": torch.full((2,), 2.0),
    }  # fmt: skip
    # The first number that is seen says whether more action is better (1) or worse (-1).
    found.sac.values = lambda seen, base, change: seen[:, 0] * change.sum(-1)
    mean = found.sac.actor.mean(obs, batch["base"])
    away = found.sac._away(batch, mean)
    assert float(away.detach()) == pytest.approx(2.0 * 0.25 / 2)  # of the actor, which answers 0
    away.backward()
    found.sac.values = lambda seen, base, change: -change.sum(-1)
    assert float(found.sac._away(batch, mean).detach()) == 0.0


def test_what_was_done_holds_the_actor_until_that_fades():
    def moved(**changes) -> float:
        """How far critics that want more of everything lead an actor that has only seen 0."""
        found = learner(learning_rate=3e-3, actor_average=1.0, policy_delay=1, imitation_coef=0.0, **changes)
        add(found, rows(40, action=0.0), "policy")
        found.sac.critics.forward = lambda x, members=None: x[None, :, -2:].sum(-1)
        found.sac._step_critics = lambda batch: None
        found.begin(50)
        found.work(1000)
        return float(found.acting.mean(torch.zeros(1, 3), torch.zeros(1, 2)).detach().mean())

    free, held = moved(stay_coef=0.0), moved(stay_coef=10.0, stay_half_life_steps=1e6)
    assert free > 0.5 and abs(held) < 0.2
    assert moved(stay_coef=10.0, stay_half_life_steps=10.0) > 0.5


def test_while_the_critics_are_young_only_corrections_move_the_actor():
    def moved(label: str, demonstrated: bool = False, heeds: bool = True, **changes) -> float:
        """Where the actor ends that has only seen 0.5 done, by somebody; the critics are too young."""
        found = learner(critic_warmup=1000, learning_rate=3e-3, actor_average=1.0, policy_delay=1, **changes)
        if demonstrated:
            found.show(rows(40, action=0.5))
        add(found, rows(40, action=0.5), label)
        found.update(60, heeds)
        assert not found.led_by_critics
        return float(found.acting.mean(torch.zeros(1, 3), torch.zeros(1, 2)).detach().mean())

    assert moved("human") == pytest.approx(0.5, abs=0.1)
    assert moved("human", imitation_coef=0.0) == moved("human", heeds=False) == 0.0
    assert moved("policy") == moved("policy", demonstrated=True) == 0.0


def test_a_correction_leaves_what_nobody_corrected_as_it_was():
    def answers(**changes) -> list[float]:
        """Where a person did 0.5, and where the actor did 0 itself."""
        found = learner(critic_warmup=1000, learning_rate=3e-3, actor_average=1.0, policy_delay=1, **changes)
        add(found, rows(20, obs=0.0, action=0.5), "human")
        add(found, rows(400, obs=1.0, action=0.0), "policy")
        found.update(60, heeds=True)
        seen = torch.stack((torch.zeros(3), torch.ones(3)))
        return found.acting.mean(seen, torch.zeros(2, 2)).detach().mean(-1).tolist()

    assert answers(stay_coef=1.0) == pytest.approx([0.5, 0.0], abs=0.1)
    assert answers(stay_coef=0.0)[1] > 0.15


def test_staying_fades_from_the_first_step_of_the_actor_on():
    found = learner(critic_warmup=100, stay_coef=2.0, stay_half_life_steps=50)
    weights = []
    for found.sac.steps in (0, 100, 150, 200):
        weights.append(found.sac.stay)
    assert weights == pytest.approx([2.0, 2.0, 1.0, 0.5])
    lasting = learner(critic_warmup=100, stay_coef=2.0, stay_half_life_steps=None)
    lasting.sac.steps = 100_000
    assert lasting.sac.stay == 2.0


def test_noise_depends_on_what_is_seen_and_stays_within_its_bounds():
    found = learner(log_std_bounds=(-4.0, -2.0), std_init=0.1)
    actor, obs = found.sac.actor, torch.eye(3)
    assert torch.allclose(actor.split(obs)[1].exp(), torch.full((3, 2), 0.1))
    with torch.no_grad():
        actor.linears[-1].weight[2:].normal_(0.0, 9.0)
    log_std = actor.split(obs)[1]
    assert log_std.min() >= -4.0 and log_std.max() <= -2.0 and log_std.std() > 0.0
