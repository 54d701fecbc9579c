"""The launch files: what they begin, with which parameters, and when a launch counts as healthy."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
NODES = ("stack", "sim_bridge", "state_estimator", "policy_executor", "supervisor", "practice", "learner")
PROGRAM = """#!{python}
import os, sys, time
name = os.path.basename(sys.argv[0])
files = [word for word in sys.argv if word.startswith("/tmp") or word.endswith(".yaml")]
print("parameters", *[line.strip() for file in files for line in open(file)], flush=True)
open(os.path.join({folder!r}, name), "w").close()
if name == os.environ["FIRST"]:
    while len(os.listdir({folder!r})) < int(os.environ["COUNT"]):
        time.sleep(0.02)
    sys.exit(int(os.environ["STATUS"]))
try:
    time.sleep(60)
except KeyboardInterrupt:
    pass
"""


class Installed:
    """A prefix in which the package's programs are replaced by ones that only end."""

    def __init__(self, prefix: Path):
        self.prefix, self.begun = prefix, prefix / "begun"
        programs = prefix / "lib/ros2_rl"
        for folder in (programs, prefix / "share/ros2_rl", self.begun):
            folder.mkdir(parents=True)
        (prefix / "share/ros2_rl/package.xml").touch()
        for name in NODES:
            (programs / name).write_text(PROGRAM.format(python=sys.executable, folder=str(self.begun)))
            (programs / name).chmod(0o755)

    def launch(
        self, file: str, *words: str, first: str = "", status: int = 0, count: int = 2
    ) -> subprocess.CompletedProcess:
        """Launch; ``first`` ends with ``status`` once ``count`` programs have begun."""
        path = os.pathsep.join((str(REPOSITORY / "ros2_minimal"), str(REPOSITORY)))
        env = {"PYTHONPATH": path, "AMENT_PREFIX_PATH": str(self.prefix)}
        env |= {"FIRST": first, "STATUS": str(status), "COUNT": str(count)}
        code = "import sys; from ros2_minimal.cli import main; sys.exit(main())"
        command = [sys.executable, "-c", code, "launch", str(REPOSITORY / "launch" / file), *words]
        return subprocess.run(
            command, capture_output=True, text=True, timeout=60, env=os.environ | env, cwd=self.prefix
        )

    def names(self) -> set[str]:
        """Programs that have begun."""
        return {path.name for path in self.begun.iterdir()}


@pytest.fixture
def installed(tmp_path: Path) -> Installed:
    return Installed(tmp_path)


def test_a_run_whose_learner_ends_well_is_healthy(installed: Installed) -> None:
    done = installed.launch("finetune.launch.py", first="learner")
    assert done.returncode == 0, done.stdout
    assert installed.names() == {"stack", "learner"}


def test_the_exit_status_says_that_the_learner_failed(installed: Installed) -> None:
    done = installed.launch("finetune.launch.py", first="learner", status=1)
    assert done.returncode == 1
    assert "learner-2 ended with exit status 1" in done.stdout and "Traceback" not in done.stdout


@pytest.mark.parametrize("status", [0, 3])
def test_a_node_that_ends_early_is_named(installed: Installed, status: int) -> None:
    done = installed.launch("finetune.launch.py", first="stack", status=status)
    assert done.returncode == 1 and f"stack-1 ended with exit status {status}" in done.stdout


def test_in_real_time_every_node_is_a_process(installed: Installed) -> None:
    done = installed.launch("finetune.launch.py", "speed:=1", "composed:=false", first="learner", count=6)
    assert done.returncode == 0, done.stdout
    assert installed.names() == set(NODES) - {"stack"}


def test_the_simulator_alone_has_no_learner(installed: Installed) -> None:
    done = installed.launch("sim.launch.py", "composed:=false", first="practice", count=5)
    assert done.returncode == 1 and "practice-5" in done.stdout
    assert installed.names() == set(NODES) - {"stack", "learner"}


def test_arguments_reach_the_nodes(installed: Installed) -> None:
    done = installed.launch(
        "finetune.launch.py", "minutes:=5", "seed:=7", "namespace:=lab", "gap:=none", first="learner"
    )
    (line,) = (line for line in done.stdout.splitlines() if line.startswith("[learner-2] parameters"))
    assert "/lab/learner:" in line and "minutes: 5.0" in line and "seed: 7" in line and "gap: none" in line


@pytest.mark.parametrize("word", ["task:=hop", "tsk:=trot", "minutes:=never", "policy:=nowhere.onnx"])
def test_a_mistake_is_one_sentence_and_begins_nothing(installed: Installed, word: str) -> None:
    done = installed.launch("finetune.launch.py", word)
    assert done.returncode == 1 and installed.names() == set()
    assert len(done.stderr.splitlines()) == 1 and done.stderr.strip().endswith(".")
    assert "Traceback" not in done.stdout + done.stderr
    assert not (installed.prefix / "runs").exists()
