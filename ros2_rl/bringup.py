"""What the launch files share: the nodes with their parameters, and how a launch ends."""

import json
import os
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, Protocol, TypeVar

from launch import Action, LaunchContext
from launch.actions import DeclareLaunchArgument, RegisterEventHandler, SetEnvironmentVariable, Shutdown
from launch.event_handlers import OnProcessExit
from launch_ros.actions import Node
from launch_ros.parameter_descriptions import ParameterValue

from ros2_rl.arm_args import ArmArgs, ArmRun
from ros2_rl.errors import ConfigError, Ros2RlError
from ros2_rl.launch_args import SimArgs
from ros2_rl.launch_values import LOCKSTEP_STATE_RATE_HZ, STATE_RATE_HZ, Table
from ros2_rl.paths import share_path
from ros2_rl.realtime import limit_threads

Args = TypeVar("Args")


class NodeArgs(Protocol):
    """What every program is begun with, whichever launch file begins it."""

    @property
    def robot(self) -> str: ...
    @property
    def params_file(self) -> str: ...
    @property
    def use_sim_time(self) -> bool: ...
    @property
    def namespace(self) -> str: ...
    @property
    def log_level(self) -> str: ...
    @property
    def record(self) -> str: ...


# Together less than the 5 s within which everything has to have ended after Ctrl-C.
_SIGTERM_AFTER_S = "4.0"
_SIGKILL_AFTER_S = "0.8"
_LOADED_S = 120.0
"""So long a driver waits for a simulated robot."""
_TRANSPORTS = "FASTDDS_BUILTIN_TRANSPORTS"
_FASTDDS = "FASTRTPS_DEFAULT_PROFILES_FILE"
_OF_LAUNCH = {"sigterm_timeout", "sigkill_timeout", "emulate_tty", "launch-prefix", "launch-prefix-filter"}
"""Names that mean something to launch itself."""


def declarations(table: Table) -> list[Action]:
    """The launch arguments of a table."""
    return [
        DeclareLaunchArgument(name, default_value=default, description=description)
        for name, (default, description) in table.items()
    ]


def given(context: LaunchContext, table: Table, launch_file: str) -> dict[str, str]:
    """Values of a table's arguments, and whatever else was said to this launch file on the command line."""
    values = {name: context.launch_configurations[name] for name in table}
    if any(Path(word).name == Path(launch_file).name for word in sys.argv):
        words = (word.partition(":=") for word in context.argv)
        values |= {name: value for name, _, value in words if name not in _OF_LAUNCH | set(values)}
    return values


def checked(check: Callable[[Mapping[str, str]], Args], values: Mapping[str, str]) -> Args:
    """The checked arguments; a mistake is one sentence on stderr, and nothing is started."""
    try:
        return check(values)
    except Ros2RlError as error:
        print(error, file=sys.stderr, flush=True)
        raise ConfigError("nothing was started") from None


def transports(args: SimArgs) -> list[Action]:
    """Where a robot is to be answered in time, messages go through the kernel.

    With shared memory, Fast DDS's default, a reader whose process is not being run can hold up a writer.
    """
    if args.hardware == "sim" or _TRANSPORTS in os.environ:
        return []
    return [SetEnvironmentVariable(_TRANSPORTS, "UDPv4")]


def robot_nodes(args: SimArgs, *, gap_from_start: bool, awaited: Iterable[str] = ()) -> list[Node]:
    """Robot, estimator, executor, supervisor, practice; those around a robot in one process or one each.

    Robot time begins when the loop's topics and those in ``awaited`` have a publisher.
    """
    loop = ["joint_commands", "odom", "policy/targets", "cmd_vel", *awaited]
    if args.record != "false":
        loop.append("recorder/state")
    robot = _robot(args, loop, gap_from_start)
    values: dict[str, Any] = {
        "task": args.task,
        "policy": args.policy,
        "seed": args.seed,
        "lockstep": args.lockstep,
        "gap": args.gap,
        "gap_from_start": gap_from_start,
        "speed": args.speed or 1.0,
        "state_rate_hz": LOCKSTEP_STATE_RATE_HZ if args.lockstep else STATE_RATE_HZ,
        "headless": args.headless,
        "events_dir": str(Path(args.run_dir) / "supervisor"),
        "wait_for_topics": loop,
    }
    if robot:
        values = {key: values[key] for key in ("task", "policy", "seed", "lockstep", "events_dir")}
        values["autostart"] = args.hardware != "go2"
    if args.composed:
        words = ["--no-simulator"] if robot else []
        return [*robot, node("stack", args, several=True, words=words, **values)]
    return robot + [
        node(name, args, **{key: values[key] for key in keys if key in values})
        for name, keys in (
            (
                "sim_bridge",
                (
                    "policy",
                    "gap",
                    "gap_from_start",
                    "lockstep",
                    "speed",
                    "state_rate_hz",
                    "seed",
                    "headless",
                    "wait_for_topics",
                ),
            ),
            ("state_estimator", ("lockstep",)),
            ("policy_executor", ("task", "policy", "seed", "lockstep")),
            ("supervisor", ("policy", "lockstep", "autostart", "events_dir")),
            ("practice", ("task", "seed", "lockstep")),
        )
        if not (robot and name == "sim_bridge")
    ]


