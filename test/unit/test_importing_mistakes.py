"""Whatever is wrong with a foreign policy or its configuration is one sentence, and nothing is written."""

import re
from pathlib import Path

import pytest
import torch
from importing_rig import (
    BREADTH,
    MOTORS,
    Exported,
    deploy_config,
    mjlab_metadata,
    rl_sar_config,
    save_onnx,
    save_script,
    save_yaml,
    write_rl_sar,
)
from policy_rig import ROBOT
from torch import nn

from ros2_rl.errors import Ros2RlError
from ros2_rl.importing import import_policy
from ros2_rl.importing.cli import main
from ros2_rl.importing.fields import Fields
from ros2_rl.importing.python_config import read_classes

LEGGED = """
class Robot:
    class init_state:
        default_joint_angles = {"hip": 0.0, "thigh": 0.9, "calf": -1.8}
    class control:
        stiffness = {"joint": 20.0}
        damping = {"joint": 0.5}
        action_scale = 0.25
"""


def refused(policy: Path, sentence: str, **options: object) -> None:
    with pytest.raises(Ros2RlError, match=sentence) as caught:
        import_policy(policy, ROBOT, **options)
    text = str(caught.value)
    assert text.endswith((".", "?")) and "\n" not in text, text


def checkpoint(folder: Path, network: Exported, **more: torch.Tensor) -> Path:
    state = {f"actor.{k}": v for k, v in network.actor.state_dict().items()} | more
    torch.save({"model_state_dict": state}, folder / "model.pt")
    return folder / "model.pt"


def legged(folder: Path, text: str = LEGGED) -> Path:
    (folder / "config.py").write_text(text)
    return folder / "config.py"


# ----------------------------------------------------------------------------- files


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"", "policy.pt is no policy: neither .* is it whole"),
        (b"hello", "is no policy: neither"),
        (b"PK\x03\x04 and then nothing", "checkpoint policy.pt is damaged"),
        (b"\x80\x02 no pickle", "checkpoint policy.pt is damaged"),
        (b"version https://git-lfs.github.com/spec/v1\n", "pointer of Git LFS.*git lfs pull"),
    ],
)
def test_a_file_that_is_no_policy_is_named(tmp_path: Path, content: bytes, sentence: str) -> None:
    (tmp_path / "policy.pt").write_bytes(content)
    refused(tmp_path / "policy.pt", sentence)


def test_a_missing_file_a_missing_configuration(tmp_path: Path) -> None:
    refused(tmp_path / "none.pt", "none.pt cannot be read .No such file")
    path = save_onnx(Exported(45), tmp_path / "policy.onnx")
    refused(path, "no contract in policy.onnx and no configuration beside it; name it with --config")
    refused(path, "configuration .*none.yaml cannot be read", config=tmp_path / "none.yaml")


def test_a_file_cut_short_is_damaged(tmp_path: Path) -> None:
    legged(tmp_path)
    for path in (
        checkpoint(tmp_path, Exported(45)),
        save_script(Exported(45), tmp_path / "script.pt"),
        save_onnx(Exported(45), tmp_path / "policy.onnx"),
    ):
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
        refused(path, "damaged|no policy", config=tmp_path / "config.py")


def test_a_checkpoint_that_would_run_code_is_not_loaded(tmp_path: Path) -> None:
    class Bomb:
        def __reduce__(self) -> tuple:
            return (Path.touch, (tmp_path / "boom",))

    torch.save({"model_state_dict": Bomb()}, tmp_path / "model.pt")
    refused(tmp_path / "model.pt", "damaged or holds more than weights")
    assert not (tmp_path / "boom").exists()


def test_an_actor_that_is_not_a_plain_perceptron_says_what_is_beside_it(tmp_path: Path) -> None:
    path = checkpoint(tmp_path, Exported(45), **{"estimator.0.weight": torch.zeros(3, 45)})
    refused(path, "has estimator beside a plain actor.*export the policy as TorchScript")
    torch.save({"weights": 1}, tmp_path / "model.pt")
    refused(tmp_path / "model.pt", "has no actor .actor.0.weight.")
    torch.save([1, 2], tmp_path / "model.pt")
    refused(tmp_path / "model.pt", "holds a list")
    path = checkpoint(tmp_path, Exported(45, activation=nn.SELU))
    refused(path, "no activation 'selu'; use elu, relu, tanh", config=legged(tmp_path), activation="selu")


class Remembering(nn.Module):
    """As Isaac Lab exports a recurrent actor."""

    def __init__(self) -> None:
        super().__init__()
        self.rnn, self.actor = nn.GRU(45, 8), nn.Linear(8, 12)
        self.register_buffer("hidden_state", torch.zeros(1, 1, 8))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y, h = self.rnn(x.unsqueeze(0), self.hidden_state)
        self.hidden_state[:] = h
        return self.actor(y.squeeze(0))


