"""The launch files: what they begin, with which parameters, and when a launch counts as healthy."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
NODES = (
    "stack",
    "sim_bridge",
    "state_estimator",
    "policy_executor",
    "supervisor",
    "practice",
    "learner",
    "recorder",
    "go2_sim",
    "go2_driver",
    "health_monitor",
)
GO2 = {"go2_sim", "go2_driver"}
PROGRAM = """#!{python}
import os, sys, time
name = os.path.basename(sys.argv[0])
files = [word for word in sys.argv if word.startswith("/tmp") or word.endswith(".yaml")]
print("parameters", *[line.strip() for file in files for line in open(file)], flush=True)
try:
    open(os.path.join({folder!r}, name), "w").close()
    if name == os.environ["FIRST"]:
        while len(os.listdir({folder!r})) < int(os.environ["COUNT"]):
            time.sleep(0.02)
        sys.exit(int(os.environ["STATUS"]))
    time.sleep(60)
except KeyboardInterrupt:
    sys.exit(int(os.environ["AFTERWARDS"]) if name == "stack" else 0)
"""


class Installed:
    """A prefix in which the package's programs are replaced by ones that only end."""

    def __init__(self, prefix: Path):
        self.prefix, self.begun = prefix, prefix / "begun"
        self.launchers: list[subprocess.Popen] = []
        programs = prefix / "lib/ros2_rl"
        index = prefix / "share/ament_index/resource_index/packages"
        for folder in (programs, index, self.begun):
            folder.mkdir(parents=True)
        (index / "ros2_rl").touch()
        for name in NODES:
            (programs / name).write_text(PROGRAM.format(python=sys.executable, folder=str(self.begun)))
            (programs / name).chmod(0o755)

    def launch(
        self, file: str, *words: str, interrupt: bool = False, **more: object
    ) -> subprocess.CompletedProcess:
        """Launch and wait for the end; ``interrupt`` sends Ctrl-C's signal once two programs have begun."""
        launcher = self.begin(REPOSITORY / "launch" / file, *words, **more)
        while interrupt and len(self.names()) < 2 and launcher.poll() is None:
            time.sleep(0.02)
        if interrupt:
            launcher.send_signal(signal.SIGINT)
        out, err = launcher.communicate(timeout=60)
        return subprocess.CompletedProcess(launcher.args, launcher.returncode, out, err)

    def begin(
        self, file: Path, *words: str, first: str = "", status: int = 0, count: int = 2, afterwards: int = 0
    ) -> subprocess.Popen:
        """Launch; ``first`` ends with ``status`` once ``count`` programs have begun.

        ``afterwards`` is the status of ``stack`` when it is interrupted.
        """
        path = os.pathsep.join((str(REPOSITORY / "ros2_minimal"), str(REPOSITORY)))
        env = {"PYTHONPATH": path, "AMENT_PREFIX_PATH": str(self.prefix)}
        env |= {"FIRST": first, "STATUS": str(status), "COUNT": str(count), "AFTERWARDS": str(afterwards)}
        code = "import sys; from ros2_minimal.cli import main; sys.exit(main())"
        command = [sys.executable, "-c", code, "launch", str(file), *words]
        launcher = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            text=True, env=os.environ | env, cwd=self.prefix,
        )  # fmt: skip
        self.launchers.append(launcher)
        return launcher

    def clear(self) -> None:
        """End what a failed test has left running."""
        for launcher in self.launchers:
            if launcher.poll() is None:
                launcher.kill()
                launcher.communicate()

    def names(self) -> set[str]:
        """Programs that have begun."""
        return {path.name for path in self.begun.iterdir()}


@pytest.fixture
def installed(tmp_path: Path) -> Iterator[Installed]:
    prefix = Installed(tmp_path)
    yield prefix
    prefix.clear()


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


def test_a_node_that_fails_while_the_launch_ends_is_named(installed: Installed) -> None:
    done = installed.launch("finetune.launch.py", first="learner", afterwards=3)
    assert done.returncode == 1 and "stack-1 ended with exit status 3 while" in done.stdout


@pytest.mark.parametrize(("afterwards", "status"), [(0, 0), (3, 1)])
def test_ctrl_c_reaches_every_node(installed: Installed, afterwards: int, status: int) -> None:
    done = installed.launch("finetune.launch.py", interrupt=True, afterwards=afterwards)
    assert done.returncode == status, done.stdout
    assert done.stdout.count("process has finished cleanly") == 2 - (afterwards != 0)


def test_in_real_time_every_node_is_a_process(installed: Installed) -> None:
    done = installed.launch("finetune.launch.py", "speed:=1", "composed:=false", first="learner", count=7)
    assert done.returncode == 0, done.stdout
    assert installed.names() == set(NODES) - {"stack", "recorder"} - GO2


def test_the_simulator_alone_has_no_learner(installed: Installed) -> None:
    done = installed.launch("sim.launch.py", "composed:=false", first="practice", count=6)
    assert done.returncode == 1 and "practice-5" in done.stdout
    assert installed.names() == set(NODES) - {"stack", "learner", "recorder"} - GO2


