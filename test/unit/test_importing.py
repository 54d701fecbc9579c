"""Imported policies give the joint targets that their own stack gives, to 1e-5, for every convention.

Each test carries a re-implementation of the stack's pipeline, written from its source.
"""

from pathlib import Path

import numpy as np
import pytest
import torch
from importing_rig import (
    BREADTH,
    MOTORS,
    STEPS,
    Exported,
    Moment,
    assert_same,
    deploy_config,
    mjlab_metadata,
    rl_sar_config,
    save_onnx,
    save_script,
    save_yaml,
    targets_here,
    write_rl_sar,
)
from policy_rig import ROBOT
from torch import nn

from ros2_rl.importing import Imported, import_policy
from ros2_rl.importing.convert import write_imported
from ros2_rl.policy.mlp import linear_layers
from ros2_rl.policy.onnx_policy import OnnxPolicy

LEGGED_GYM = """
from legged_gym.envs.base.legged_robot_config import LeggedRobotCfg, LeggedRobotCfgPPO

class GO2RoughCfg( LeggedRobotCfg ):
    class init_state( LeggedRobotCfg.init_state ):
        pos = [0.0, 0.0, 0.42]
        default_joint_angles = {
            'FL_hip_joint': 0.1, 'RL_hip_joint': 0.1, 'FR_hip_joint': -0.1, 'RR_hip_joint': -0.1,
            'FL_thigh_joint': 0.8, 'RL_thigh_joint': 1., 'FR_thigh_joint': 0.8, 'RR_thigh_joint': 1.,
            'FL_calf_joint': -1.5, 'RL_calf_joint': -1.5, 'FR_calf_joint': -1.5, 'RR_calf_joint': -1.5,
        }
    class control( LeggedRobotCfg.control ):
        stiffness = {'joint': 20.}
        damping = {'joint': 0.5}
        action_scale = 0.25
        hip_reduction = 0.5
    class asset( LeggedRobotCfg.asset ):
        file = '{ROOT}/go2.urdf'.format(ROOT='x')
    class normalization( LeggedRobotCfg.normalization ):
        clip_actions = 0.4
        clip_observations = 1.5

class GO2RoughCfgPPO( LeggedRobotCfgPPO ):
    class policy( LeggedRobotCfgPPO.policy ):
        activation = 'tanh'
"""
ANGLES = dict.fromkeys(ROBOT.joints, -1.5)
ANGLES |= {j: (0.1 if j[1] == "L" else -0.1) for j in ROBOT.joints if "hip" in j}
ANGLES |= {j: (0.8 if j[0] == "F" else 1.0) for j in ROBOT.joints if "thigh" in j}


def bring(policy: Path, **options: object) -> tuple[Imported, Path]:
    """Import a policy and write it; the file."""
    imported, path = import_policy(policy, ROBOT, **options), policy.with_name("imported.onnx")
    write_imported(path, imported)
    return imported, path


# ------------------------------------------------------------------ legged_gym, rsl_rl


def legged_gym(ask, joints: list[str], velocity: bool) -> list[dict[str, float]]:
    """legged_robot.py: compute_observations, step, _compute_torques."""
    default = np.array([ANGLES[j] for j in joints])
    scale = 0.25 * np.array([0.5 if "hip" in j else 1.0 for j in joints])
    action, found = np.zeros(12), []
    for step in range(STEPS):
        m = Moment(step)
        parts = [
            m.state.gyro * 0.25, m.gravity, m.command * (2.0, 2.0, 0.25),
            m.q(joints) - default, m.dq(joints) * 0.05, action,
        ]  # fmt: skip
        obs = np.concatenate([m.lin_vel * 2.0, *parts] if velocity else parts)
        action = np.clip(ask(np.clip(obs, -1.5, 1.5)), -0.4, 0.4)
        found.append(dict(zip(joints, default + scale * action, strict=True)))
    return found


@pytest.mark.parametrize("velocity", [True, False])
def test_a_legged_gym_checkpoint_with_its_python_configuration(tmp_path: Path, velocity: bool) -> None:
    network = Exported(48 if velocity else 45, activation=nn.Tanh)
    state = {f"actor.{k}": v for k, v in network.actor.state_dict().items()}
    state |= {
        "critic.0.weight": torch.zeros(1, 48),
        "critic.0.bias": torch.zeros(1),
        "std": torch.full((12,), 0.5),
    }
    torch.save(
        {"model_state_dict": state, "optimizer_state_dict": {}, "iter": 7, "infos": None},
        tmp_path / "model_7.pt",
    )
    (tmp_path / "go2_config.py").write_text(LEGGED_GYM)
    imported, path = bring(tmp_path / "model_7.pt", config=tmp_path / "go2_config.py")
    assert_same(targets_here(path), legged_gym(network.ask, list(ROBOT.joints), velocity))
    assert np.allclose(np.exp(imported.contract.log_std), 0.5)
    assert (imported.network, imported.conventions, imported.adaptable) == (
        "rsl_rl checkpoint",
        "legged_gym",
        True,
    )
    assert imported.contract.run_path == "model_7"


