"""A policy from elsewhere as the base of an arm's: it acts exactly at first, within a bound ever after."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from onnx import TensorProto, helper

from ros2_rl.arm_args import check_arm_args
from ros2_rl.errors import ConfigError, ContractError
from ros2_rl.learning.arm_tuning import ONNX, POLICY, ArmTuning
from ros2_rl.learning.config import load_arm_learner
from ros2_rl.manipulation.active import ActivePolicy
from ros2_rl.manipulation.arm_base import ArmBase
from ros2_rl.manipulation.arm_policy import ArmPolicy
from ros2_rl.manipulation.observation import WIDTH
from ros2_rl.manipulation.practice import PracticeConfig
from ros2_rl.manipulation.task import load_arm_task
from ros2_rl.sim.arm_loop import ArmCell
from ros2_rl.sim.arm_session import practise

TASK = load_arm_task("reach")
SMALL = {
    "actor_hidden": (8,), "critic_hidden": (8, 8), "critics": 2, "batch": 16, "start_steps": 8, "utd": 1.0,
    "critic_warmup": 0,
}  # fmt: skip


def network(inputs: int = WIDTH, outputs: int = 3, gain: float = 3.0) -> bytes:
    """Sine of some weighted sums, times ``gain``: nothing of which a learner could know the inside."""
    weight = np.random.default_rng(3).normal(0, 0.4, (inputs, outputs)).astype(np.float32)
    nodes = [
        helper.make_node("MatMul", ["obs", "weight"], ["sum"]),
        helper.make_node("Sin", ["sum"], ["sine"]),
        helper.make_node("Mul", ["sine", "gain"], ["out"]),
    ]
    values = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, (1, size))
        for name, size in (("obs", inputs), ("out", outputs))
    ]
    constants = [
        onnx.numpy_helper.from_array(weight, "weight"),
        onnx.numpy_helper.from_array(np.float32(gain), "gain"),
    ]
    graph = helper.make_graph(nodes, "base", values[:1], values[1:], constants)
    return helper.make_model(
        graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8
    ).SerializeToString()


def based(seed: int = 1, **changes) -> ArmTuning:
    session = PracticeConfig(0.2, 0, 0)
    config = load_arm_learner("rlpd", **{**SMALL, **changes})
    return ArmTuning(session, config, TASK, None, seed, ArmBase(network(), TASK))


def experience(count: int = 64) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(4)
    return {
        "obs": rng.normal(size=(count, WIDTH)), "next_obs": rng.normal(size=(count, WIDTH)),
        "action": rng.uniform(-1, 1, (count, 3)), "reward": rng.normal(size=count),
        "terminal": np.zeros(count),
    }  # fmt: skip


def test_before_anything_is_learned_it_is_the_base():
    tuning = based()
    active = ActivePolicy(TASK, 1, tuning.base)
    assert active.offer(replace(tuning.policy(), kind="trial").to_bytes()).accepted
    for obs in np.random.default_rng(0).normal(size=(20, WIDTH)):
        np.testing.assert_array_equal(active.act(obs, 0), tuning.base(obs))


def test_whatever_is_learned_stays_within_the_bound_of_the_base():
    tuning = based(residual_bound=0.2, learning_rate=0.05)
    tuning.learner.add(experience(), np.zeros(64, int))
    tuning.learner.update(200)
    policy, changed = tuning.policy(), 0.0
    for obs in np.random.default_rng(0).normal(size=(50, WIDTH)):
        away = np.abs(policy.act(obs, tuning.base, noise=np.full(3, 9.0)) - tuning.base(obs)).max()
        assert away <= 0.2 + 1e-6
        changed = max(changed, away)
    assert changed > 0.05


@given(st.floats(-1, 1), st.floats(-1, 1))
def test_a_change_is_what_the_executed_action_has_over_the_base(action: float, base: float):
    """By the replay: change times bound, added to the base's action, is what was executed."""

    class Constant:
        sha256 = "0"

        def of(self, obs: np.ndarray) -> np.ndarray:
            return np.full((len(obs), 3), base, np.float32)

    tuning = based()
    tuning.learner._base = Constant()
    tuning.learner.add(experience(8) | {"action": np.full((8, 3), action)}, np.zeros(8, int))
    batch = tuning.learner._batch()
    executed = batch["base"] + tuning.learner.bound * batch["change"]
    torch.testing.assert_close(executed, torch.full_like(executed, action), atol=1e-5, rtol=0.0)
    assert batch["next_base"].unique().tolist() == pytest.approx([base])


def test_a_session_on_a_base_through_the_arms_own_loop(tmp_path: Path):
    tuning, told = based(), []
    practise(ArmCell("reach", seed=11), tuning, 11, None, told.append)
    assert tuning.practice.over and tuning.practice.lost == 0 and tuning.learner.sac.steps > 0
    tuning.keep(tmp_path)
    kept = ArmPolicy.from_bytes((tmp_path / POLICY).read_bytes())
    assert kept.base_sha256 == tuning.base.sha256 and kept.bound == tuning.learner.bound
    assert not (tmp_path / ONNX).exists()  # it would be the change alone
    again = based()
    again.resume(tmp_path)
    assert again.version == tuning.version
    other = ArmTuning(PracticeConfig(0.2, 0, 0), load_arm_learner("rlpd", **SMALL), TASK, None, 1)
    with pytest.raises(ConfigError, match="another robot, task, rate or base"):
        other.resume(tmp_path)


def test_what_was_learned_without_a_base_can_be_the_base_of_the_next(tmp_path: Path):
    first = ArmTuning(PracticeConfig(0.2, 0, 0), load_arm_learner("rlpd", **SMALL), TASK, None, 1)
    first.learner.add(experience(), np.zeros(64, int))
    first.learner.update(50)
    policy = first.policy()
    first.keep(tmp_path)
    base = ArmBase(tmp_path / ONNX, TASK)
    for obs in np.random.default_rng(0).normal(size=(20, WIDTH)):
        np.testing.assert_allclose(base(obs), policy.act(obs, None), atol=1e-5)


def test_executor_and_learner_must_have_the_same_base():
    sent = based().policy().to_bytes()
    for own in (None, ArmBase(network(gain=2.0), TASK)):
        verdict = ActivePolicy(TASK, 1, own).offer(sent)
        assert not verdict.accepted and "start both with one" in verdict.reason
    wide = replace(based().policy(), bound=1.5)
    verdict = ActivePolicy(TASK, 1, ArmBase(network(), TASK)).offer(wide.to_bytes())
    assert not verdict.accepted and "bound" in verdict.reason


@pytest.mark.parametrize(
    ("data", "what"),
    [
        (b"no network", "not a valid ONNX"),
        (network(inputs=20), "takes 20 numbers"),
        (network(outputs=7), "gives 7"),
        (network(gain=float("nan")), "no number"),
    ],
)
def test_what_cannot_be_a_base_is_refused_before_anything_starts(tmp_path: Path, data: bytes, what: str):
    (tmp_path / "base.onnx").write_bytes(data)
    with pytest.raises(ContractError, match=what):
        check_arm_args(
            {"robot": "arm", "task": "reach", "learner": "rlpd", "policy": str(tmp_path / "base.onnx")}
        )


def test_a_base_that_is_there_is_passed_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "base.onnx").write_bytes(network())
    values = {"robot": "arm", "task": "reach", "learner": "rlpd", "policy": "base.onnx"}
    assert check_arm_args(values).policy == str(tmp_path / "base.onnx")
    with pytest.raises(ContractError, match=r"nowhere\.onnx cannot be read"):
        check_arm_args(values | {"policy": "nowhere.onnx"})
