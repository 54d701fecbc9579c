"""The stand-in for ``launch``, ``launch_ros`` and ``ros2``: launch files mean what they mean in ROS 2."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
HEAD = """
import sys, time
from launch import LaunchDescription
from launch.actions import *
from launch.conditions import IfCondition, UnlessCondition
from launch.event_handlers import OnProcessExit, OnProcessStart, OnShutdown
from launch.substitutions import *
from launch_ros.actions import Node, SetParameter
def program(code, **kwargs):
    return ExecuteProcess(cmd=[sys.executable, "-uc", code], output="screen", **kwargs)
def generate_launch_description():
    return LaunchDescription(entities())
"""
SHOW_ARGUMENTS = "import sys\nprint(*sys.argv[1:], sep='|')\n"


def environment(**more: str) -> dict[str, str]:
    path = os.pathsep.join((str(REPOSITORY / "ros2_minimal"), str(REPOSITORY)))
    return os.environ | {"PYTHONPATH": path} | more


def ros2(*words: str) -> list[str]:
    return [sys.executable, "-c", "import sys; from ros2_minimal.cli import main; sys.exit(main())", *words]


class Launches:
    """Writes a launch file and runs it."""

    def __init__(self, folder: Path):
        self.folder = folder

    def write(self, body: str) -> Path:
        path = self.folder / "a.launch.py"
        path.write_text(HEAD + body)
        return path

    def __call__(self, body: str, *words: str, **env: str) -> tuple[int, str]:
        done = subprocess.run(
            ros2("launch", str(self.write(body)), *words),
            capture_output=True, text=True, timeout=60, env=environment(**env),
        )  # fmt: skip
        return done.returncode, done.stdout + done.stderr

    def begin(self, body: str) -> subprocess.Popen:
        return subprocess.Popen(
            ros2("launch", str(self.write(body))), stdout=subprocess.PIPE, text=True, env=environment()
        )


@pytest.fixture
def launches(tmp_path: Path) -> Launches:
    return Launches(tmp_path)


@pytest.fixture
def package(tmp_path: Path) -> Path:
    """An installed package ``demo`` with a program that shows its arguments."""
    index = tmp_path / "share/ament_index/resource_index/packages"
    for folder in (index, tmp_path / "share/demo/launch", tmp_path / "lib/demo"):
        folder.mkdir(parents=True)
    (index / "demo").touch()
    program = tmp_path / "lib/demo/show"
    program.write_text(f"#!{sys.executable}\n{SHOW_ARGUMENTS}")
    program.chmod(0o755)
    return tmp_path


def test_processes_write_under_their_names_and_end_cleanly(launches: Launches) -> None:
    status, text = launches(
        "def entities(): return [program('print(1)', name='one'), program('print(2)', name='two')]"
    )
    assert status == 0
    assert "[one-1] 1\n" in text and "[two-2] 2\n" in text
    assert "[one-1]: process has finished cleanly" in text


def test_arguments_have_defaults_values_conditions_and_choices(launches: Launches) -> None:
    body = """
def entities():
    return [
        DeclareLaunchArgument("word", default_value="plain", choices=["plain", "fancy"]),
        DeclareLaunchArgument("on", default_value="false"),
        LogInfo(msg=["word is ", LaunchConfiguration("word")]),
        LogInfo(msg="it is on", condition=IfCondition(LaunchConfiguration("on"))),
        LogInfo(msg="it is off", condition=UnlessCondition(LaunchConfiguration("on"))),
        LogInfo(msg=PythonExpression(["'", LaunchConfiguration("word"), "' + str(floor(2.5))"])),
    ]
"""
    status, text = launches(body)
    assert status == 0 and "word is plain" in text and "it is off" in text and "plain2" in text
    status, text = launches(body, "word:=fancy", "on:=True")
    assert status == 0 and "word is fancy" in text and "it is on" in text
    status, text = launches(body, "word:=other")
    assert status == 1 and "plain, fancy" in text and "Traceback" not in text


def test_an_argument_without_a_default_needs_a_value(launches: Launches) -> None:
    status, text = launches("def entities(): return [DeclareLaunchArgument('word')]")
    assert status == 1 and "'word'" in text and "Traceback" not in text


def test_a_group_has_configurations_and_environment_of_its_own(launches: Launches) -> None:
    status, text = launches("""
def entities():
    show = "import os; print('COLOUR', os.environ.get('COLOUR'))"
    return [
        DeclareLaunchArgument("word", default_value="out"),
        GroupAction([SetEnvironmentVariable("COLOUR", "red"), SetLaunchConfiguration("word", "in"),
                     LogInfo(msg=LaunchConfiguration("word")), program(show, name="inner")]),
        LogInfo(msg=["after ", LaunchConfiguration("word")]), program(show, name="outer"),
    ]
""")
    assert status == 0 and "[INFO] [launch.user]: in\n" in text and "after out" in text
    assert "[inner-1] COLOUR red" in text and "[outer-2] COLOUR None" in text


def test_an_included_file_gets_its_arguments(launches: Launches) -> None:
    other = launches.folder / "other.launch.py"
    other.write_text(
        HEAD
        + "def entities(): return [DeclareLaunchArgument('x'), LogInfo(msg=['x=', LaunchConfiguration('x')])]"
    )
    status, text = launches(f"""
