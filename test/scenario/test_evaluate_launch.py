"""``evaluate.launch.py`` as a user starts it."""

import json
import signal
import subprocess

from policy_rig import write_random


def test_a_policy_that_only_stands_does_not_pass(tmp_path):
    policy = write_random(tmp_path / "random.onnx")
    command = ["ros2", "launch", "ros2_rl", "evaluate.launch.py", "exam:=quick", "gap:=none"]
    command += [f"policy:={policy}", f"run_dir:={tmp_path / 'exam'}"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=280, check=False)
    assert done.returncode == 1 and "has not passed: tracking error" in done.stdout, done.stdout + done.stderr
    exam = json.loads((tmp_path / "exam" / "exam.json").read_text())
    assert exam["passed"] is False and exam["base"]["figures"]["grid/lost"] == 0
    assert exam["policy"]["figures"]["grid/error_v"] > 0.3 > exam["base"]["figures"]["grid/error_v"]
    film = tmp_path / "exam" / "worst.mp4"
    assert exam["video"].startswith("worst.mp4: " if film.is_file() else "no film: "), exam["video"]
    if film.is_file():
        assert film.read_bytes()[4:8] == b"ftyp" and film.stat().st_size > 2000


def test_an_exam_can_be_broken_off(tmp_path):
    arguments = ["--ros-args", "-p", "exam:=quick", "-p", f"run_dir:={tmp_path}"]
    command = ["ros2", "run", "ros2_rl", "examiner", *arguments]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert any(line.startswith("1/8") for line in process.stdout)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=100)
    assert process.returncode == 0 and "Traceback" not in errors, errors
    assert not (tmp_path / "exam.json").exists()