def test_a_network_with_a_memory_is_refused(tmp_path: Path) -> None:
    write_rl_sar(tmp_path, rl_sar_config())
    path = save_script(Remembering(), tmp_path / "test" / "policy.pt")
    refused(path, "has a memory|cannot be written as ONNX")


def test_a_network_of_another_width_belongs_to_another_configuration(tmp_path: Path) -> None:
    write_rl_sar(tmp_path, rl_sar_config())
    for name, save in (("policy.pt", save_script), ("policy.onnx", save_onnx)):
        path = save(Exported(48), tmp_path / "test" / name)
        refused(path, "does not take the 45 numbers that its configuration describes; do the two belong")
    refused(checkpoint(tmp_path, Exported(50)), "neither 45 nor 48.*--observations", config=legged(tmp_path))


# ------------------------------------------------------------------------ legged_gym


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (("class control", "class motors"), "lacks control.action_scale|lacks control.stiffness"),
        (("action_scale = 0.25", "action_scale = SCALE / 2"), "computes control.action_scale as 'SCALE / 2'"),
        (
            ("action_scale = 0.25", "action_scale = 'much'"),
            "'much' in control.action_scale; it must be a number",
        ),
        (('"joint": 20.0', '"wheel": 20.0'), "says nothing in control.stiffness of FL_hip_joint"),
        (('"joint": 20.0', '"joint": 400.0'), "joint_stiffness 400 at FL_hip_joint, but go2 takes"),
        (("damping =", "control_type = 'T'\n        damping ="), "controls speeds or torques"),
        (("class Robot:", "class Robot"), "is not Python .line 2."),
    ],
)
def test_a_wrong_setting_of_legged_gym_is_named(
    tmp_path: Path, change: tuple[str, str], sentence: str
) -> None:
    refused(checkpoint(tmp_path, Exported(45)), sentence, config=legged(tmp_path, LEGGED.replace(*change)))


def test_a_file_with_two_robots_or_none_is_refused() -> None:
    for text, found in ((LEGGED + LEGGED.replace("Robot", "Other"), "Robot, Other"), ("x = 1", "no robot")):
        with pytest.raises(Ros2RlError, match=f"configures {found}; one class"):
            read_classes(text, "config.py")


def test_a_class_takes_over_what_its_base_in_the_same_file_says() -> None:
    text = LEGGED + "class Faster(Robot):\n    class control(Robot.control):\n        decimation = 2\n"
    fields = Fields("config.py", read_classes(text, "config.py"))
    assert (fields.number("control.decimation"), fields.number("control.action_scale")) == (2.0, 0.25)
    assert fields.number("normalization.obs_scales.dof_vel") == 0.05


@pytest.mark.parametrize(
    ("joints", "sentence"),
    [
        (ROBOT.joints[:-1], "nothing is too much, RR_calf_joint missing"),
        ((*ROBOT.joints[:-1], "FL_hip_joint"), "FL_hip_joint is too much, RR_calf_joint missing"),
        ((*ROBOT.joints, "tail_joint"), "tail_joint is too much, nothing missing"),
    ],
)
def test_a_list_of_joints_names_each_once(tmp_path: Path, joints: tuple[str, ...], sentence: str) -> None:
    refused(checkpoint(tmp_path, Exported(45)), sentence, config=legged(tmp_path), joints=joints)


def test_an_unknown_observation_is_refused(tmp_path: Path) -> None:
    path = checkpoint(tmp_path, Exported(45))
    refused(
        path,
        "shows no moon_phase; --observations may name base_lin_vel",
        config=legged(tmp_path),
        observations=("moon_phase",),
    )


# ---------------------------------------------------------------------------- rl_sar


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"rl_kp": [40.0] * 11}, "in rl_kp; it must be a list of 12 numbers"),
        ({"rl_kd": None}, "config.yaml lacks rl_kd"),
        ({"joint_mapping": [0] * 12}, "joint_mapping that does not name each of the 12 joints once"),
        (
            {"observations": ["dof_pos", "moon"]},
            "observation moon, which cannot be built here; known",
        ),
        ({"observations": "dof_pos"}, "it must be a list of words"),
        ({"observations_history": [0, 2, 4]}, "looks back to the frames .0, 2, 4."),
        (
            {"observations_history": [0, 1], "observations_history_priority": "size"},
            "'size' in observations",
        ),
        ({"observations_history": [0.5]}, "it must be a list of whole numbers"),
        ({"wheel_indices": [3]}, "has wheel_indices"),
        ({"clip_actions_lower": [-1.0] * 11 + [-2.0]}, "clips actions by other bounds at each joint"),
        ({"default_dof_pos": [0.8, -1.5, 0.1] * 4}, "rad, but on go2 it moves from .*mend the order"),
        ({"action_scale": [float("nan")] * 12}, "it must be a list of 12 numbers"),
    ],
)
def test_a_wrong_setting_of_rl_sar_is_named(tmp_path: Path, changes: dict, sentence: str) -> None:
    write_rl_sar(tmp_path, rl_sar_config(**changes))
    refused(save_onnx(Exported(45), tmp_path / "test" / "policy.onnx"), sentence)