from launch.launch_description_sources import PythonLaunchDescriptionSource
def entities():
    source = PythonLaunchDescriptionSource(PathJoinSubstitution(["{launches.folder}", "other.launch.py"]))
    return [IncludeLaunchDescription(source, launch_arguments={{"x": "7"}}.items())]
""")
    assert status == 0 and "x=7" in text


def test_an_exception_is_one_line_and_ends_everything(launches: Launches) -> None:
    status, text = launches("""
def entities():
    def fail(context): raise RuntimeError("the reason")
    return [program("import time; time.sleep(60)", name="sleeper"), OpaqueFunction(function=fail)]
""")
    assert status == 1
    assert "[ERROR] [launch]: Caught exception in launch (see debug for traceback): the reason\n" in text
    assert text.count("the reason") == 1


def test_handlers_react_to_start_and_exit(launches: Launches) -> None:
    status, text = launches("""
def entities():
    first = program("raise SystemExit(3)", name="first")
    def ended(event, context):
        said = LogInfo(msg=f"{event.process_name} gave {event.returncode}")
        return [said, program("print('hello')", name="next")]
    return [
        RegisterEventHandler(OnProcessStart(target_action=first, on_start=[LogInfo(msg="begun")])),
        RegisterEventHandler(OnProcessExit(target_action=first, on_exit=ended)),
        RegisterEventHandler(OnShutdown(on_shutdown=lambda event, context: LogInfo(msg=event.reason))),
        first,
    ]
""")
    assert status == 0
    assert "begun" in text and "first-1 gave 3" in text and "[next-2] hello" in text and "idle" in text


def test_an_exception_in_a_handler_gives_status_1(launches: Launches) -> None:
    status, text = launches("""
def entities():
    first = program("", name="first")
    def ended(event, context): raise RuntimeError("not healthy")
    return [RegisterEventHandler(OnProcessExit(target_action=first, on_exit=ended)), first]
""")
    assert status == 1 and "not healthy" in text


def test_shutdown_ends_the_others_with_status_0(launches: Launches) -> None:
    status, text = launches("""
def entities():
    # Not Python: a signal in the middle of the interpreter's start ends it with another status.
    return [ExecuteProcess(cmd=["sleep", "60"]),
            TimerAction(period=0.2, actions=[Shutdown(reason="enough")])]
""")
    assert status == 0 and "exit code -2" in text


def test_respawn_begins_a_process_again(launches: Launches) -> None:
    status, text = launches("""
def entities():
    return [program("raise SystemExit(1)", name="a", respawn=True, respawn_max_retries=2)]
""")
    assert status == 0 and text.count("process started") == 3


def test_a_pseudo_terminal_is_emulated(launches: Launches) -> None:
    code = "import sys; print(sys.stdout.isatty())"
    _, text = launches(f"def entities(): return [program('{code}', emulate_tty=True, name='a')]")
    assert "[a-1] True" in text


def test_a_debugger_can_go_before_a_program(launches: Launches) -> None:
    body = """
def entities():
    show = "import os; print(os.environ.get('COLOUR'))"
    return [program(show, name="a"), program(show, name="b", prefix="env COLOUR=red")]
"""
    _, text = launches(body, "launch-prefix:=env COLOUR=blue")
    assert "[a-1] blue" in text and "[b-2] red" in text
    _, text = launches(body, "launch-prefix:=env COLOUR=blue", "launch-prefix-filter:=other")
    assert "[a-1] None" in text and "[b-2] red" in text


def test_the_environment_is_read_and_an_event_can_end_the_launch(launches: Launches) -> None:
    status, text = launches(
        """
from launch.events import Shutdown as ShutdownEvent
def entities():
    return [
        LogInfo(msg=[EnvironmentVariable("COLOUR"), EnvironmentVariable("SHAPE", default_value=" round")]),
        program("import time; time.sleep(60)", name="sleeper"),
        TimerAction(period=0.2, actions=[EmitEvent(event=ShutdownEvent(reason="enough"))]),
    ]
""",
        COLOUR="red",
    )
    assert status == 0 and "red round\n" in text and "process has died" in text


def test_a_parameter_file_that_is_not_there_is_told(launches: Launches, package: Path) -> None:
    body = """
def entities():
    return [Node(package="demo", executable="show", output="screen", parameters=["/nowhere/a.yaml"])]
"""
    status, text = launches(body, AMENT_PREFIX_PATH=str(package))
    assert status == 0 and "/nowhere/a.yaml" in text and "[show-1] --ros-args\n" in text


def test_a_program_that_is_not_there_ends_like_one_that_failed(launches: Launches) -> None:
    status, text = launches("""
def entities():
    def ended(event, context): raise RuntimeError(f"status {event.returncode}")
    return [ExecuteProcess(cmd=["no-such-program"], on_exit=ended)]
""")
    assert status == 1 and "cannot be started" in text and "Traceback" not in text


def test_interrupt_reaches_all_and_a_deaf_process_is_killed(launches: Launches) -> None:
    launcher = launches.begin("""