def _robot(args: SimArgs, awaited: list[str], gap_from_start: bool) -> list[Node]:
    """What stands behind the topics as processes of their own; nothing for the plain simulator."""
    if args.hardware == "sim":
        return []
    wire: dict[str, Any] = {"interface": args.interface, "domain": args.domain, "policy": args.policy}
    if args.hardware == "go2":
        return [node("go2_driver", args, wait_for_topics=awaited, **wire)]
    # A robot that is there answers at once; this one has to be loaded first.
    driver = node("go2_driver", args, wait_for_topics=awaited, robot_timeout_s=_LOADED_S, **wire)
    simulated = node(
        "go2_sim", args, gap=args.gap, gap_from_start=gap_from_start, speed=args.speed, seed=args.seed,
        headless=args.headless, **wire,
    )  # fmt: skip
    return [simulated, driver]


def arm_simulator(args: ArmRun, awaited: Iterable[str], **parameters: Any) -> Node:
    """The simulated arm; robot time begins when each of the topics ``awaited`` has a publisher."""
    awaited = [*awaited, *(["recorder/state"] if args.record != "false" else [])]
    return node(
        "sim_bridge",
        args,
        task=args.task,
        seed=args.seed,
        speed=args.speed or 1.0,
        lockstep=args.lockstep,
        headless=args.headless,
        state_rate_hz=100.0,
        wait_for_topics=awaited,
        **parameters,
    )


def onlookers(args: SimArgs) -> list[Action]:
    """What looks on: a launch goes on when one of these ends, unless it never began."""
    found: list[Action] = [] if args.composed else [node("health_monitor", args)]
    if args.console:
        found.append(node("console", args, host=args.console_host, port=args.console_port, gap=args.gap))
    if args.foxglove:
        found.append(node("foxglove_view", args, host=args.foxglove_host, port=args.foxglove_port))
    return found + recorder(args)


def recorder(args: SimArgs | ArmArgs) -> list[Action]:
    """What keeps the run, if it is to be kept."""
    if args.record == "false":
        return []
    recording = node(
        "recorder",
        args,
        lockstep=args.lockstep,
        folder=str(Path(args.run_dir) / ("bag" if args.record == "true" else "events")),
        mode="all" if args.record == "true" else "events",
        max_mib=args.record_mib,
        task=args.task,
        policy=args.policy,
        arguments=json.dumps(asdict(args)),
    )
    ended = OnProcessExit(target_action=recording, on_exit=_recorder_ended)
    return [RegisterEventHandler(ended), recording]


def _recorder_ended(event: Any, context: LaunchContext) -> None:
    """A recorder that refuses ends the launch: what was asked for cannot be had. One that dies does not."""
    if event.returncode == 1 and not context.is_shutdown:
        raise RuntimeError("The recorder could not record; its last line above says why.")


def node(
    executable: str,
    args: NodeArgs,
    *,
    several: bool = False,
    words: Iterable[str] = (),
    **parameters: Any,
) -> Node:
    """A program of this package with the parameter files and parameters of its own.

    ``several``: it holds several nodes, which keep their own names and take the same parameters.
    ``words``: command line before that of ROS.
    """
    files = [str(share_path("config", "ros2_rl.yaml")), args.params_file]
    values = {"robot": args.robot, "use_sim_time": args.use_sim_time and executable != "sim_bridge"}
    return Node(
        package="ros2_rl",
        executable=executable,
        name=None if several else executable,
        namespace=args.namespace or "/",
        parameters=[*filter(None, files), _typed(values | parameters)],
        arguments=list(words),
        ros_arguments=["--log-level", args.log_level],
        output="screen",
        additional_env={"PYTHONUNBUFFERED": "1"} | limit_threads() | _room_for_recording(executable, args),
        sigterm_timeout=_SIGTERM_AFTER_S,
        sigkill_timeout=_SIGKILL_AFTER_S,
    )


def _room_for_recording(executable: str, args: NodeArgs) -> dict[str, str]:
    """Settings of Fast DDS with which no message is lost while the recorder's process is not being run."""
    if args.record == "false" or _FASTDDS in os.environ:
        return {}
    name = "recorder.xml" if executable == "recorder" else "recorded.xml"
    return {_FASTDDS: str(share_path("config", "fastdds", name))}


def end_together(nodes: list[Node], goal: Node | None = None) -> list[RegisterEventHandler]:
    """The launch ends with its first node; it is healthy only if that is ``goal``, with status 0."""
    names = {id(action): action for action in nodes}

    def on_exit(event: Any, context: LaunchContext) -> Action | None:
        action = names.get(id(event.action))
        if action is None:
            return None
        what = f"{event.process_name} ended with exit status {event.returncode}"
        if context.is_shutdown:
            if event.returncode != 0:
                raise RuntimeError(f"{what} while the launch was ending.")
            return None
        if action is goal and event.returncode == 0:
            return Shutdown(reason="the run is complete")
        raise RuntimeError(f"{what} before the run was complete; its last lines above say why.")

    return [RegisterEventHandler(OnProcessExit(on_exit=on_exit))]


def _typed(values: Mapping[str, Any]) -> dict[str, Any]:
    """Text stays text: YAML would read a gap named 'on' as true and a policy '' as nothing."""
    return {
        name: ParameterValue(value, value_type=str) if isinstance(value, str) else value
        for name, value in values.items()
    }
