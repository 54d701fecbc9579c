"""Adapters: the round trip, every kind of refusal, and the identity at B = 0."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from policy_rig import CONTRACT, make_adapter, random_layers

from ros2_rl.errors import ContractError
from ros2_rl.policy.adapter import Adapter, check, check_probe, merge
from ros2_rl.policy.mlp import build_model, linear_layers
from ros2_rl.policy.onnx_policy import OnnxPolicy

LAYERS = random_layers()
BASE = OnnxPolicy(build_model(LAYERS, "elu", CONTRACT).SerializeToString())
GOOD = make_adapter(BASE, LAYERS, version=3, activate_at_step=40, next_at_step=90)
DATA = GOOD.to_bytes()


def changed_layer(index: int, array: np.ndarray) -> Adapter:
    """The good adapter with another A (index 0) or B (1) in its first layer."""
    pair = list(GOOD.layers["0"])
    pair[index] = array
    return replace(GOOD, layers={**GOOD.layers, "0": tuple(pair)})


def with_value(array: np.ndarray, value: float) -> np.ndarray:
    copy = array.copy()
    copy.flat[0] = value
    return copy


BIASED = replace(GOOD, biases={"0": np.full(32, 0.1, np.float32)})
BAD = {
    "wrong bias": (replace(GOOD, biases={"0": np.zeros(31, np.float32)}), "bias of layer 0 does not fit"),
    "bias of nothing": (replace(GOOD, biases={"9": np.zeros(32, np.float32)}), "bias of layer 9 does not"),
    "nan bias": (replace(GOOD, biases={"0": np.full(32, np.nan, np.float32)}), "bias of layer 0 has a num"),
    "wrong base": (replace(GOOD, base_sha256="0" * 64), "made for the base policy 000000000000"),
    "stale version": (replace(GOOD, version=2), "version 2 is stale; 2 is in use"),
    "rank 0": (replace(GOOD, rank=0), "rank 0"),
    "wrong A": (changed_layer(0, np.zeros((2, 46))), r"layer 0 has the shapes \(\(2, 46\)"),
    "wrong B": (changed_layer(1, np.zeros((32, 1))), "layer 0 has the shapes"),
    "another rank": (replace(GOOD, rank=1), "layer 0 has the shapes"),
    "no layers": (replace(GOOD, layers={}), "layers none; the policy has 0, 2, 4"),
    "short log_std": (replace(GOOD, log_std=GOOD.log_std[:11]), "log_std has the shape"),
    "no probe": (replace(GOOD, probe_obs=GOOD.probe_obs[:0], probe_out=GOOD.probe_out[:0]), "probe_obs has"),
    "narrow probe": (replace(GOOD, probe_obs=GOOD.probe_obs[:, :9]), "probe_obs has the shape"),
    "infinite A": (changed_layer(0, with_value(GOOD.layers["0"][0], np.inf)), "layer 0 has a number"),
    "nan B": (changed_layer(1, with_value(GOOD.layers["0"][1], np.nan)), "layer 0 has a number"),
    "nan log_std": (replace(GOOD, log_std=with_value(GOOD.log_std, np.nan)), "log_std has a number"),
    "nan alpha": (replace(GOOD, alpha=float("nan")), "alpha has a number"),
    "loud": (replace(GOOD, log_std=with_value(GOOD.log_std, 1.5)), "log_std is outside"),
    "frozen": (replace(GOOD, log_std=with_value(GOOD.log_std, -6.0)), "log_std is outside"),
}


def assert_equal(one: Adapter, two: Adapter) -> None:
    for key, value in vars(one).items():
        other = getattr(two, key)
        if key == "layers":
            assert set(value) == set(other)
            for name, pair in value.items():
                np.testing.assert_array_equal(pair[0], other[name][0])
                np.testing.assert_array_equal(pair[1], other[name][1])
        elif isinstance(value, np.ndarray):
            np.testing.assert_array_equal(value, other)
        else:
            assert value == other, key


def test_the_good_adapter_is_accepted() -> None:
    adapter = Adapter.from_bytes(DATA)
    check(adapter, BASE, current_version=2)
    check_probe(adapter, OnnxPolicy(merge(BASE.model, adapter)))


@given(
    version=st.integers(1, 2**40),
    alpha=st.floats(1e-3, 1e3),
    steps=st.tuples(st.integers(0, 2**40), st.integers(0, 2**40), st.integers(0, 2**63)),
    sha=st.text("0123456789abcdef", min_size=64, max_size=64),
)
@settings(max_examples=50)
def test_bytes_keep_everything(version: int, alpha: float, steps: tuple[int, int, int], sha: str) -> None:
    at, then, created = steps
    adapter = replace(
        GOOD, version=version, alpha=alpha, base_sha256=sha, activate_at_step=at, next_at_step=then,
        created_ns=created,
    )  # fmt: skip
    assert_equal(Adapter.from_bytes(adapter.to_bytes()), adapter)


def test_a_base_hash_of_zeros_is_no_digest() -> None:
    adapter = replace(GOOD, base_sha256="0" * 64)
    assert Adapter.from_bytes(adapter.to_bytes()).base_sha256 == "0" * 64


@given(st.integers(0, len(DATA) - 1), st.integers(1, 255))
def test_one_wrong_byte_is_always_noticed(position: int, flip: int) -> None:
    corrupt = bytearray(DATA)
    corrupt[position] ^= flip
    with pytest.raises(ContractError):
        Adapter.from_bytes(bytes(corrupt))


@given(st.integers(0, len(DATA) - 1), st.binary(max_size=40))
def test_a_cut_or_spliced_adapter_is_refused(length: int, tail: bytes) -> None:
    corrupt = DATA[:length] + tail
    if corrupt != DATA:
        with pytest.raises(ContractError):
            Adapter.from_bytes(corrupt)


@given(st.binary(max_size=300))
def test_any_other_bytes_are_refused(data: bytes) -> None:
    with pytest.raises(ContractError):
        Adapter.from_bytes(data)


@pytest.mark.parametrize("kind", sorted(BAD))
def test_what_does_not_fit_is_refused_with_the_reason(kind: str) -> None:
    adapter, sentence = BAD[kind]
    with pytest.raises(ContractError, match=sentence):
        check(Adapter.from_bytes(adapter.to_bytes()), BASE, current_version=2)


def test_a_network_that_answers_otherwise_is_refused() -> None:
    merged = OnnxPolicy(merge(BASE.model, GOOD))
    check_probe(GOOD, merged)
    with pytest.raises(ContractError, match=r"difference of 0\.0003"):
        check_probe(replace(GOOD, probe_out=GOOD.probe_out + 3e-4), merged)


def test_weights_that_overflow_do_not_pass_the_probe() -> None:
    huge = replace(changed_layer(1, np.full((32, 2), 3e38, np.float32)), alpha=1e30)
    with pytest.raises(ContractError, match="probe"):
        check_probe(huge, OnnxPolicy(merge(BASE.model, huge)))


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=20)
def test_with_b_zero_the_answers_are_the_bases_bit_for_bit(seed: int) -> None:
    merged = OnnxPolicy(merge(BASE.model, make_adapter(BASE, LAYERS, size=0.0)))
    obs = np.random.default_rng(seed).normal(0.0, 3.0, (1, 47)).astype(np.float32)
    assert merged(obs).tobytes() == BASE(obs).tobytes()


def test_a_changed_bias_travels_and_is_merged() -> None:
    adapter = Adapter.from_bytes(BIASED.to_bytes())
    check(adapter, BASE)
    merged = linear_layers(OnnxPolicy(merge(BASE.model, adapter)).model)
    np.testing.assert_array_equal(merged[0].bias, LAYERS[0].bias + np.float32(0.1))
    np.testing.assert_array_equal(merged[1].bias, LAYERS[1].bias)


def test_merging_adds_the_scaled_product_and_keeps_the_contract() -> None:
    merged = OnnxPolicy(merge(BASE.model, GOOD))
    for layer, base in zip(linear_layers(merged.model), LAYERS, strict=True):
        a, b = GOOD.layers[layer.name]
        np.testing.assert_allclose(layer.weight, base.weight + 4.0 / 2 * (b @ a), rtol=1e-5, atol=1e-6)
        np.testing.assert_array_equal(layer.bias, base.bias)
    log_std = tuple(GOOD.log_std.astype(float).tolist())
    assert merged.contract == replace(CONTRACT, policy_version=3, log_std=log_std)
