"""Adapters: identity at the start, what learns and what does not, merging."""

import pytest
import torch
from learning_rig import make_learner, policy
from torch import nn

from ros2_rl.errors import ConfigError
from ros2_rl.learning.lora import LoRALinear, add_lora, count_parameters, trainable_share
from ros2_rl.policy.adapter import check, check_probe, merge
from ros2_rl.policy.onnx_policy import OnnxPolicy


@pytest.fixture
def linear():
    torch.manual_seed(0)
    return nn.Linear(6, 4)


def test_a_new_adapter_is_the_base_bit_for_bit(linear):
    x = torch.randn(50, 6)
    assert torch.equal(LoRALinear(linear, 2, 8.0)(x), linear(x))


def test_forward_by_hand():
    base = nn.Linear(2, 2)
    layer = LoRALinear(base, 1, 3.0)
    with torch.no_grad():
        base.weight.copy_(torch.eye(2))
        base.bias.copy_(torch.tensor([0.5, 0.0]))
        layer.A.copy_(torch.tensor([[1.0, 2.0]]))
        layer.B.copy_(torch.tensor([[1.0], [-1.0]]))
    # W0 x + b = (1.5, 1); A x = 3; (alpha / r) B A x = 3 * (3, -3)
    assert torch.allclose(layer(torch.tensor([[1.0, 1.0]])), torch.tensor([[10.5, -8.0]]))


def test_only_the_adapter_has_gradients(linear):
    layer = LoRALinear(linear, 2, 8.0)
    layer(torch.randn(3, 6)).sum().backward()
    assert linear.weight.grad is None and linear.bias.grad is None
    assert layer.B.grad.abs().sum() > 0


def test_merged_layer_computes_the_same(linear):
    layer = LoRALinear(linear, 2, 8.0)
    with torch.no_grad():
        layer.B.normal_()
    x = torch.randn(50, 6)
    assert torch.allclose(layer.merged()(x), layer(x), atol=1e-5)


@pytest.mark.parametrize("rank", [0, -1, 5])
def test_rank_must_fit(linear, rank):
    with pytest.raises(ConfigError, match="choose 1 to 4"):
        LoRALinear(linear, rank, 1.0)


def test_a_narrow_layer_takes_the_rank_it_can_have_with_the_same_scale():
    layers = nn.ModuleList([nn.Linear(6, 4), nn.Linear(4, 1)])
    add_lora(layers, 2, 8.0, fit_rank=True)
    assert [(layer.rank, layer.scale) for layer in layers] == [(2, 4.0), (1, 4.0)]


def test_share_of_trainable_parameters():
    layers = nn.ModuleList([nn.Linear(6, 4), nn.Linear(4, 2)])
    assert trainable_share(layers) == 1.0
    add_lora(layers, 1, 1.0)
    assert count_parameters(layers) == (6 + 4 + 4 + 2, 28 + 10)


def test_a_first_adapter_leaves_the_policy_as_it_is_bit_for_bit(tmp_path):
    base = policy()
    adapter = make_learner(tmp_path).adapter(1)
    check(adapter, base)
    merged = OnnxPolicy(merge(base.model, adapter))
    assert all((merged(obs[None]) == base(obs[None])).all() for obs in adapter.probe_obs)


@pytest.mark.parametrize("mode", ["lora", "full"])
def test_what_was_learned_reaches_the_executor(tmp_path, mode):
    from learning_rig import batch

    base, learner = policy(), make_learner(tmp_path, mode=mode)
    assert not learner.update(batch(learner)).reason
    adapter = learner.adapter(1)
    check(adapter, base)
    check_probe(adapter, OnnxPolicy(merge(base.model, adapter)))
    assert abs(adapter.probe_out - make_learner(tmp_path).adapter(1).probe_out).max() > 1e-3
