"""Nodes as actions, and settings that hold for the nodes after them."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from launch import screen
from launch.actions import ExecuteProcess
from launch.context import LaunchContext
from launch.entity import Action
from launch.event_handlers import OnShutdown
from launch.substitution import SomeSubstitutionsType, normalize, perform
from launch_ros.index import executable
from launch_ros.parameter_descriptions import ParameterFile, evaluate_value, flatten, write_file

__all__ = ["Node", "PushROSNamespace", "PushRosNamespace", "SetParameter"]

_GLOBAL = "global_params"
_NAMESPACE = "ros_namespace"


class Node(ExecuteProcess):
    """A package's program, with name, namespace, parameters and remappings as ROS arguments."""

    def __init__(
        self,
        *,
        executable: SomeSubstitutionsType,
        package: SomeSubstitutionsType | None = None,
        name: SomeSubstitutionsType | None = None,
        namespace: SomeSubstitutionsType | None = None,
        exec_name: SomeSubstitutionsType | None = None,
        parameters: Iterable[Any] | None = None,
        remappings: Iterable[tuple[SomeSubstitutionsType, SomeSubstitutionsType]] | None = None,
        arguments: Iterable[SomeSubstitutionsType] | None = None,
        ros_arguments: Iterable[SomeSubstitutionsType] | None = None,
        **kwargs: Any,
    ):
        super().__init__(cmd=[executable], name=exec_name, **kwargs)
        self._package, self._executable = package, normalize(executable)
        self._node_name, self._node_namespace = name, namespace
        self._parameters, self._remappings = list(parameters or []), list(remappings or [])
        self._arguments = [normalize(word) for word in arguments or []]
        self._ros_arguments = [normalize(word) for word in ros_arguments or []]

    def command(self, context: LaunchContext) -> list[str]:
        """The program, its arguments, and what ROS is told."""
        words = [self._program(context), *(perform(context, word) for word in self._arguments)]
        words += ["--ros-args", *(perform(context, word) for word in self._ros_arguments)]
        name, namespace = self._full_name(context)
        for key, value in (("__node", name), ("__ns", namespace)):
            if value:
                words += ["-r", f"{key}:={value}"]
        words += self._parameter_words(
            context, f"{namespace.rstrip('/')}/{name}" if name and namespace else "/**"
        )
        for source, target in self._remappings:
            words += ["-r", f"{perform(context, source)}:={perform(context, target)}"]
        return words

    def _program(self, context: LaunchContext) -> str:
        name = perform(context, self._executable)
        return name if self._package is None else str(executable(perform(context, self._package), name))

    def _full_name(self, context: LaunchContext) -> tuple[str, str]:
        name = perform(context, self._node_name) if self._node_name is not None else ""
        own = perform(context, self._node_namespace) if self._node_namespace is not None else ""
        return name, join_namespace(context.launch_configurations.get(_NAMESPACE, ""), own)

    def _parameter_words(self, context: LaunchContext, node: str) -> list[str]:
        words: list[str] = []
        for key, value in context.launch_configurations.get(_GLOBAL, {}).items():
            words += ["-p", f"{key}:={value}"]
        for entry in self._parameters:
            if isinstance(entry, Mapping):
                path = write_file(node, flatten(context, entry))
                context.register_event_handler(OnShutdown(on_shutdown=_remove_later(path)))
            else:
                entry = entry if isinstance(entry, ParameterFile) else ParameterFile(entry)
                path = entry.evaluate(context)
            if path.is_file():
                words += ["--params-file", str(path)]
            else:
                screen.warning("launch_ros", f"The parameter file {path} does not exist.")
        return words


class SetParameter(Action):
    """A parameter for all nodes from here on."""

    def __init__(self, name: SomeSubstitutionsType, value: Any, **kwargs: Any):
        super().__init__(**kwargs)
        self._name, self._value = normalize(name), value

    def execute(self, context: LaunchContext) -> None:
        """Remember it; a scope's end forgets it."""
        name = perform(context, self._name)
        value = evaluate_value(context, name, self._value)
        text = str(value).lower() if isinstance(value, bool) else str(value)
        context.launch_configurations[_GLOBAL] = context.launch_configurations.get(_GLOBAL, {}) | {name: text}


class PushROSNamespace(Action):
    """A namespace for all nodes from here on."""

    def __init__(self, namespace: SomeSubstitutionsType, **kwargs: Any):
        super().__init__(**kwargs)
        self._namespace = normalize(namespace)

    def execute(self, context: LaunchContext) -> None:
        """Go into it; a scope's end leaves it."""
        before = context.launch_configurations.get(_NAMESPACE, "")
        context.launch_configurations[_NAMESPACE] = join_namespace(before, perform(context, self._namespace))


PushRosNamespace = PushROSNamespace


def join_namespace(base: str, own: str) -> str:
    """An absolute namespace; empty if neither says anything."""
    if own.startswith("/"):
        return own.rstrip("/") or "/"
    parts = [part.strip("/") for part in (base, own) if part.strip("/")]
    return "/" + "/".join(parts) if parts else ""


def _remove_later(path: Path):
    """Parameter files are read when a node starts, and are of no use once the launch ends."""
    return lambda event, context: path.unlink(missing_ok=True)
