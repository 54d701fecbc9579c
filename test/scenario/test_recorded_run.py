"""A run that is recorded as a user does it: complete, and all of it can be repeated from the record."""

import signal
import subprocess
import time

from ros2_rl.recording.reader import Bag
from ros2_rl.recording.replay_estimator import replay_estimator
from ros2_rl.recording.replay_executor import replay_executor
from ros2_rl.recording.replay_learner import replay_learner
from ros2_rl.recording.report import main as report_main

NODES = ("sim_bridge", "state_estimator", "policy_executor", "supervisor", "practice", "learner")


def launch(file: str, *arguments: str) -> subprocess.CompletedProcess:
    command = ["ros2", "launch", "ros2_rl", file, *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=250, check=False)


def test_a_recorded_run_can_be_repeated_from_its_record(tmp_path):
    run = tmp_path / "run"
    done = launch("finetune.launch.py", "minutes:=0.2", "episodes:=1", "record:=true", f"run_dir:={run}")
    assert done.returncode == 0, done.stdout
    bag = Bag(run)
    assert bag.damage == "" and bag.notes["recorder"]["lost"] == "0"
    assert {f"parameters/{name}" for name in NODES} <= set(bag.notes)
    assert bag.notes["arguments"]["seed"] == bag.notes["parameters/learner"]["seed"] == "1"
    assert all(c.identical and len(c.recorded) > 1000 for c in replay_estimator(bag))
    assert all(c.identical and len(c.recorded) > 1000 for c in replay_executor(bag))
    learned = replay_learner(bag)
    assert len(learned.recorded) >= 3 and all(c.identical for c in learned.comparisons())
    assert report_main([str(run)]) == 0 and "Learning" in (run / "report.html").read_text()


def test_a_recorded_walk_can_be_played_to_the_nodes_themselves(tmp_path):
    walk = ["ros2", "launch", "ros2_rl", "sim.launch.py", "speed:=0", "record:=true", f"run_dir:={tmp_path}"]
    process = subprocess.Popen(walk, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    assert process.stdout is not None
    lines = []
    for line in process.stdout:
        lines.append(line)
        if "POLICY at" in line:
            break
    time.sleep(1.0)
    process.send_signal(signal.SIGINT)
    rest, _ = process.communicate(timeout=60)
    assert process.returncode == 0, "".join(lines) + rest
    for feed, quantity in (("estimator", "lin_vel"), ("executor", "targets")):
        done = launch("replay.launch.py", f"run:={tmp_path}", f"feed:={feed}")
        assert done.returncode == 0, done.stdout + done.stderr
        (line,) = (line for line in done.stdout.splitlines() if f"{quantity}: " in line)
        count, of = line.split(f"{quantity}: ")[1].split(" equal")[0].split(" of ")
        assert count == of and int(count) > 100, done.stdout
        assert (tmp_path / "replay" / f"replay-{feed}.png").is_file()


def test_a_replay_of_nothing_is_one_sentence(tmp_path):
    done = launch("replay.launch.py", f"run:={tmp_path}")
    assert done.returncode == 1 and "holds no record" in done.stderr
    assert "Traceback" not in done.stdout + done.stderr
