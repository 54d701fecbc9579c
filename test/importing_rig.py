"""Small random policies as other stacks write them, and a robot that moves at random under them.

The pipelines of the stacks are in the tests; nothing here or there uses the library's own
observation builder, action map or importer.
"""

import warnings
from pathlib import Path

import numpy as np
import onnx
import torch
import yaml
from onnx import helper, numpy_helper
from policy_rig import ROBOT, STEP_NS, random_state
from torch import nn

from ros2_rl.policy.runtime import PolicyRuntime
from ros2_rl.robots import BaseEstimate, RobotState

MOTORS = [f"{leg}_{part}_joint" for leg in ("FR", "FL", "RR", "RL") for part in ("hip", "thigh", "calf")]
BREADTH = [f"{leg}_{part}_joint" for part in ("hip", "thigh", "calf") for leg in ("FL", "FR", "RL", "RR")]
"""Order of Unitree's bus, and that of Isaac Lab."""
STEPS = 12


class Normaliser(nn.Module):
    """rsl_rl's, after some training."""

    def __init__(self, width: int):
        super().__init__()
        self.register_buffer("_mean", 0.3 * torch.randn(1, width))
        self.register_buffer("_std", 0.2 + torch.rand(1, width))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return (x - self._mean) / (self._std + 1e-2)


class Exported(nn.Module):
    """What Isaac Lab's and mjlab's exporters wrap around an actor."""

    def __init__(self, width: int, normalise: bool = False, activation: type[nn.Module] = nn.ELU):
        super().__init__()
        torch.manual_seed(width)
        self.width = width
        self.actor = nn.Sequential(
            nn.Linear(width, 32), activation(), nn.Linear(32, 16), activation(), nn.Linear(16, 12)
        )
        self.normalizer: nn.Module = Normaliser(width) if normalise else nn.Identity()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.actor(self.normalizer(x))

    def ask(self, obs: np.ndarray) -> np.ndarray:
        """The action (12,) for an observation (n,)."""
        with torch.no_grad():
            return self(torch.from_numpy(obs.astype(np.float32)[None]))[0].double().numpy()


def save_script(network: nn.Module, path: Path) -> Path:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.jit.save(torch.jit.script(network), str(path))
    return path


def save_onnx(network: Exported, path: Path, metadata: dict[str, str] | None = None) -> Path:
    """As torch's exporter writes it: the normaliser as Sub and Div before the first Gemm."""
    nodes, tensors, x = [], [], "obs"

    def add(operator: str, *arrays: tuple[str, torch.Tensor], **attributes: int) -> None:
        nonlocal x
        y = f"{len(nodes)}"
        nodes.append(helper.make_node(operator, [x, *(name for name, _ in arrays)], [y], **attributes))
        tensors.extend(numpy_helper.from_array(array.detach().numpy(), name) for name, array in arrays)
        x = y

    if isinstance(network.normalizer, Normaliser):
        add("Sub", ("mean", network.normalizer._mean))
        add("Div", ("std", network.normalizer._std + 1e-2))
    for i, module in enumerate(network.actor):
        if isinstance(module, nn.Linear):
            add("Gemm", (f"actor.{i}.weight", module.weight), (f"actor.{i}.bias", module.bias), transB=1)
        else:
            add({nn.ELU: "Elu", nn.ReLU: "Relu", nn.Tanh: "Tanh"}[type(module)])
    nodes.append(helper.make_node("Identity", [x], ["actions"]))
    ports = [helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, [1, width])
             for name, width in (("obs", network.width), ("actions", 12))]  # fmt: skip
    graph = helper.make_graph(nodes, "main_graph", ports[:1], ports[1:], tensors)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    helper.set_model_props(model, metadata or {})
    onnx.save(model, path)
    return path


