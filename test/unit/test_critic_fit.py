"""An actor without a critic: one is fitted to what the frozen policy does, and only then it learns."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from learning_rig import CRITIC_OBS, batch, make_learner, policy
from policy_rig import CONTRACT, ROBOT, write_random

from ros2_rl.errors import ConfigError, ContractError
from ros2_rl.learning.config import SlowRLConfig, load_learner
from ros2_rl.learning.critic import explained_variance
from ros2_rl.learning.critic_fit import CriticFit, blank_layers, critic_for
from ros2_rl.learning.events import Learn, Restore
from ros2_rl.learning.finetune import CRITIC, FineTuning
from ros2_rl.learning.networks import critic_bytes, load_critic, read_critic
from ros2_rl.learning.off_policy import vtrace
from ros2_rl.learning.session_config import SessionConfig
from ros2_rl.policy.onnx_policy import linear_layers
from ros2_rl.tasks import load_task

TASK = load_task("trot")
CFG = SlowRLConfig(gamma=0.9, critic_fit_minutes=0.3)


def fitted(learner, windows: int = 2) -> CriticFit:
    fit = CriticFit(CRITIC_OBS, CFG)
    for seed in range(windows):
        fit.add(batch(learner, 512, seed))
    return fit


def test_it_knows_the_worth_of_states_that_it_has_not_seen(tmp_path: Path) -> None:
    learner = make_learner(tmp_path)
    fit, unseen = fitted(learner), batch(learner, 512, 99)
    critic = load_critic(fit.layers())
    with torch.no_grad():
        values, after = (critic(torch.from_numpy(x)).squeeze(1).numpy()
                         for x in (unseen.critic_obs, unseen.cut_critic_obs))  # fmt: skip
    _, returns = vtrace(unseen.rewards, values, after, unseen.terminal, unseen.cut, 0.9, 1.0)
    assert explained_variance(values, returns) > 0.6
    assert fit.add(unseen).explained_variance == pytest.approx(explained_variance(values, returns), abs=1e-3)
    assert fit.share == 1.0


def test_a_fall_is_worth_nothing_ahead(tmp_path: Path) -> None:
    """With every step terminal, a state is worth the reward of its one step."""
    learner = make_learner(tmp_path)
    fit = CriticFit(CRITIC_OBS, CFG)
    for seed in range(2):
        window = batch(learner, 512, seed)
        ended = np.ones(len(window), bool)
        fit.add(replace(window, terminal=ended, cut=ended, cut_critic_obs=window.critic_obs))
    unseen = batch(learner, 256, 99)
    with torch.no_grad():
        values = load_critic(fit.layers())(torch.from_numpy(unseen.critic_obs)).squeeze(1).numpy()
    assert explained_variance(values, unseen.rewards) > 0.7


def test_the_same_data_give_the_same_critic(tmp_path: Path) -> None:
    learner = make_learner(tmp_path)
    one, other = fitted(learner, 1).layers(), fitted(learner, 1).layers()
    for a, b in zip(one, other, strict=True):
        np.testing.assert_array_equal(a.weight, b.weight)


def test_a_window_without_a_usable_step_is_passed_over(tmp_path: Path) -> None:
    fit = CriticFit(CRITIC_OBS, CFG)
    stats = fit.add(batch(make_learner(tmp_path), 20, overridden=tuple(range(21))))
    assert (stats.used, fit.share) == (0, 0.0)


def test_another_policys_steps_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ContractError, match=f"shows the critic {CRITIC_OBS} numbers, 9 were expected"):
        CriticFit(9, CFG).add(batch(make_learner(tmp_path)))


def test_a_critic_is_written_and_read_without_loss(tmp_path: Path) -> None:
    layers = fitted(make_learner(tmp_path), 1).layers()
    (tmp_path / "critic.safetensors").write_bytes(critic_bytes(layers))
    for one, other in zip(layers, read_critic(tmp_path / "critic.safetensors"), strict=True):
        np.testing.assert_array_equal(one.weight, other.weight)
        np.testing.assert_array_equal(one.bias, other.bias)


# -------------------------------------------------------------- which critic belongs to a policy


def test_the_tasks_critic_goes_with_what_sees_the_same(tmp_path: Path) -> None:
    assert critic_for(TASK.policy_path, TASK, ROBOT) == TASK.critic_path
    merged = tmp_path / "policy.onnx"
    merged.write_bytes(TASK.policy_path.read_bytes())
    assert critic_for(merged, TASK, ROBOT) == TASK.critic_path
    spelt_out = tuple(CONTRACT.elements("observation_scales").tolist())
    write_random(merged, replace(CONTRACT, observation_scales=spelt_out))
    assert critic_for(merged, TASK, ROBOT) == TASK.critic_path
    other = replace(CONTRACT, observation_scales=(0.2, *CONTRACT.observation_scales[1:]))
    assert critic_for(write_random(merged, other), TASK, ROBOT) is None


def test_a_critic_beside_the_policy_comes_first_if_it_fits(tmp_path: Path) -> None:
    path = write_random(tmp_path / "policy.onnx", replace(CONTRACT, observation_history=2))
    beside = tmp_path / "critic.safetensors"
    beside.write_bytes(critic_bytes(blank_layers(55)))
    assert critic_for(path, TASK, ROBOT) is None
    beside.write_bytes(critic_bytes(blank_layers(94 + 8)))
    assert critic_for(path, TASK, ROBOT) == beside
    beside.write_bytes(b"rubbish")
    with pytest.raises(ContractError, match=r"critic.safetensors cannot be read"):
        critic_for(path, TASK, ROBOT)


# --------------------------------------------------------------------------------- the run


@pytest.fixture
def tuning(tmp_path: Path) -> FineTuning:
    return make_tuning(tmp_path / "policy.onnx")


def make_tuning(path: Path) -> FineTuning:
    """The two-jointed policy of the rig, which fits no robot, without a critic."""
    path.write_bytes(policy().data)
    cfg = load_learner("slowrl", window_steps=256, min_batch_steps=32, critic_fit_minutes=0.15,
                       critic_warmup_updates=0)  # fmt: skip
    robot = replace(ROBOT, joints=("shoulder", "elbow"), feet=("foot",), q_lower=np.full(2, -9.0),
                    q_upper=np.full(2, 9.0))  # fmt: skip
    robot = replace(robot, gains={"policy": replace(ROBOT.gains["policy"], kp=np.ones(2), kd=np.ones(2))})
    return FineTuning(SessionConfig(), cfg, TASK, robot, path, None, 3)


def windows(tuning: FineTuning, count: int) -> list:
    return [tuning.learn(Learn(0, 0, n), batch(tuning.learner, 256, n)) for n in range(count)]


def test_the_policy_stays_as_it_is_until_the_critic_is_fitted_and_then_learns(tuning: FineTuning) -> None:
    assert tuning.fits_critic
    updates = windows(tuning, 2)
    assert not tuning.fits_critic
    assert updates[1].stats.note.startswith("The critic is fitted")
    assert updates[0].stats.note == "The critic has seen 53 % of the steps that it is fitted to."
    assert all(not pair[1].any() for update in updates for pair in update.adapter.layers.values())
    assert [update.adapter.version for update in updates] == [1, 2]


def test_learning_begins_with_the_fitted_critic_and_can_be_resumed(
    tuning: FineTuning, tmp_path: Path
) -> None:
    tuning.keep(tmp_path / "run" / "checkpoints")
    *_, last, learnt = windows(tuning, 3)
    assert last.stats.note.startswith("The critic is fitted; it explains ") and not tuning.fits_critic
    assert learnt.stats.note == "" and any(pair[1].any() for pair in learnt.adapter.layers.values())
    assert (tmp_path / "run" / CRITIC).is_file()

    again = make_tuning(tmp_path / "policy.onnx")
    again.resume(tmp_path / "run" / "checkpoints")
    again.keep(tmp_path / "next" / "checkpoints")
    assert not again.fits_critic and again.version == 3
    assert (tmp_path / "next" / CRITIC).is_file()
    obs = torch.randn(5, CRITIC_OBS)
    assert torch.equal(again.learner.critic.values(obs), tuning.learner.critic.values(obs))


def test_versions_of_the_time_before_are_the_base(tuning: FineTuning) -> None:
    windows(tuning, 3)
    adapter = tuning.restore(Restore(1, 0))
    assert not any(pair[1].any() for pair in adapter.layers.values())


def test_a_run_that_ended_before_its_critic_was_there_cannot_be_resumed(tuning, tmp_path: Path) -> None:
    tuning.keep(tmp_path / "run" / "checkpoints")
    windows(tuning, 1)
    with pytest.raises(ConfigError, match="There is no checkpoint in"):
        make_tuning(tmp_path / "policy.onnx").resume(tmp_path / "run" / "checkpoints")


def test_a_full_disk_is_told(tuning: FineTuning, tmp_path: Path) -> None:
    (tmp_path / "run").write_text("a file where the folder would be")
    tuning.keep(tmp_path / "run" / "checkpoints")
    with pytest.raises(ConfigError, match=r"critic .* cannot be written"):
        windows(tuning, 2)


def test_layers_of_the_policy_are_not_touched_by_the_fit(tuning: FineTuning) -> None:
    windows(tuning, 2)
    for one, other in zip(linear_layers(policy().model), tuning.learner.actor_layers(), strict=True):
        np.testing.assert_array_equal(one.weight, other.weight)
