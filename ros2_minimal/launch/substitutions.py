"""Substitutions that ordinary launch files use."""

import importlib
import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from launch.context import LaunchContext
from launch.substitution import SomeSubstitutionsType, Substitution, normalize, perform

__all__ = [
    "EnvironmentVariable",
    "LaunchConfiguration",
    "PathJoinSubstitution",
    "PythonExpression",
    "TextSubstitution",
    "ThisLaunchFileDir",
]


class TextSubstitution(Substitution):
    """A plain text."""

    def __init__(self, *, text: str):
        self.text = text

    def describe(self) -> str:
        """The text in quotation marks."""
        return f"'{self.text}'"

    def perform(self, context: LaunchContext) -> str:
        """The text."""
        return self.text


class LaunchConfiguration(Substitution):
    """The value of a launch argument."""

    def __init__(self, variable_name: SomeSubstitutionsType, *, default: Any = None):
        self.variable_name = normalize(variable_name)
        self.default = default

    def describe(self) -> str:
        """The name of the argument."""
        return f"LaunchConfig({' + '.join(part.describe() for part in self.variable_name)})"

    def perform(self, context: LaunchContext) -> str:
        """The argument's value, else the default."""
        name = perform(context, self.variable_name)
        if name in context.launch_configurations:
            return context.launch_configurations[name]
        if self.default is None:
            raise LookupError(f"The launch configuration '{name}' does not exist.")
        if isinstance(self.default, (str, Path, Substitution, Iterable)):
            return perform(context, self.default)
        return str(self.default)


class EnvironmentVariable(Substitution):
    """The value of an environment variable."""

    def __init__(self, name: SomeSubstitutionsType, *, default_value: SomeSubstitutionsType | None = None):
        self.name = normalize(name)
        self.default_value = default_value

    def describe(self) -> str:
        """The name of the variable."""
        return f"EnvVar({' + '.join(part.describe() for part in self.name)})"

    def perform(self, context: LaunchContext) -> str:
        """The variable's value, else the default."""
        name = perform(context, self.name)
        if name in context.environment:
            return context.environment[name]
        if self.default_value is None:
            raise LookupError(f"The environment variable '{name}' does not exist.")
        return perform(context, self.default_value)


class PathJoinSubstitution(Substitution):
    """Parts of a path, joined."""

    def __init__(self, substitutions: Iterable[SomeSubstitutionsType]):
        self.substitutions = [normalize(part) for part in substitutions]

    def describe(self) -> str:
        """The parts of the path."""
        parts = (" + ".join(item.describe() for item in part) for part in self.substitutions)
        return f"PathJoin({', '.join(parts)})"

    def perform(self, context: LaunchContext) -> str:
        """The path."""
        return os.path.join(*(perform(context, part) for part in self.substitutions))


class PythonExpression(Substitution):
    """The value of a Python expression, as text."""

    def __init__(self, expression: SomeSubstitutionsType, python_modules: Sequence[str] = ("math",)):
        self.expression = normalize(expression)
        self.python_modules = python_modules

    def describe(self) -> str:
        """The expression."""
        return f"PythonExpr({' + '.join(part.describe() for part in self.expression)})"

    def perform(self, context: LaunchContext) -> str:
        """The expression's value; members of ``math`` are known by their bare names too."""
        names: dict[str, Any] = {}
        for name in self.python_modules:
            names[name] = importlib.import_module(name)
            if name == "math":
                names.update(vars(names[name]))
        return str(eval(perform(context, self.expression), {}, names))  # the launch file's own code


class ThisLaunchFileDir(Substitution):
    """The folder of the launch file that is being read."""

    def perform(self, context: LaunchContext) -> str:
        """The folder."""
        path = context.locals_dict.get("current_launch_file_path")
        if path is None:
            raise LookupError("ThisLaunchFileDir is only known inside of a launch file.")
        return os.path.dirname(path)
