"""The shipped trot, written as unitree_rl_lab writes a policy and imported again, walks as before."""

import json
import subprocess
from pathlib import Path

import numpy as np
import onnx
import yaml
from importing_rig import BREADTH, MOTORS
from onnx import helper, numpy_helper

from ros2_rl.importing import import_policy
from ros2_rl.importing.convert import write_imported
from ros2_rl.learning.phase import EVALUATE, Phase
from ros2_rl.policy.mlp import linear_layers
from ros2_rl.policy.onnx_policy import OnnxPolicy
from ros2_rl.policy.runtime import PolicyRuntime
from ros2_rl.robots import load_robot
from ros2_rl.safety.modes import Mode
from ros2_rl.sim.loop import Robot
from ros2_rl.sim.perturbations import load_gap
from ros2_rl.tasks import load_task

TASK = load_task("trot")
TERMS = {  # ours: theirs
    "velocity_commands": "velocity_commands",
    "base_ang_vel": "base_ang_vel",
    "joint_vel": "joint_vel_rel",
    "joint_pos": "joint_pos_rel",
    "actions": "last_action",
    "projected_gravity": "projected_gravity",
    "gait_clock": "gait_phase",
}


def columns(policy: OnnxPolicy) -> list[int]:
    """Where the inputs stand in the original, in the order in which the export has them."""
    contract = policy.contract
    sizes = contract.term_sizes()
    starts = dict(zip(contract.observation_names, np.cumsum([0, *sizes[:-1]]).tolist(), strict=True))
    joints = [contract.joint_names.index(name) for name in BREADTH]
    found: list[int] = []
    for name in TERMS:
        size = sizes[contract.observation_names.index(name)]
        found += [starts[name] + i for i in (joints if size == 12 else range(size))]
    return found


def export(folder: Path, **changes: object) -> Path:
    """The trot with other orders of joints and terms, as an ONNX file and its deploy.yaml with changes."""
    policy = OnnxPolicy(TASK.policy_path)
    contract = policy.contract
    joints = [contract.joint_names.index(name) for name in BREADTH]
    layers = linear_layers(policy.model)
    first, last = layers[0], layers[-1]
    layers[0] = first._replace(weight=first.weight[:, columns(policy)])
    layers[-1] = last._replace(weight=last.weight[joints], bias=last.bias[joints])
    nodes, tensors, x = [], [], "obs"
    for i, layer in enumerate(layers):
        y = "actions" if layer is layers[-1] else f"y{i}"
        nodes.append(helper.make_node("Gemm", [x, f"w{i}", f"b{i}"], [y], transB=1))
        tensors += [
            numpy_helper.from_array(np.ascontiguousarray(layer.weight), f"w{i}"),
            numpy_helper.from_array(layer.bias, f"b{i}"),
        ]
        if y != "actions":
            nodes.append(helper.make_node("Elu", [y], [f"x{i}"]))
            x = f"x{i}"
    ports = [
        helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, [1, n])
        for name, n in (("obs", 47), ("actions", 12))
    ]
    graph = helper.make_graph(nodes, "actor", ports[:1], ports[1:], tensors)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.save(model, folder / "policy.onnx")
    (folder / "deploy.yaml").write_text(yaml.safe_dump(deploy(policy) | changes, sort_keys=False))
    return folder / "policy.onnx"


def deploy(policy: OnnxPolicy) -> dict:
    contract = policy.contract
    by_name = lambda values: dict(zip(contract.joint_names, values, strict=True))  # noqa: E731
    listed = lambda values, order: [by_name(values)[name] for name in order]  # noqa: E731
    scales = dict(zip(contract.observation_names, contract.observation_scales, strict=True))
    sizes = dict(zip(contract.observation_names, contract.term_sizes(), strict=True))
    terms = {
        theirs: {"params": {}, "clip": None, "scale": [scales[ours]] * sizes[ours], "history_length": 1}
        for ours, theirs in TERMS.items()
    }
    terms["gait_phase"]["params"] = {"period": contract.gait_period}
    default = listed(contract.default_joint_pos, BREADTH)
    action = {
        "clip": None,
        "scale": listed(contract.action_scale, BREADTH),
        "offset": default,
        "joint_ids": None,
    }
    return {
        "joint_ids_map": [MOTORS.index(name) for name in BREADTH],
        "step_dt": contract.step_dt,
        "stiffness": listed(contract.joint_stiffness, MOTORS),
        "damping": listed(contract.joint_damping, MOTORS),
        "default_joint_pos": default,
        "actions": {"JointPositionAction": action},
        "observations": terms,
    }


def test_the_trot_comes_back_from_unitree_rl_lab_and_walks_with_the_same_targets(tmp_path: Path) -> None:
    foreign, path = export(tmp_path), tmp_path / "imported.onnx"
    write_imported(path, import_policy(foreign, load_robot("go2")))
    machine = Robot(TASK, path, 3, load_gap("none"))
    original = PolicyRuntime(TASK.policy_path, machine.robot, 3, TASK)
    worst = 0.0
    tick = machine.runtime.tick

    def both(*inputs):
        """The imported policy acts; the original one is asked for the same."""
        nonlocal worst
        command, record = tick(*inputs)
        difference = float(np.abs(original.tick(*inputs)[0].q - command.q).max())
        if machine.supervisor.mode is Mode.POLICY:
            worst = max(worst, difference)
        return command, record

    machine.runtime.tick = both
    reset = machine.runtime.reset
    machine.runtime.reset = lambda: (reset(), original.reset())
    # The phase begins before the policy does: while it stands, unitree_rl_lab's gait phase runs on.
    machine.announce(Phase(EVALUATE, 1_000_000_000, 9, False, False, 3.0, 6))
    errors = []
    for step in range(50 * 15):
        record, _ = machine.step()
        if step > 50 * 4:
            assert np.linalg.norm(record.command) >= TASK.stand_below
            errors.append(machine.plant.truth().lin_vel[0] - record.command[0])
    assert worst < 1e-5
    assert np.sqrt(np.mean(np.square(errors))) < 0.15  # the first step after each new command included
    assert machine.supervisor.mode is Mode.POLICY
    assert machine.supervisor.snapshot().overrides == 0


def test_the_usual_launch_line_fine_tunes_it_with_gains_and_a_critic_of_its_own(tmp_path: Path) -> None:
    path, run_dir = tmp_path / "imported.onnx", tmp_path / "run"
    softer = export(tmp_path, stiffness=[36.0] * 12)
    write_imported(path, import_policy(softer, load_robot("go2")))
    done = subprocess.run(
        ["ros2", "launch", "ros2_rl", "finetune.launch.py", f"policy:={path}", f"run_dir:={run_dir}",
         "minutes:=0.4", "episodes:=1"],
        capture_output=True, text=True, timeout=280, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert "The policy has no critic: the first 4 robot minutes go into fitting one" in done.stdout
    assert "The critic has seen" in done.stdout
    summary = json.loads((run_dir / "summary.json").read_text())
    assert summary["ended"] == "budget" and summary["lost_steps"] == 0
    assert summary["override_share"] < 0.5, "its gain set is not known to every node"
    assert OnnxPolicy(run_dir / "policy.onnx").contract.joint_stiffness == (36.0,) * 12
