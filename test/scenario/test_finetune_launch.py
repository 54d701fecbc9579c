"""The launch file as a user runs it: real processes, real DDS, lockstep."""

import json
import signal
import subprocess
import time

import numpy as np
import pytest

from ros2_rl.policy.onnx_policy import OnnxPolicy
from ros2_rl.policy.runtime import PolicyRuntime
from ros2_rl.robots import load_robot
from ros2_rl.tasks import load_task

FIGURES = {
    "pretrained_return", "zero_shot_return", "final_return", "recovered_fraction", "robot_steps",
    "robot_minutes", "wall_seconds", "real_time_factor", "falls", "override_share", "adapter_version",
    "missed_ticks", "state_to_command_ms", "seed", "gap",
}  # fmt: skip


def begin(*arguments: str) -> subprocess.Popen:
    return subprocess.Popen(
        ["ros2", "launch", "ros2_rl", "finetune.launch.py", *arguments],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True,
    )  # fmt: skip


def test_a_run_leaves_everything_behind(tmp_path):
    run_dir = tmp_path / "run"
    process = begin("minutes:=0.4", "episodes:=1", f"run_dir:={run_dir}")
    output, _ = process.communicate(timeout=280)
    assert process.returncode == 0, output
    summary = json.loads((run_dir / "summary.json").read_text())
    assert set(summary) >= FIGURES
    assert summary["ended"] == "budget"
    assert summary["lost_steps"] == 0
    assert summary["zero_shot_return"] < summary["pretrained_return"]
    for name in ("adapter.safetensors", "curves.png"):
        assert (run_dir / name).stat().st_size > 1000
    assert list((run_dir / "tensorboard").iterdir())
    assert list((run_dir / "checkpoints").iterdir())
    merged = OnnxPolicy(run_dir / "policy.onnx")
    PolicyRuntime(run_dir / "policy.onnx", load_robot("go2"), 0, load_task("trot"))
    obs = np.random.default_rng(0).normal(size=(1, merged.input_width)).astype(np.float32)
    # The actor has not learned yet (the critic warms up), so B = 0: the base, bit for bit.
    assert np.array_equal(merged(obs), OnnxPolicy(load_task("trot").policy_path)(obs))
    assert "recovered" in output and "real time" in output


def test_a_jump_is_fine_tuned_through_the_whole_graph(tmp_path):
    run_dir = tmp_path / "run"
    process = begin("task:=jump", "gap:=laden", "minutes:=0.2", "episodes:=1", f"run_dir:={run_dir}")
    output, _ = process.communicate(timeout=560)
    assert process.returncode == 0, output
    summary = json.loads((run_dir / "summary.json").read_text())
    assert (summary["ended"], summary["lost_steps"], summary["falls"]) == ("budget", 0, 0)
    assert summary["zero_shot_return"] < 0.8 * summary["pretrained_return"]
    assert PolicyRuntime(run_dir / "policy.onnx", load_robot("go2"), 0, load_task("jump")).base


def test_the_off_policy_learner_takes_the_same_way(tmp_path):
    run_dir = tmp_path / "run"
    process = begin("learner:=offpolicy", "minutes:=0.1", "episodes:=1", f"run_dir:={run_dir}")
    output, _ = process.communicate(timeout=280)
    assert process.returncode == 0, output
    summary = json.loads((run_dir / "summary.json").read_text())
    assert (summary["ended"], summary["lost_steps"]) == ("budget", 0)
    assert summary["adapter_version"] >= 3 and "refused" not in output
    assert (run_dir / "replay.safetensors").stat().st_size > 100_000
    PolicyRuntime(run_dir / "policy.onnx", load_robot("go2"), 0, load_task("trot"))


def test_ctrl_c_damps_the_robot_and_ends_everything(tmp_path):
    run_dir = tmp_path / "run"
    process = begin("minutes:=75", f"run_dir:={run_dir}")
    lines = []
    for line in process.stdout:
        lines.append(line)
        if "POLICY at" in line:
            break
    time.sleep(1.0)
    process.send_signal(signal.SIGINT)
    rest, _ = process.communicate(timeout=60)
    assert "DAMPING" in rest, rest
    assert "Traceback" not in rest, rest
    assert json.loads((run_dir / "summary.json").read_text())["ended"] == "interrupted"
    assert (run_dir / "policy.onnx").is_file()


@pytest.mark.parametrize(
    ("argument", "words"),
    [
        ("task:=gallop", "no task 'gallop'"),
        ("gap:=canyon", "no gap 'canyon'"),
        ("robot:=spot", "no robot 'spot'"),
        ("learner:=magic", "no learner 'magic'"),
        ("minutes:=many", "minutes"),
        ("policy:=nowhere.onnx", "nowhere.onnx"),
        ("colour:=red", "colour"),
    ],
)
def test_a_wrong_argument_is_one_sentence(tmp_path, argument, words):
    process = begin(argument, f"run_dir:={tmp_path / 'run'}")
    output, _ = process.communicate(timeout=60)
    assert process.returncode != 0
    assert words in output
    assert "Traceback" not in output
    assert not (tmp_path / "run" / "summary.json").exists()