def test_legged_gym_with_other_orders_of_joints_and_observations(tmp_path: Path) -> None:
    network = Exported(45, activation=nn.Tanh)
    state = {f"actor.{k}": v for k, v in network.actor.state_dict().items()}
    torch.save({"model_state_dict": state}, tmp_path / "model.pt")
    (tmp_path / "go2_config.py").write_text(LEGGED_GYM)
    names = ("velocity_commands", "base_ang_vel", "projected_gravity", "joint_pos", "joint_vel", "actions")
    _, path = bring(
        tmp_path / "model.pt", config=tmp_path / "go2_config.py", joints=tuple(MOTORS), observations=names
    )
    reordered = lambda obs: network.ask(np.concatenate((obs[6:9], obs[:6], obs[9:])))  # noqa: E731
    assert_same(targets_here(path), legged_gym(reordered, MOTORS, velocity=False))


def checkpoints(network: Exported) -> dict[str, dict]:
    """The same normalised actor as rsl_rl 2, 3 and 5 save it."""
    layers = network.actor.state_dict()
    norm = network.normalizer.state_dict()
    actor = {f"actor.{k}": v for k, v in layers.items()}
    return {
        "2": {"model_state_dict": actor | {"log_std": torch.zeros(12)}, "obs_norm_state_dict": norm},
        "3": {"model_state_dict": actor | {f"actor_obs_normalizer.{k}": v for k, v in norm.items()}},
        "5": {
            "actor_state_dict": {f"mlp.{k}": v for k, v in layers.items()}
            | {f"obs_normalizer.{k}": v for k, v in norm.items()}
            | {"distribution.std_param": torch.ones(12)},
            "critic_state_dict": {"mlp.0.weight": torch.zeros(1, 48)},
        },
    }


@pytest.mark.parametrize("version", ["2", "3", "5"])
def test_the_normaliser_of_every_rsl_rl_is_folded_into_the_first_layer(tmp_path: Path, version: str) -> None:
    network = Exported(45, normalise=True)
    torch.save(checkpoints(network)[version], tmp_path / "model.pt")
    (tmp_path / "go2_config.py").write_text(LEGGED_GYM.replace("'tanh'", "'elu'"))
    _, path = bring(tmp_path / "model.pt", config=tmp_path / "go2_config.py")
    assert_same(targets_here(path), legged_gym(network.ask, list(ROBOT.joints), velocity=False))


def test_the_dump_of_a_legged_gym_configuration_is_read_as_well(tmp_path: Path) -> None:
    network = Exported(45)
    state = {f"actor.{k}": v for k, v in network.actor.state_dict().items()}
    torch.save({"model_state_dict": state}, tmp_path / "model.pt")
    config = {
        "init_state": {"default_joint_angles": ANGLES},
        "control": {"control_type": "P", "stiffness": {"joint": 20.0}, "damping": {"joint": 0.5},
                    "action_scale": 0.25, "hip_reduction": 0.5, "decimation": 4},
        "sim": {"dt": 0.005},
        "normalization": {"clip_observations": 1.5, "clip_actions": 0.4, "obs_scales": {
            "lin_vel": 2.0, "ang_vel": 0.25, "dof_pos": 1.0, "dof_vel": 0.05}},
    }  # fmt: skip
    save_yaml(config, tmp_path / "config.yaml")
    _, path = bring(tmp_path / "model.pt")
    assert_same(targets_here(path), legged_gym(network.ask, list(ROBOT.joints), velocity=False))


# ------------------------------------------------------------------------------ rl_sar