def save_yaml(values: dict, path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(yaml.safe_dump(values, sort_keys=False))
    return path


MAPPING = [3, 4, 5, 0, 1, 2, 9, 10, 11, 6, 7, 8]


def rl_sar_config(**changes: object) -> dict:
    """Like rl_sar's policy/go2/himloco/config.yaml."""
    config = {
        "model_name": "policy.pt", "num_observations": 45,
        "observations": ["commands", "ang_vel", "gravity_vec", "dof_pos", "dof_vel", "actions"],
        "observations_history": [], "observations_history_priority": "time", "clip_obs": 1.2,
        "clip_actions_lower": [-0.5] * 12, "clip_actions_upper": [0.5] * 12,
        "rl_kp": [40] * 12, "rl_kd": [1] * 12, "num_of_dofs": 12, "action_scale": [0.125, 0.25, 0.25] * 4,
        "wheel_indices": [], "lin_vel_scale": 2.0, "ang_vel_scale": 0.25, "dof_pos_scale": 1.0,
        "dof_vel_scale": 0.05, "commands_scale": [2.0, 2.0, 0.25],
        "default_dof_pos": [0.1, 0.8, -1.5, -0.1, 0.8, -1.5, 0.1, 1.0, -1.5, -0.1, 1.0, -1.5],
        "joint_mapping": MAPPING,
    }  # fmt: skip
    return config | changes


def write_rl_sar(folder: Path, config: dict) -> None:
    save_yaml({"go2/test": config}, folder / "test" / "config.yaml")
    base = {"dt": 0.005, "decimation": 4, "joint_names": MOTORS, "joint_mapping": list(range(12)),
            "default_dof_pos": [0.0] * 12}  # fmt: skip
    save_yaml({"go2": base}, folder / "base.yaml")


def deploy_config(history: dict[str, int] | None = None, **group: object) -> dict:
    """Like what export_deploy_cfg.py writes for a robot whose joints Isaac Lab orders by depth."""
    default = [0.1, -0.1, 0.1, -0.1, 0.8, 0.8, 1.0, 1.0, -1.5, -1.5, -1.5, -1.5]
    term = lambda name, scale, clip=None: {  # noqa: E731
        "params": {}, "clip": clip, "scale": scale, "history_length": (history or {}).get(name, 1)
    }  # fmt: skip
    terms = {
        "base_ang_vel": ([0.2] * 3, [-1.0, 0.5]), "projected_gravity": ([1.0] * 3, None),
        "velocity_commands": ([1.0, 2.0, -0.5], [-0.3, 0.6]), "joint_pos_rel": ([1.0] * 12, None),
        "joint_vel_rel": ([0.05] * 12, [-2.0, 2.0]), "last_action": ([1.0] * 12, None),
    }  # fmt: skip
    return {
        "joint_ids_map": [MOTORS.index(j) for j in BREADTH], "step_dt": 0.02,
        "stiffness": [20.0 + i for i in range(12)], "damping": [0.5 + 0.1 * i for i in range(12)],
        "default_joint_pos": default,
        "commands": {"base_velocity": {"ranges": {"lin_vel_x": [-1.0, 1.0]}}},
        "actions": {"JointPositionAction": {
            "clip": [[d - 0.1, d + 0.15] for d in default], "joint_names": [".*"],
            "scale": [0.25 + 0.01 * i for i in range(12)], "offset": [d + 0.02 for d in default],
            "joint_ids": None,
        }},
        "observations": group | {name: term(name, *rest) for name, rest in terms.items()},
    }  # fmt: skip


def mjlab_metadata(**changes: str) -> dict[str, str]:
    rows = lambda values: ",".join(f"{v:.3f}" for v in values)  # noqa: E731
    metadata = {
        "run_path": "team/go2/abc", "joint_names": ",".join(MOTORS), "command_names": "twist",
        "joint_stiffness": rows([25.0, 30.0, 35.5] * 4), "joint_damping": rows([0.5] * 12),
        "observation_names":
            "base_lin_vel,base_ang_vel,projected_gravity,joint_pos,joint_vel,actions,command",
        "default_joint_pos": rows([0.1, 0.9, -1.8] * 4), "action_scale": rows([0.373, 0.373, 0.25] * 4),
    }  # fmt: skip
    return metadata | changes


class Moment:
    """What a stack reads from the robot at a control step, by joint name."""

    def __init__(self, step: int):
        self.state: RobotState = random_state(step)
        rng = np.random.default_rng((7, step))
        self.command = rng.uniform(-1.0, 1.0, 3)
        self.lin_vel = rng.normal(size=3)
        w, v = self.state.quat[0], self.state.quat[1:]
        down = np.array((0.0, 0.0, -1.0))
        # Rotation by the conjugate: Rodrigues' formula for a unit quaternion.
        self.gravity = (2 * w * w - 1) * down - 2 * w * np.cross(v, down) + 2 * v * v.dot(down)

    def q(self, order: list[str]) -> np.ndarray:
        return np.array([self.state.q[ROBOT.joints.index(name)] for name in order])

    def dq(self, order: list[str]) -> np.ndarray:
        return np.array([self.state.dq[ROBOT.joints.index(name)] for name in order])

    @property
    def estimate(self) -> BaseEstimate:
        three = np.zeros(3)
        return BaseEstimate(
            self.state.stamp_ns, three, self.state.quat, self.lin_vel, three, np.zeros(4), np.eye(3)
        )


def targets_here(path: Path) -> list[dict[str, float]]:
    """Joint targets by name that the imported policy proposes, step after step."""
    runtime = PolicyRuntime(path, ROBOT)
    found = []
    for step in range(STEPS):
        moment = Moment(step)
        assert moment.state.stamp_ns == step * STEP_NS
        command, _ = runtime.tick(moment.state, moment.estimate, moment.command, noise=False)
        found.append(dict(zip(ROBOT.joints, command.q, strict=True)))
    return found


def assert_same(ours: list[dict[str, float]], theirs: list[dict[str, float]]) -> None:
    for step, (one, other) in enumerate(zip(ours, theirs, strict=True)):
        for joint in ROBOT.joints:
            assert abs(one[joint] - other[joint]) < 1e-5, (step, joint, one[joint], other[joint])