def test_a_recorder_that_refuses_ends_the_launch(installed: Installed) -> None:
    run_dir = installed.prefix / "run"
    words = ("record:=true", f"run_dir:={run_dir}")
    done = installed.launch("sim.launch.py", *words, first="recorder", status=1)
    assert done.returncode == 1 and "The recorder could not record" in done.stdout + done.stderr
    (line,) = (line for line in done.stdout.splitlines() if line.startswith("[recorder-2] parameters"))
    assert f"folder: {run_dir}/bag" in line and "mode: all" in line


def test_a_recorder_that_dies_does_not_end_the_run(installed: Installed) -> None:
    words = ("record:=events", f"run_dir:={installed.prefix / 'run'}")
    file = REPOSITORY / "launch/finetune.launch.py"
    launcher = installed.begin(file, *words, first="recorder", status=3, count=3)
    assert launcher.stdout is not None
    assert any("recorder-3]: process has died" in line for line in launcher.stdout)
    assert launcher.poll() is None
    launcher.send_signal(signal.SIGINT)
    launcher.communicate(timeout=60)
    assert launcher.returncode == 0


def parameters(done: subprocess.CompletedProcess, process: str) -> str:
    """What a process was told."""
    (line,) = (line for line in done.stdout.splitlines() if line.startswith(f"[{process}] parameters"))
    return line


def test_a_rehearsal_has_a_simulated_robot_and_its_driver(installed: Installed) -> None:
    done = installed.launch("finetune.launch.py", "hardware:=go2_sim", "gap:=none", first="learner", count=4)
    assert done.returncode == 0, done.stdout
    assert installed.names() == {"stack", "learner"} | GO2
    assert "gap: none" in parameters(done, "go2_sim-1") and "domain: 1" in parameters(done, "go2_sim-1")
    assert "interface: lo" in parameters(done, "go2_driver-2")
    assert "lockstep: false" in parameters(done, "stack-3") and "use_sim_time: false" in parameters(
        done, "stack-3"
    )
    assert "start_with_policy: true" in parameters(done, "learner-4")


def test_a_real_robot_waits_for_a_person_and_has_no_gap_to_switch(installed: Installed) -> None:
    words = ("hardware:=go2", "interface:=lo", "composed:=false")
    done = installed.launch("finetune.launch.py", *words, first="learner", count=7)
    assert done.returncode == 0, done.stdout
    assert installed.names() == set(NODES) - {"stack", "sim_bridge", "go2_sim", "recorder"}
    assert "autostart: false" in parameters(done, "supervisor-4") and "domain: 0" in parameters(
        done, "go2_driver-1"
    )
    learner = parameters(done, "learner-6")
    assert "gap: robot" in learner and "measure_pretrained: false" in learner


def test_arguments_reach_the_nodes(installed: Installed) -> None:
    done = installed.launch(
        "finetune.launch.py", "minutes:=5", "seed:=7", "namespace:=lab", "gap:=none", first="learner"
    )
    (line,) = (line for line in done.stdout.splitlines() if line.startswith("[learner-2] parameters"))
    assert "/lab/learner:" in line and "minutes: 5.0" in line and "seed: 7" in line and "gap: none" in line


def test_a_parameter_file_comes_after_ours_and_before_the_arguments(installed: Installed) -> None:
    mine = installed.prefix / "mine.yaml"
    mine.write_text("/**/learner: {ros__parameters: {goal: 0.5}}")
    done = installed.launch(
        "finetune.launch.py", f"params_file:={mine}", "use_sim_time:=false", first="learner"
    )
    (line,) = (line for line in done.stdout.splitlines() if line.startswith("[learner-2] parameters"))
    assert line.index("goal: 0.9") < line.index("goal: 0.5") < line.index("use_sim_time: false")


def test_a_file_that_includes_ours_may_have_arguments_of_its_own(installed: Installed) -> None:
    outer = installed.prefix / "outer.launch.py"
    outer.write_text(f"""
from launch import LaunchDescription
from launch.actions import DeclareLaunchArgument, IncludeLaunchDescription
from launch.launch_description_sources import PythonLaunchDescriptionSource
def generate_launch_description():
    ours = PythonLaunchDescriptionSource({str(REPOSITORY / "launch/finetune.launch.py")!r})
    return LaunchDescription([
        DeclareLaunchArgument("colour"),
        IncludeLaunchDescription(ours, launch_arguments={{"minutes": "5"}}.items()),
    ])
""")
    launcher = installed.begin(outer, "colour:=red", first="learner")
    out, err = launcher.communicate(timeout=60)
    assert launcher.returncode == 0, out + err
    assert "minutes: 5.0" in out


@pytest.mark.parametrize("word", ["task:=hop", "tsk:=trot", "minutes:=never", "policy:=nowhere.onnx"])
def test_a_mistake_is_one_sentence_and_begins_nothing(installed: Installed, word: str) -> None:
    done = installed.launch("finetune.launch.py", word)
    assert done.returncode == 1 and installed.names() == set()
    assert len(done.stderr.splitlines()) == 1 and done.stderr.strip().endswith(".")
    assert "Traceback" not in done.stdout + done.stderr
    assert not (installed.prefix / "runs").exists()
