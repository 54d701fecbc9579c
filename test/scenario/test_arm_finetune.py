"""An arm that learns to reach with a scripted person's help: in one process, and through the launch file."""

import json
import subprocess
from pathlib import Path

import pytest

from ros2_rl.learning.arm_tuning import ArmTuning
from ros2_rl.learning.config import load_arm_learner
from ros2_rl.manipulation.arm_base import ArmBase
from ros2_rl.manipulation.demos import DemoWriter, load_demos
from ros2_rl.manipulation.operator import Character, ScriptedOperator
from ros2_rl.manipulation.practice import PracticeConfig
from ros2_rl.manipulation.task import load_arm_task
from ros2_rl.recording.reader import Bag
from ros2_rl.sim.arm_loop import ArmCell
from ros2_rl.sim.arm_session import demonstrate, practise

SMALL = {"actor_hidden": (32, 32), "critic_hidden": (32, 32), "critics": 2, "batch": 64, "utd": 1.0}


def test_a_session_from_demonstrations_learns_with_every_step_labelled(tmp_path: Path):
    shower = ArmCell("reach", seed=12)
    operator = ScriptedOperator(shower.task, 12, Character(always=True))
    demonstrate(shower, operator, DemoWriter(tmp_path, shower.task), 2)
    cell, told = ArmCell("reach", seed=11), []
    config = load_arm_learner("rlpd", **SMALL, clone_steps=0)
    tuning = ArmTuning(PracticeConfig(0.5, 1, 1), config, cell.task, tmp_path, seed=11)
    shown = len(load_demos(tmp_path, cell.task))
    practise(cell, tuning, 11, ScriptedOperator(cell.task, 11), told.append)
    assert [t.kind for t in told if t.kind != "progress"] == ["zero_shot", "final"]
    assert tuning.practice.robot_minutes >= 0.5 and tuning.practice.lost == 0
    counts = tuning.learner.online.counts()
    assert counts["human"] == len(tuning.learner.shown) - shown > 0
    assert counts["policy"] > 0 and tuning.learner.sac.steps > 50
    assert tuning.learner.online.tensors()["action"].abs().max() <= 1.0 + 1e-6
    assert told[-2].values["success"] > 0.5 > told[0].values["success"]


@pytest.mark.timeout(600)
def test_the_launch_file_runs_a_session_with_a_scripted_person(tmp_path: Path):
    run_dir = tmp_path / "run"
    words = (
        "robot:=arm", "task:=reach", "learner:=rlpd", "operator:=scripted", "minutes:=0.2", "episodes:=1",
        "record:=true", f"run_dir:={run_dir}",
    )  # fmt: skip
    launch = Path(__file__).resolve().parents[2] / "launch/finetune.launch.py"
    done = subprocess.run(
        ["ros2", "launch", str(launch), *words], capture_output=True, text=True, timeout=560, cwd=tmp_path
    )
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-2000:]
    summary = json.loads((run_dir / "summary.json").read_text())
    assert summary["ended"] == "budget" and summary["lost_steps"] == 0
    assert summary["zero_shot_trials"] == summary["final_trials"] == 1
    assert summary["robot_minutes"] >= 0.2 and summary["intervention_rate"] > 0.0
    assert summary["version"] == summary["episode"] + 3  # one for each episode, and those before and after
    for name in (
        "policy.safetensors",
        "policy.onnx",
        "shown.safetensors",
        "online.safetensors",
        "curve.json",
    ):
        assert (run_dir / name).is_file()
    ArmBase(run_dir / "policy.onnx", load_arm_task("reach"))  # a later run may begin with it
    bag = Bag(run_dir / "bag")
    assert not bag.damage and json.loads(bag.notes["recorder"]["lost_by_topic"]) == {}
    # The arm's world goes on while the record is closed: it may end between two topics of one state.
    assert abs(bag.counts["/joint_states"] - bag.counts["/scene/goal"]) <= 1
    assert bag.counts["/joint_states"] > 1000
    assert bag.counts["/policy/adapter"] == summary["version"] and bag.counts["/task/episode"] > 3