def rl_sar(ask, config: dict) -> list[dict[str, float]]:
    """rl_sdk.cpp and observation_buffer.cpp; the buffer is filled with the first frame."""
    joints = [MOTORS[i] for i in config["joint_mapping"]]
    default, ages = np.array(config["default_dof_pos"]), config["observations_history"]
    sizes, action, frames, found = [3, 3, 3, 12, 12, 12], np.zeros(12), [], []
    for step in range(STEPS):
        m = Moment(step)
        parts = {
            "commands": m.command * config["commands_scale"], "ang_vel": m.state.gyro * 0.25,
            "gravity_vec": m.gravity, "dof_pos": m.q(joints) - default, "dof_vel": m.dq(joints) * 0.05,
            "actions": action,
        }  # fmt: skip
        obs = np.clip(np.concatenate([parts[name] for name in config["observations"]]), -1.2, 1.2)
        frames = [obs, *frames][: max(ages, default=0) + 1] if frames else [obs] * (max(ages, default=0) + 1)
        if ages and config["observations_history_priority"] == "term":
            cuts = [np.split(frame, np.cumsum(sizes)[:-1]) for frame in frames]
            obs = np.concatenate([cuts[age][term] for term in range(len(sizes)) for age in ages])
        elif ages:
            obs = np.concatenate([frames[age] for age in ages])
        action = np.clip(ask(obs), -0.5, 0.5)
        found.append(dict(zip(joints, action * config["action_scale"] + default, strict=True)))
    return found


@pytest.mark.parametrize("ages", [[], [0, 1, 2], [2, 1, 0]])
@pytest.mark.parametrize("priority", ["time", "term"])
def test_rl_sar_with_every_kind_of_history(tmp_path: Path, ages: list[int], priority: str) -> None:
    config = rl_sar_config(observations_history=ages, observations_history_priority=priority)
    network = Exported(45 * max(len(ages), 1), normalise=True)
    write_rl_sar(tmp_path, config)
    _, path = bring(save_onnx(network, tmp_path / "test" / "policy.onnx"))
    assert_same(targets_here(path), rl_sar(network.ask, config))


def test_rl_sar_ships_torchscript(tmp_path: Path) -> None:
    config, network = rl_sar_config(observations_history=[0, 1]), Exported(90, normalise=True)
    write_rl_sar(tmp_path, config)
    imported, path = bring(save_script(network, tmp_path / "test" / "policy.pt"))
    assert_same(targets_here(path), rl_sar(network.ask, config))
    assert (imported.network, imported.conventions, imported.adaptable) == ("TorchScript", "rl_sar", True)


class Encoded(nn.Module):
    """A network with an estimator in it, as HIMLoco's: no plain perceptron."""

    def __init__(self) -> None:
        super().__init__()
        self.estimator, self.actor = nn.Linear(90, 3), nn.Linear(48, 12)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.actor(torch.cat((x[:, :45], torch.tanh(self.estimator(x))), dim=1))


def test_a_network_with_an_estimator_is_run_as_it_is(tmp_path: Path) -> None:
    config, network = rl_sar_config(observations_history=[0, 1]), Encoded()
    write_rl_sar(tmp_path, config)
    imported, path = bring(save_script(network, tmp_path / "test" / "policy.pt"))
    assert not imported.adaptable

    def ask(obs: np.ndarray) -> np.ndarray:
        with torch.no_grad():
            return network(torch.from_numpy(obs.astype(np.float32)[None]))[0].double().numpy()

    assert_same(targets_here(path), rl_sar(ask, config))


# ---------------------------------------------------------------------- unitree_rl_lab


def unitree(ask, config: dict) -> list[dict[str, float]]:
    """observation_manager.h, manager_term_cfg.h, joint_actions.h."""
    joints = [MOTORS[i] for i in config["joint_ids_map"]]
    default = np.array(config["default_joint_pos"])
    group = config["observations"]
    terms = {k: v for k, v in group.items() if isinstance(v, dict)}
    action, past, found = np.zeros(12), {}, []
    for step in range(STEPS):
        m = Moment(step)
        values = {
            "base_ang_vel": m.state.gyro, "projected_gravity": m.gravity, "velocity_commands": m.command,
            "joint_pos_rel": m.q(joints) - default, "joint_vel_rel": m.dq(joints), "last_action": action,
        }  # fmt: skip
        for name, term in terms.items():
            low, high = term["clip"] or (-np.inf, np.inf)
            value = np.array(values[name])
            value = value * term["scale"] if group.get("scale_first") else np.clip(value, low, high)
            value = np.clip(value, low, high) if group.get("scale_first") else value * term["scale"]
            buffer = past.setdefault(name, [value] * term["history_length"])
            buffer.append(value)
            del buffer[0]
        if group.get("use_gym_history"):
            length = next(iter(terms.values()))["history_length"]
            obs = np.concatenate([past[name][h] for h in range(length) for name in terms])
        else:
            obs = np.concatenate([entry for name in terms for entry in past[name]])
        action = ask(obs)
        act = config["actions"]["JointPositionAction"]
        low, high = np.array(act["clip"]).T
        target = np.clip(action * act["scale"] + act["offset"], low, high)
        found.append(dict(zip(joints, target, strict=True)))
    return found


