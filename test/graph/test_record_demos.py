"""The arm's whole graph in lockstep: the scripted operator shows a task until it has been shown enough."""

import signal
from pathlib import Path

import numpy as np
from node_rig import NodeRig, spawn

from ros2_rl.manipulation.demos import load_demos
from ros2_rl.manipulation.task import load_arm_task

PATIENCE_S = 120.0


def settings(**values: str) -> list[str]:
    return [part for name, value in values.items() for part in ("-p", f"{name}:={value}")]


def test_the_operator_shows_a_task_and_the_executor_ends_when_there_is_enough(tmp_path: Path):
    awaited = "[joint_commands,policy/targets]"
    others = [
        spawn("supervisor", *settings(robot="arm", lockstep="true", lockstep_timeout_s="60.0")),
        spawn("operator", *settings(task="reach", always="true")),
        spawn(
            "sim_bridge",
            *settings(robot="arm", task="reach", lockstep="true", lockstep_timeout_s="60.0"),
            *settings(state_rate_hz="100.0", wait_for_topics=awaited),
        ),
    ]
    folder = tmp_path / "demos"
    rig = NodeRig("arm_executor", *settings(task="reach", lockstep="true", demos="1", demos_dir=str(folder)))
    try:
        rig.process.wait(PATIENCE_S)
    finally:
        code, err = rig.close()
        for process in others:
            process.send_signal(signal.SIGINT)
        ended = [(process.communicate(timeout=30.0)[1], process.returncode) for process in others]
    assert code == 0, err
    assert [status for _, status in ended] == [0, 0, 0], ended
    demos = load_demos(folder, load_arm_task("reach"))
    assert demos.rewards[-1] == 1.0 and demos.terminals[-1]
    assert np.abs(demos.actions).max() <= 1.0 + 1e-6 and "human" in demos.labels