def test_rl_sar_needs_its_base_file(tmp_path: Path) -> None:
    write_rl_sar(tmp_path, rl_sar_config())
    (tmp_path / "base.yaml").unlink()
    refused(save_onnx(Exported(45), tmp_path / "test" / "policy.onnx"), "lacks joint_names.*base.yaml")


# -------------------------------------------------------------------- unitree_rl_lab


def without(config: dict, *path: str) -> dict:
    below = config
    for key in path[:-1]:
        below = below[key]
    del below[path[-1]]
    return config


@pytest.mark.parametrize(
    ("config", "sentence"),
    [
        (deploy_config() | {"joint_ids_map": list(range(29))}, "does not name each of the 12 motors once"),
        (
            deploy_config() | {"actions": {"JointVelocityAction": {}}},
            "actions JointVelocityAction; only",
        ),
        (
            without(deploy_config(), "actions", "JointPositionAction", "scale"),
            "Action lacks scale",
        ),
        (deploy_config() | {"observations": {}}, "observations|keys"),
        (deploy_config() | {"observations": {"height_scan": {"scale": [1.0]}}}, "observation height_scan"),
        (
            deploy_config() | {"observations": dict.fromkeys("ab", deploy_config()["observations"])},
            "groups a, b",
        ),
        (without(deploy_config(), "step_dt"), "deploy.yaml lacks step_dt"),
        (deploy_config() | {"stiffness": 400.0}, "joint_stiffness 400"),
        (deploy_config({"last_action": 0}), "term_history"),
    ],
)
def test_a_wrong_setting_of_unitree_rl_lab_is_named(tmp_path: Path, config: dict, sentence: str) -> None:
    save_yaml(config, tmp_path / "deploy.yaml")
    refused(save_onnx(Exported(45), tmp_path / "policy.onnx"), sentence)


def test_a_configuration_that_knows_its_order_takes_none(tmp_path: Path) -> None:
    save_yaml(deploy_config(), tmp_path / "deploy.yaml")
    path = save_onnx(Exported(45), tmp_path / "policy.onnx")
    refused(path, "leave --joints and --observations out", joints=tuple(BREADTH))


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("a: 1", "is no configuration of a policy that is known here"),
        ("[1, 2", "is not YAML"),
        ("", "holds no settings"),
        ("- 1", "holds no settings"),
    ],
)
def test_a_configuration_of_nobody_is_refused(tmp_path: Path, text: str, sentence: str) -> None:
    (tmp_path / "config.yaml").write_text(text)
    refused(save_onnx(Exported(45), tmp_path / "policy.onnx"), sentence)


# ----------------------------------------------------------------------------- mjlab


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"observation_names": "joint_pos,height_scan"}, "policy.onnx wants the observation height_scan"),
        ({"joint_stiffness": "25.0"}, "1 values in joint_stiffness for 12 joints"),
        (
            {"joint_names": ",".join(f"g1_{name}" for name in MOTORS)},
            "moves g1_FR_hip_joint, .*which go2 does not have",
        ),
        ({"joint_names": ",".join(sorted(MOTORS, key=lambda n: n[3:]))}, "mend the order of joint_names"),
        ({"action_scale": "wide"}, "'wide' in action_scale"),
    ],
)
def test_a_wrong_contract_of_mjlab_is_named(tmp_path: Path, changes: dict[str, str], sentence: str) -> None:
    refused(save_onnx(Exported(48), tmp_path / "policy.onnx", mjlab_metadata(**changes)), sentence)


# ------------------------------------------------------------------------------- cli


def test_the_command_writes_the_policy_and_says_what_it_understood(tmp_path: Path, capsys) -> None:
    path = save_onnx(Exported(48), tmp_path / "policy.onnx", mjlab_metadata())
    assert main([str(path)]) == 0
    assert (tmp_path / "policy_imported.onnx").is_file()
    out = capsys.readouterr().out
    assert "mjlab" in out and re.search(r"FR_calf_joint +35.5 +0.5 +-1.8 +0.25", out)


def test_the_command_says_one_sentence_and_writes_nothing(tmp_path: Path, capsys) -> None:
    path = save_onnx(Exported(47), tmp_path / "policy.onnx", mjlab_metadata())
    before = sorted(tmp_path.iterdir())
    assert main([str(path), "--output", str(tmp_path / "out.onnx")]) == 1
    assert main([str(path), "--robot", "spot"]) == 1
    good = save_onnx(Exported(48), tmp_path / "policy.onnx", mjlab_metadata())
    assert main([str(good), "--output", str(tmp_path / "none" / "out.onnx")]) == 1
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 3
    assert "does not take the 48 numbers" in lines[0] and "no robot 'spot'" in lines[1]
    assert "cannot be written (No such file" in lines[2]
    assert sorted(tmp_path.iterdir()) == before
