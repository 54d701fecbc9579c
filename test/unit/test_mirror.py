"""Mirror images: twice is the identity, and left and right of the Go2 change places."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from learning_rig import policy
from policy_rig import CONTRACT, JUMP_CONTRACT, ROBOT

from ros2_rl.errors import ConfigError
from ros2_rl.learning.mirror import Mirror
from ros2_rl.tasks.clock import gait_clock


@pytest.fixture
def mirror():
    return Mirror.of(CONTRACT)


@pytest.mark.parametrize(("part", "width"), [("obs", 47), ("critic_obs", 55), ("action", 12)])
def test_twice_is_the_identity(mirror, part, width):
    x = torch.randn(5, width)
    reflection = getattr(mirror, part)
    assert not torch.equal(reflection(x), x)
    assert torch.equal(reflection(reflection(x)), x)


def test_legs_change_sides_and_hips_their_sign(mirror):
    angles = dict(zip(ROBOT.joints, np.arange(1.0, 13.0), strict=True))
    seen = mirror.action(torch.tensor([list(angles.values())]).float())[0].tolist()
    image = dict(zip(ROBOT.joints, seen, strict=True))
    assert image["FL_hip_joint"] == -angles["FR_hip_joint"]
    assert image["RR_thigh_joint"] == angles["RL_thigh_joint"]
    assert image["FR_calf_joint"] == angles["FL_calf_joint"]


def test_a_turn_to_the_left_is_one_to_the_right(mirror):
    obs = torch.zeros(1, 47)
    obs[0, :9] = torch.tensor([1.0, 2.0, 3.0, 0.1, 0.2, -0.9, 0.5, 0.3, 0.7])
    image = mirror.obs(obs)[0, :9]
    assert torch.allclose(image, torch.tensor([-1.0, 2.0, -3.0, 0.1, -0.2, -0.9, 0.5, -0.3, -0.7]))


def test_the_clock_is_half_a_cycle_later(mirror):
    now, later = (gait_clock(np.array([step]), 0.02, 0.48, False) for step in (3, 15))
    obs = torch.zeros(1, 47)
    obs[0, 45:] = torch.from_numpy(now[0])
    assert np.allclose(mirror.obs(obs)[0, 45:], later[0], atol=1e-6)


def test_a_jump_is_no_later():
    obs = torch.zeros(1, 48)
    obs[0, 45:] = torch.tensor([0.6, -0.8, 0.0])
    assert torch.equal(Mirror.of(JUMP_CONTRACT).obs(obs)[0, 45:], obs[0, 45:])


def test_what_the_critic_sees_more(mirror):
    x = torch.zeros(1, 55)
    x[0, 47:] = torch.tensor([0.5, 0.2, 0.1, 0.3, 1.0, 2.0, 3.0, 4.0])
    assert torch.allclose(
        mirror.critic_obs(x)[0, 47:], torch.tensor([0.5, -0.2, 0.1, 0.3, 2.0, 1.0, 4.0, 3.0])
    )


def test_a_history_is_mirrored_frame_by_frame():
    one, two = Mirror.of(CONTRACT), Mirror.of(replace(CONTRACT, observation_history=2))
    x = torch.randn(1, 94)
    expected = torch.cat((one.obs(x[:, :47]), one.obs(x[:, 47:])), dim=1)
    assert torch.equal(two.obs(x), expected)


def test_a_robot_without_sides_is_refused():
    with pytest.raises(ConfigError, match="joint shoulder has no mirror image"):
        Mirror.of(policy().contract)


@pytest.mark.parametrize("by", ["frame", "term"])
def test_every_frame_of_the_past_is_mirrored(by):
    contract = replace(CONTRACT, observation_history=3, history_by=by, history_order="oldest_first")
    frames = torch.randn(3, 47)
    index = torch.from_numpy(contract.history_index())
    image = Mirror.of(contract).obs(frames.reshape(1, -1)[:, index])
    assert torch.equal(image, Mirror.of(CONTRACT).obs(frames).reshape(1, -1)[:, index])
