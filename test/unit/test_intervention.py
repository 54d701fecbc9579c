"""A person in the loop: who drives, what is kept of it, and what the learner makes of it."""

import numpy as np
import pytest
import torch
from learning_rig import JOINTS, OBS, make_learner, record
from safety_rig import STEP_NS, Rig

from ros2_rl.learning.imitation import Corrections
from ros2_rl.learning.rollout import Rollout
from ros2_rl.safety.modes import Actor, Mode


def driven() -> Rig:
    rig = Rig()
    rig.to_policy()
    assert rig.supervisor.request("take_over")[0]
    rig.run(0.3)
    return rig


def test_a_take_over_is_announced_for_a_tick_ahead_and_then_labelled():
    rig = Rig()
    rig.to_policy()
    assert rig.supervisor.request("take_over")[0]
    announced = rig.supervisor.snapshot()
    assert announced.actor is Actor.POLICY and announced.human_from_ns % STEP_NS == 0
    assert announced.human_from_ns >= rig.stamp_ns + 100_000_000
    while rig.stamp_ns < announced.human_from_ns:
        assert rig.supervisor.snapshot().actor is Actor.POLICY
        rig.step()
    assert rig.supervisor.snapshot().actor is Actor.HUMAN and rig.mode is Mode.POLICY


def test_giving_back_is_announced_as_well_and_ends_it():
    rig = driven()
    assert rig.supervisor.request("give_back")[0]
    until = rig.supervisor.snapshot().human_until_ns
    while rig.stamp_ns < until:
        assert rig.supervisor.snapshot().actor is Actor.HUMAN
        rig.step()
    after = rig.supervisor.snapshot()
    assert (after.actor, after.human_from_ns, after.human_until_ns) == (Actor.POLICY, 0, 0)
    assert not rig.supervisor.request("give_back")[0]


def test_a_person_keeps_the_robot_through_a_recovery_and_loses_it_when_damped():
    rig = driven()
    rig.run(0.02, tilt_deg=30)
    assert rig.supervisor.snapshot().actor is Actor.RECOVERY
    rig.run(3.0)
    assert (rig.mode, rig.supervisor.snapshot().actor) == (Mode.POLICY, Actor.HUMAN)
    rig.supervisor.request("damp")
    assert rig.supervisor.snapshot().human_from_ns == 0


def test_there_must_be_a_policy_to_take_over():
    rig = Rig()
    rig.run(0.1)
    done, sentence = rig.supervisor.request("take_over")
    assert not done and "call stand, then arm" in sentence


def test_what_a_person_shows_is_kept_apart_from_the_policy_gradient():
    rollout = Rollout()
    for step in range(1, 9):
        actor = "human" if step in (4, 5) else "policy"
        rollout.add(record(step, (step, 0)), record(step + 1, (step + 1, 0)), 1.0, actor, False)
    batch = rollout.drain()
    assert batch.counts.human == 2 and batch.shown_obs.shape == (2, OBS)
    assert batch.shown_obs[:, 0].tolist() == [4, 5] and not set(batch.obs[:, 0]) & {4.0, 5.0}
    assert len(rollout.drain().shown_obs) == 0


def test_a_judgement_is_spread_over_the_steps_before_it():
    rollout = Rollout()
    for step in range(1, 9):
        rollout.add(record(step, (step, 0)), record(step + 1, (step + 1, 0)), 1.0, "policy", False)
    stamp = record(7, (7, 0)).stamp_ns
    assert rollout.judge(record(4, (4, 0)).stamp_ns, stamp, -2.0) == 4
    assert rollout.judge(10**15, 10**15 + 1, -2.0) == 0
    np.testing.assert_allclose(rollout.drain().rewards, [1, 1, 1, 0.5, 0.5, 0.5, 0.5])


def test_corrections_pull_the_actor_and_their_weight_halves(tmp_path):
    learner = make_learner(tmp_path, imitation_coef=1.0, imitation_half_life_updates=2.0)
    obs = np.random.default_rng(0).normal(size=(32, OBS)).astype(np.float32)
    wanted = np.full((32, JOINTS), 0.7, np.float32)
    corrections = Corrections(1.0, 2.0)
    corrections.add(obs, wanted)
    first = corrections.loss(learner.actor).item()
    nothing = np.zeros((0, 0), np.float32)
    for _ in range(2):
        corrections.add(nothing, nothing)
    assert corrections.loss(learner.actor).item() == pytest.approx(first / 2)
    optimizer = torch.optim.Adam(learner.parameters, lr=0.01)
    for _ in range(100):
        optimizer.zero_grad()
        corrections.loss(learner.actor).backward()
        optimizer.step()
    assert corrections.loss(learner.actor).item() < 0.2 * first
    again = Corrections(1.0, 2.0)
    again.restore(corrections.tensors())
    assert again.loss(learner.actor).item() == corrections.loss(learner.actor).item() and len(again) == 32
