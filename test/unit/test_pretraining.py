"""The batched environments: what they show a policy is what the robot will show it."""

import numpy as np
import pytest
import torch
import yaml

from ros2_rl.paths import share_path
from ros2_rl.policy.observation import ObservationBuilder
from ros2_rl.pretraining import velocity_env
from ros2_rl.pretraining.export import contract
from ros2_rl.pretraining.train import make_env
from ros2_rl.robots import RobotState, load_robot
from ros2_rl.tasks import load_task

ROBOT = load_robot("go2")


@pytest.fixture
def env(request, monkeypatch):
    monkeypatch.setattr(velocity_env, "NOISE", dict.fromkeys(velocity_env.NOISE, 0.0))
    cfg = yaml.safe_load(share_path("config", "pretraining", f"{request.param}.yaml").read_text())["env"]
    return make_env(request.param, cfg | {"threads": 1}, 3, 1)


def actions(rng) -> torch.Tensor:
    return torch.from_numpy(0.3 * rng.normal(size=(3, 12)))


@pytest.mark.parametrize("env", ["trot", "jump"], indirect=True)
def test_the_policy_sees_in_training_what_its_contract_says(env):
    name, rng = env.task.name, np.random.default_rng(0)
    builder = ObservationBuilder(contract(name, ROBOT, "test"), ROBOT)
    for _ in range(100):
        env.step(actions(rng))
    for i, seen in enumerate(env.get_observations()["policy"].numpy()):
        sim = env.sim
        state = RobotState(0, sim.q[i], sim.dq[i], np.zeros(12), sim.quat[i], sim.ang_vel[i], np.zeros(3))
        clock = env.task.clock.at(int(env.phase[i]), env.command[i])
        built = builder.build(state, None, env.command[i], env.action[i], clock)
        np.testing.assert_allclose(built[0], seen, atol=1e-5)


@pytest.mark.parametrize("env", ["jump"], indirect=True)
def test_a_jump_keeps_its_command_for_a_cycle_and_begins_standing(env):
    cycle, rng = load_task("jump").clock.cycle_steps, np.random.default_rng(0)
    begun = np.zeros(3, bool)
    for _ in range(2 * cycle):
        at_start = env.phase % cycle == 0
        begun |= at_start
        assert not env.command[~begun].any()
        before, phase = env.command.copy(), env.phase.copy()
        env.step(actions(rng))
        same = (env.phase == phase + 1) & (env.phase % cycle != 0)
        np.testing.assert_array_equal(env.command[same], before[same])
    assert begun.all()
    low, high = np.array(list(env.task.command_ranges.values())).T
    drawn = env._draw(400)
    assert (drawn >= low).all() and (drawn <= high).all()
    assert 0.03 < np.mean(~drawn.any(axis=1)) < 0.2  # some stand still


@pytest.mark.parametrize("env", ["jump"], indirect=True)
def test_whoever_stands_still_misses_every_jump(env):
    for _ in range(3 * 80):
        env.step(torch.zeros(3, 12))
    env.command[:], env.phase[:] = (0.2, 0.0, 0.0), 80
    names = []
    for _ in range(60):
        env.step(torch.zeros(3, 12))
        names.append([env._scorer.machine.names[i] for i in env._scorer.machine.state])
    assert names[-1] == ["missed"] * 3
