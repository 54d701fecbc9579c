"""The ``ros2`` command: launch, run, and looks at the graph."""

import argparse
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path

from launch import LaunchDescription, LaunchService
from launch.actions import DeclareLaunchArgument, IncludeLaunchDescription
from launch.launch_description_sources import PythonLaunchDescriptionSource, load
from launch_ros.index import executable, package_share


def main(argv: list[str] | None = None) -> int:
    """Run one command; gives its exit status."""
    args = _parser().parse_args(argv)
    try:
        return args.run(args) or 0
    except BrokenPipeError:  # whoever read us has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 128 + signal.SIGPIPE
    except (LookupError, RuntimeError, OSError, ValueError) as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 128 + signal.SIGINT


# ---- launch and run


def _launch(args: argparse.Namespace) -> int:
    path, words = _launch_file(args.package, args.words)
    if args.show_args:
        return _show_arguments(load(path).generate_launch_description())
    include = IncludeLaunchDescription(
        PythonLaunchDescriptionSource(str(path)), launch_arguments=_assignments(words)
    )
    service = LaunchService(argv=words, noninteractive=not sys.stdin.isatty(), debug=args.debug)
    service.include_launch_description(LaunchDescription([include]))
    return service.run()


def _launch_file(package: str, words: list[str]) -> tuple[Path, list[str]]:
    """The file and what is left of the words; a path may stand in place of package and file."""
    if Path(package).is_file():
        return Path(package), words
    if not words:
        raise ValueError(f"Which launch file of the package '{package}'? ros2 launch {package} <file>")
    found = [path for path in sorted(package_share(package).rglob("*")) if path.name == words[0]]
    if len(found) != 1:
        have = ", ".join(p.name for p in sorted(package_share(package).rglob("*.launch.py"))) or "none"
        how = "no launch file" if not found else "more than one file"
        raise LookupError(f"The package '{package}' has {how} '{words[0]}'; launch files: {have}.")
    return found[0], words[1:]


def _assignments(words: list[str]) -> list[tuple[str, str]]:
    values: dict[str, str] = {}
    for word in words:
        name, sign, value = word.partition(":=")
        if not (name and sign and value):
            raise ValueError(f"A launch argument is written name:=value, not '{word}'.")
        values[name] = value
    return list(values.items())


def _show_arguments(description: LaunchDescription) -> int:
    print("Arguments (pass arguments as '<name>:=<value>'):")
    arguments: list[DeclareLaunchArgument] = description.get_launch_arguments()
    for argument in arguments:
        print(f"\n    '{argument.name}':\n        {argument.description}")
        if argument.default_value is not None:
            print(f"        (default: {' + '.join(part.describe() for part in argument.default_value)})")
    if not arguments:
        print("\n  No arguments.")
    return 0


def _run(args: argparse.Namespace) -> int:
    path = executable(args.package, args.executable)
    sys.stdout.flush()
    os.execv(path, [str(path), *args.args])


# ---- the graph


def _graph(name: str) -> Callable[[argparse.Namespace], int]:
    """A command that needs rclpy, which is only imported then."""

    def run(args: argparse.Namespace) -> int:
        from ros2_minimal import graph

        return getattr(graph, name)(args)

    return run


# ---- words


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="ros2", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="command")
    _add_launch(commands)
    _add_topic(commands.add_parser("topic", help="topics of the graph"))
    _add_node(commands.add_parser("node", help="nodes of the graph"))
    _add_service(commands.add_parser("service", help="services of the graph"))
    _add_param(commands.add_parser("param", help="parameters of a node"))
    return parser


def _add_launch(commands) -> None:
    launch = commands.add_parser("launch", help="run a launch file")
    launch.add_argument("package", help="package, or path of a launch file")
    launch.add_argument("words", nargs="*", help="launch file, then name:=value")
    launch.add_argument("-s", "--show-args", "--show-arguments", action="store_true")
    launch.add_argument("-d", "--debug", action="store_true", help="tracebacks of what went wrong")
    launch.set_defaults(run=_launch)
    run = commands.add_parser("run", help="run a package's executable")
    run.add_argument("package")
    run.add_argument("executable")
    run.add_argument("args", nargs=argparse.REMAINDER)
    run.set_defaults(run=_run)


def _add_topic(parser: argparse.ArgumentParser) -> None:
    verbs = parser.add_subparsers(required=True, metavar="verb")
    listing = verbs.add_parser("list", help="names of the topics")
    listing.add_argument("-t", "--show-types", action="store_true")
    listing.set_defaults(run=_graph("topic_list"))
    echo = verbs.add_parser("echo", help="messages as YAML")
    echo.add_argument("topic")
    echo.add_argument("type", nargs="?", help="where nobody publishes yet")
    echo.add_argument("--once", action="store_true")
    echo.set_defaults(run=_graph("topic_echo"))
    rate = verbs.add_parser("hz", help="rate of messages, once a second")
    rate.add_argument("topic")
    rate.add_argument("-w", "--window", type=int, default=10_000, help="messages to look back on")
    rate.set_defaults(run=_graph("topic_hz"))


def _add_node(parser: argparse.ArgumentParser) -> None:
    verbs = parser.add_subparsers(required=True, metavar="verb")
    verbs.add_parser("list", help="names of the nodes").set_defaults(run=_graph("node_list"))


def _add_service(parser: argparse.ArgumentParser) -> None:
    verbs = parser.add_subparsers(required=True, metavar="verb")
    verbs.add_parser("list", help="names of the services").set_defaults(run=_graph("service_list"))
    call = verbs.add_parser("call", help="call a service")
    call.add_argument("service")
    call.add_argument("type", help="for example std_srvs/srv/Trigger")
    call.add_argument("values", nargs="?", default="{}", help="the request as YAML")
    call.set_defaults(run=_graph("service_call"))


def _add_param(parser: argparse.ArgumentParser) -> None:
    verbs = parser.add_subparsers(required=True, metavar="verb")
    for verb, words in (("list", ("node",)), ("get", ("node", "name")), ("set", ("node", "name", "value"))):
        command = verbs.add_parser(verb)
        for word in words:
            command.add_argument(word)
        command.set_defaults(run=_graph(f"param_{verb}"))
