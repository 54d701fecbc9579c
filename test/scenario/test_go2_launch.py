"""The rehearsal as a user runs it: every node, Unitree's protocol between driver and robot."""

import signal
import subprocess
import time

from ros2_rl.domain import lease_domain

PATIENCE_S = 240.0


def test_the_whole_stack_stands_and_walks_behind_the_driver(tmp_path):
    with lease_domain() as wire:
        # Slow enough for a machine that has much else to do: what is late by robot time damps the robot.
        words = ("hardware:=go2_sim", f"domain:={wire}", "speed:=0.2", f"run_dir:={tmp_path / 'run'}")
        process = subprocess.Popen(
            ["ros2", "launch", "ros2_rl", "sim.launch.py", *words],
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True,
        )  # fmt: skip
        lines, end = [], time.monotonic() + PATIENCE_S
        for line in process.stdout:
            lines.append(line)
            if "POLICY at" in line or time.monotonic() > end:
                break
        time.sleep(2.0)
        process.send_signal(signal.SIGINT)
        rest, _ = process.communicate(timeout=60)
    said = "".join(lines) + rest
    assert process.returncode == 0, said
    assert "has let go of the legs" in said and "FOLLOWING: joint_commands" in said, said
    assert "POLICY at" in said and "shutting down" in rest and "Traceback" not in said, said