ALL_THREE = dict.fromkeys(deploy_config()["observations"], 3)


@pytest.mark.parametrize(
    ("config", "width"),
    [
        (deploy_config(), 45),
        (deploy_config(scale_first=True), 45),
        (deploy_config(ALL_THREE), 135),
        (deploy_config(ALL_THREE, use_gym_history=True), 135),
        (deploy_config({"joint_vel_rel": 4, "last_action": 2}), 93),
    ],
    ids=["plain", "scaled first", "history by term", "history by frame", "unequal history"],
)
def test_unitree_rl_lab_with_every_kind_of_history(tmp_path: Path, config: dict, width: int) -> None:
    network = Exported(width, normalise=True)
    (tmp_path / "exported").mkdir()
    save_yaml(config, tmp_path / "params" / "deploy.yaml")
    imported, path = bring(save_onnx(network, tmp_path / "exported" / "policy.onnx"))
    assert_same(targets_here(path), unitree(network.ask, config))
    contract = imported.contract
    assert contract.joint_names == tuple(BREADTH)
    # The gains are in the order of the motors, unlike everything else in the file.
    assert contract.joint_stiffness == tuple(20.0 + MOTORS.index(j) for j in BREADTH)
    assert (imported.network, imported.conventions, imported.adaptable) == ("ONNX", "unitree_rl_lab", True)


def test_the_newer_form_with_a_named_group_and_a_gait_phase(tmp_path: Path) -> None:
    config = deploy_config()
    clock = {"params": {"period": 0.6}, "clip": None, "scale": [1.0, 1.0], "history_length": 1}
    config["observations"] = {"obs": config["observations"] | {"gait_phase": clock}}
    save_yaml(config, tmp_path / "deploy.yaml")
    imported, _ = bring(save_onnx(Exported(47), tmp_path / "policy.onnx"))
    assert imported.contract.observation_names[-1] == "gait_clock"
    assert (imported.contract.gait_period, imported.contract.stand_below) == (0.6, 0.0)


def test_a_checkpoint_beside_a_deploy_yaml_takes_the_activation_of_its_agent_yaml(tmp_path: Path) -> None:
    network, config = Exported(45, activation=nn.ReLU), deploy_config()
    state = {f"actor.{k}": v for k, v in network.actor.state_dict().items()}
    torch.save({"model_state_dict": state}, tmp_path / "model.pt")
    save_yaml(config, tmp_path / "params" / "deploy.yaml")
    (tmp_path / "params" / "agent.yaml").write_text(
        "policy:\n  dims: !!python/tuple [1, 2]\n  activation: relu\n"
    )
    _, path = bring(tmp_path / "model.pt")
    assert_same(targets_here(path), unitree(network.ask, config))


# ------------------------------------------------------------------------------- mjlab


def test_mjlab_brings_its_contract_in_the_file(tmp_path: Path) -> None:
    network = Exported(48, normalise=True)
    imported, path = bring(save_onnx(network, tmp_path / "policy.onnx", mjlab_metadata()))
    default, scale, action = np.array([0.1, 0.9, -1.8] * 4), np.array([0.373, 0.373, 0.25] * 4), np.zeros(12)
    theirs = []
    for step in range(STEPS):
        m = Moment(step)
        obs = (m.lin_vel, m.state.gyro, m.gravity, m.q(MOTORS) - default, m.dq(MOTORS), action, m.command)
        action = network.ask(np.concatenate(obs))
        theirs.append(dict(zip(MOTORS, default + scale * action, strict=True)))
    assert_same(targets_here(path), theirs)
    assert (imported.conventions, imported.adaptable, imported.contract.run_path) == (
        "mjlab",
        True,
        "team/go2/abc",
    )


def test_our_own_policies_come_through_unchanged(tmp_path: Path) -> None:
    from ros2_rl.tasks import load_task

    task = load_task("trot")
    imported = import_policy(task.policy_path, ROBOT)
    before = OnnxPolicy(task.policy_path)
    assert imported.contract == before.contract
    for one, other in zip(
        linear_layers(before.model), linear_layers(OnnxPolicy(imported.data).model), strict=True
    ):
        np.testing.assert_array_equal(one.weight, other.weight)
