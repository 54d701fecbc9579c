"""The rehearsal as a user runs it: every node, and Unitree's protocol between driver and robot."""

import signal
import subprocess
import threading

from ros2_rl.domain import lease_domain

PATIENCE_S = 400.0
STARVED = ("no state for", "of states are missing", "of the states are lost", "the robot's newest state")
"""What the stack says where the machine has too little time for a robot that does not wait."""


def test_fine_tuning_begins_behind_the_driver(tmp_path):
    """Up to the first step under the policy.

    Nothing waits for anybody here, so a machine that has much else to do may not get as far: it must then
    say that it was too slow, and nothing else may have gone wrong.
    """
    with lease_domain() as wire:
        words = ("hardware:=go2_sim", f"domain:={wire}", "speed:=0.25", f"run_dir:={tmp_path / 'run'}")
        process = subprocess.Popen(
            ["ros2", "launch", "ros2_rl", "finetune.launch.py", *words],
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True,
        )  # fmt: skip
        enough = threading.Timer(PATIENCE_S, lambda: process.send_signal(signal.SIGINT))
        enough.start()
        said, begun = "", False
        for line in process.stdout:
            said += line
            if "POLICY at" in line and not begun:
                begun = True
                process.send_signal(signal.SIGINT)
        process.wait(timeout=60)
        enough.cancel()
    assert "has let go of the legs" in said and "FOLLOWING: joint_commands" in said, said
    assert "The run is kept in" in said and "Traceback" not in said, said
    assert begun or any(words in said for words in STARVED), said