def entities():
    ignore = "import signal, time\\nfor s in (2, 15): signal.signal(s, signal.SIG_IGN)\\n"
    deaf = ignore + "print('deaf'); time.sleep(60)"
    good = "import time\\ntry: print('good'); time.sleep(60)\\nexcept KeyboardInterrupt: print('bye')"
    soon = {"sigterm_timeout": "0.3", "sigkill_timeout": "0.3"}
    return [program(deaf, name="deaf", **soon), program(good, name="good")]
""")
    read_until(launcher, "deaf-1] deaf", "good-2] good")
    launcher.send_signal(signal.SIGINT)
    rest = launcher.communicate(timeout=30)[0]
    assert launcher.returncode == 0
    assert "[good-2] bye" in rest and "exit code -9" in rest


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_children_do_not_outlive_the_launcher(launches: Launches, number: signal.Signals) -> None:
    launcher = launches.begin(
        "def entities(): return [program('import os, time; print(os.getpid()); time.sleep(60)', name='a')]"
    )
    child = int(read_until(launcher, "[a-1] ").split("] ")[1])
    launcher.send_signal(number)
    launcher.stdout.read()  # ends when the last holder of the pipe, launcher or child, has gone
    assert launcher.wait(30) != 0
    assert wait_gone(child)


def test_a_node_gets_name_namespace_parameters_and_remappings(launches: Launches, package: Path) -> None:
    status, text = launches(
        """
from launch_ros.parameter_descriptions import ParameterValue
def entities():
    return [
        DeclareLaunchArgument("rate", default_value="5"),
        SetParameter("use_sim_time", True),
        Node(package="demo", executable="show", name="eye", namespace="left", output="screen",
             arguments=["first"], ros_arguments=["--log-level", "debug"], remappings=[("a", "b")],
             parameters=[{"rate": LaunchConfiguration("rate"), "word": ParameterValue("on", value_type=str),
                          "deep": {"list": [1, 2]}}]),
        OpaqueFunction(function=lambda context: sys.stdout.flush()),
    ]
""",
        AMENT_PREFIX_PATH=str(package),
    )
    assert status == 0
    line = next(line for line in text.splitlines() if line.startswith("[show-1] first"))
    words = line.removeprefix("[show-1] ").split("|")
    assert words[:2] == ["first", "--ros-args"] and "--log-level" in words
    assert {"__node:=eye", "__ns:=/left", "a:=b", "use_sim_time:=true"} <= set(words)


def test_parameters_are_written_with_their_types() -> None:
    code = """
from launch import LaunchContext
from launch.substitutions import TextSubstitution
from launch_ros.parameter_descriptions import ParameterValue, flatten, write_file
text = ParameterValue("on", value_type=str)
values = {"i": TextSubstitution(text="5"), "f": 1.5, "s": text, "d": {"e": [1, 2]}}
path = write_file("/left/eye", flatten(LaunchContext(), values))
import yaml
print(yaml.safe_load(path.read_text()))
path.unlink()
"""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=environment(), check=True
    )
    parameters = {"i": 5, "f": 1.5, "s": "on", "d.e": [1, 2]}
    assert eval(done.stdout) == {"/left/eye": {"ros__parameters": parameters}}


def test_launch_and_run_find_packages(package: Path) -> None:
    (package / "share/demo/launch/b.launch.py").write_text(
        HEAD
        + "def entities(): return [DeclareLaunchArgument('x', default_value='1', description='What x is')]"
    )
    env = environment(AMENT_PREFIX_PATH=str(package))

    def run(*words: str) -> subprocess.CompletedProcess:
        return subprocess.run(ros2(*words), capture_output=True, text=True, env=env, timeout=60)

    shown = run("launch", "demo", "b.launch.py", "--show-args").stdout
    assert "'x':" in shown and "What x is" in shown and "(default: '1')" in shown
    assert run("run", "demo", "show", "--flag", "word").stdout == "--flag|word\n"
    for words, available in (
        (("launch", "demo", "c.launch.py"), "b.launch.py"),
        (("launch", "elsewhere", "b.launch.py"), "setup.sh"),
        (("run", "demo", "hide"), "show"),
        (("launch", "demo", "b.launch.py", "x=1"), "name:=value"),
    ):
        done = run(*words)
        assert done.returncode == 1 and available in done.stderr and "Traceback" not in done.stderr


def read_until(launcher: subprocess.Popen, *texts: str) -> str:
    """Lines of the launcher until each text was seen; gives the last line."""
    left = set(texts)
    while left:
        line = launcher.stdout.readline()
        assert line, f"the launcher ended before {left} was seen"
        left -= {text for text in left if text in line}
    return line


def wait_gone(pid: int) -> bool:
    """Whether a process has ended; one that nobody has waited for yet has ended too."""
    stat = Path(f"/proc/{pid}/stat")
    for _ in range(100):
        try:
            if stat.read_text().rsplit(")", 1)[1].split()[0] in "ZX":
                return True
        except FileNotFoundError:
            return True
        signal.sigtimedwait([], 0.1)
    return False
