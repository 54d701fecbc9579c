"""Parameters of nodes: values, files, and how they become text for the node."""

import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml
from launch.context import LaunchContext
from launch.substitution import SomeSubstitutionsType, Substitution, normalize, perform

__all__ = ["ParameterFile", "ParameterValue"]


class ParameterValue:
    """A value with its type; without a type, YAML decides."""

    def __init__(self, value: Any, *, value_type: Any = None):
        self.value, self.value_type = value, value_type

    def evaluate(self, context: LaunchContext) -> Any:
        """The value in this context."""
        if not _is_text(self.value):
            return self.value if self.value_type is None else self.value_type(self.value)
        text = perform(context, self.value)
        if self.value_type is str:
            return text
        value = yaml.safe_load(text)
        if self.value_type is float and isinstance(value, int):
            value = float(value)
        if isinstance(self.value_type, type) and not isinstance(value, self.value_type):
            raise ValueError(f"'{text}' is not a value of type {self.value_type.__name__}.")
        return value


class ParameterFile:
    """A YAML file of parameters."""

    def __init__(self, param_file: SomeSubstitutionsType, *, allow_substs: bool = False):
        if allow_substs:
            raise ValueError("Substitutions inside of parameter files are not among what the stand-in does.")
        self.param_file = normalize(param_file)

    def evaluate(self, context: LaunchContext) -> Path:
        """The path of the file."""
        return Path(perform(context, self.param_file))


def evaluate_value(context: LaunchContext, name: str, value: Any) -> Any:
    """A value of a parameter dictionary; text is read as YAML, as a file would be."""
    if isinstance(value, ParameterValue):
        return value.evaluate(context)
    if isinstance(value, (bool, int, float)):
        return value
    if _is_text(value):
        text = perform(context, value)
        found = yaml.safe_load(text) if text else ""
        if not isinstance(found, (bool, int, float, str, list)):
            raise TypeError(
                f"The parameter '{name}' cannot be '{text}'; "
                "wrap text in ParameterValue(value, value_type=str)."
            )
        return found
    return [evaluate_value(context, name, item) for item in value]


def flatten(context: LaunchContext, values: Mapping[Any, Any], prefix: str = "") -> dict[str, Any]:
    """Names with dots for nested dictionaries."""
    flat: dict[str, Any] = {}
    for key, value in values.items():
        name = prefix + perform(context, key)
        if isinstance(value, Mapping):
            flat |= flatten(context, value, f"{name}.")
        else:
            flat[name] = evaluate_value(context, name, value)
    return flat


def write_file(node: str, values: Mapping[str, Any]) -> Path:
    """A parameter file for one node; the launch's temporary folder is its place."""
    with tempfile.NamedTemporaryFile("w", prefix="launch_params_", suffix=".yaml", delete=False) as file:
        yaml.safe_dump({node: {"ros__parameters": dict(values)}}, file)
    return Path(file.name)


def _is_text(value: Any) -> bool:
    """Whether this is text, a substitution, or a sequence with a substitution in it."""
    if isinstance(value, (str, Path, Substitution)):
        return True
    return isinstance(value, Sequence) and any(isinstance(item, Substitution) for item in value)
