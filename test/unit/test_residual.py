"""A bounded residual: the base where it says nothing, never beyond its bound, refused where it is wrong."""

import re
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from policy_rig import CONTRACT, ROBOT, random_layers, random_state, write_random

from ros2_rl.errors import ContractError
from ros2_rl.policy.adapter import Adapter, merge
from ros2_rl.policy.mlp import Layer
from ros2_rl.policy.onnx_policy import OnnxPolicy
from ros2_rl.policy.residual import Reach, Residual, check_bound
from ros2_rl.policy.runtime import PolicyRuntime

BOUND = np.full(12, 8.0, np.float32)
SIZES = (47, 16, 12)
FORWARD = np.array((0.5, 0.0, 0.0))


def residual(seed: int = 0, factor: float = 1.0) -> Residual:
    layers = [
        Layer(str(i), factor * layer.weight, layer.bias) for i, layer in enumerate(random_layers(SIZES, seed))
    ]
    return Residual(BOUND, tuple(layers))


def zero() -> Residual:
    *hidden, last = residual().layers
    return Residual(BOUND, (*hidden, Layer(last.name, 0 * last.weight, 0 * last.bias)))


def adapter(base: OnnxPolicy, change: Residual, version: int = 1, **parts) -> Adapter:
    obs = np.random.default_rng(1).normal(0.0, 0.3, (2, base.input_width)).astype(np.float32)
    reach, nothing = Reach(base.contract), np.zeros(12, np.float32)
    out = np.stack([reach.correct(base(o[None]), change, o, nothing)[1] for o in obs])
    values = {"version": version, "base_sha256": base.sha256, "rank": 1, "alpha": 1.0, "layers": {}}
    values |= {"log_std": np.full(12, -1.0), "probe_obs": obs, "probe_out": out, "residual": change}
    return Adapter(**(values | parts))


@pytest.fixture(scope="module")
def base(tmp_path_factory) -> OnnxPolicy:
    return OnnxPolicy(write_random(tmp_path_factory.mktemp("policy") / "policy.onnx"))


@pytest.fixture
def runtime(base) -> PolicyRuntime:
    return PolicyRuntime(base.data, ROBOT, seed=5)


@given(st.integers(0, 1000), st.sampled_from([0.0, 1e-3, 1.0, 1e3, 1e30]), st.floats(0.0, 20.0))
def test_the_bound_holds_for_any_weights_noise_and_limit(seed, factor, limit_deg):
    rng = np.random.default_rng(seed)
    obs, action = rng.normal(size=47).astype(np.float32), rng.normal(size=12).astype(np.float32)
    noise = rng.normal(0.0, 10.0, 12).astype(np.float32)
    reach = Reach(CONTRACT, limit_deg)
    with np.errstate(over="ignore"):
        for moved in reach.correct(action, residual(seed, factor), obs, noise):
            degrees = np.degrees(0.25 * np.abs(moved.astype(float) - action))
            assert degrees.max() <= min(8.0, limit_deg) + 1e-4


def test_zeros_or_no_reach_are_the_base_bit_for_bit(base, runtime):
    assert runtime.submit(adapter(base, zero()).to_bytes()).accepted
    runtime.swap_if_due(0)
    _, record = runtime.tick(random_state(1), None, FORWARD, noise=False)
    assert record.version == 1
    np.testing.assert_array_equal(record.action, base(record.obs[None]))
    runtime.submit(adapter(base, residual(), 2).to_bytes())
    runtime.swap_if_due(2)
    _, moved = runtime.tick(random_state(2), None, FORWARD, noise=True)
    assert np.abs(moved.action - base(moved.obs[None])).max() > 0.01
    runtime.reach.limit_deg = 0.0
    _, record = runtime.tick(random_state(3), None, FORWARD, noise=True)
    np.testing.assert_array_equal(record.action, base(record.obs[None]))


def test_noise_stays_within_what_the_supervisor_allows(base, runtime):
    runtime.submit(adapter(base, residual(), log_std=np.full(12, 1.0)).to_bytes())
    runtime.swap_if_due(0)
    runtime.reach.limit_deg = 3.0
    for step in range(1, 30):
        _, record = runtime.tick(random_state(step), None, FORWARD, noise=True)
        change = np.degrees(0.25 * np.abs(record.action - base(record.obs[None])))
        assert change.max() <= 3.0 + 1e-4


def test_it_survives_the_wire_and_the_merged_file_is_the_same_policy(base):
    sent = adapter(base, residual())
    got = Adapter.from_bytes(sent.to_bytes())
    assert [layer.name for layer in got.residual.layers] == ["0", "1"]
    merged = OnnxPolicy(merge(base.model, got))
    for obs, answer in zip(sent.probe_obs, sent.probe_out, strict=True):
        np.testing.assert_allclose(merged(obs[None]), answer, atol=1e-5)
    assert merged.contract.policy_version == 1


def test_a_person_drives_the_base(base, runtime):
    runtime.submit(adapter(base, residual()).to_bytes())
    runtime.swap_if_due(0)
    _, record = runtime.tick(random_state(1), None, FORWARD, True, human=True)
    assert record.version == 0
    np.testing.assert_array_equal(record.action, base(record.obs[None]))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda r: replace(r, bound_deg=np.full(12, 60.0)), "limits of .*_joint, which has"),
        (lambda r: replace(r, bound_deg=np.full(11, 8.0)), "bounds 11 joints"),
        (lambda r: replace(r, bound_deg=np.full(12, -1.0)), "negative"),
        (lambda r: replace(r, layers=r.layers[:1]), "answers with 16 numbers"),
        (lambda r: replace(r, layers=r.layers[1:]), "takes 16 numbers, not 47"),
        (lambda r: replace(r, bound_deg=np.full(12, np.nan)), "not finite"),
    ],
)
def test_what_does_not_fit_is_refused_and_the_last_one_acts_on(base, runtime, change, words):
    good = adapter(base, residual())
    verdict = runtime.submit(replace(good, residual=change(good.residual)).to_bytes())
    assert not verdict.accepted
    assert re.search(words, verdict.reason)
    assert runtime.swap_if_due(0) is None


def test_a_residual_and_changed_weights_do_not_go_together(base, runtime):
    layers = {"0": (np.zeros((1, 47)), np.zeros((32, 1)))}
    verdict = runtime.submit(adapter(base, residual(), layers=layers).to_bytes())
    assert "both a residual and changed weights" in verdict.reason


def test_a_bound_beyond_the_joint_limits_says_how_much_there_is():
    check_bound([40.0] * 12, CONTRACT, ROBOT)
    with pytest.raises(ContractError, match=r"56.0 deg goes beyond the limits of FL_calf_joint, which has 5"):
        check_bound([56.0] * 12, CONTRACT, ROBOT)
