"""Reads task files; what is wrong with one is said with its file and line."""

from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ValidationError

from ros2_rl.errors import ConfigError
from ros2_rl.paths import available, share_path
from ros2_rl.tasks.reward_machine import MachineSpec, State
from ros2_rl.tasks.task import Commands, Jump, Task

Location = tuple[str | int, ...]
_HOLDERS: dict[Location, type[BaseModel]] = {
    (): Task,
    ("commands",): Commands,
    ("jump",): Jump,
    ("machine",): MachineSpec,
}
"""What stands where in a task file; at other places there are states."""


def load_task(name: str) -> Task:
    """Read ``config/tasks/<name>.yaml``.

    Raises:
        ConfigError: no such task, or its file has unknown or wrong entries.
    """
    path = share_path("config", "tasks", f"{name}.yaml")
    if not path.is_file():
        raise ConfigError(f"There is no task '{name}'; available: {available('config/tasks')}.")
    return parse_task(path.read_text(), path)


def parse_task(text: str, path: Path) -> Task:
    """The task in a YAML text; ``path`` names it in errors.

    Raises:
        ConfigError: the text is no YAML, or has unknown or wrong entries.
    """
    try:
        node, values = yaml.compose(text), yaml.safe_load(text)
        task = Task(**values)
    except ValidationError as error:
        raise _refused(path, node, *_first(error)) from None
    except yaml.YAMLError as error:
        raise ConfigError(f"The task file {path.name} is not YAML: {' '.join(str(error).split())}.") from None
    except (TypeError, AttributeError):
        raise ConfigError(f"The task file {path.name} is not a list of 'key: value'.") from None
    if task.machine is not None:
        for state, to in task.machine.unknown_states():
            reason = f"unknown phase {to}; there are {', '.join(task.machine.states)}"
            raise _refused(path, node, ("machine", "states", state, "next", to), reason)
    return task


def _first(error: ValidationError) -> tuple[Location, str]:
    """Where the first complaint is, and what it says."""
    first = error.errors()[0]
    loc = first["loc"]
    if first["type"] == "weight":
        loc = (*loc, first["ctx"]["key"])
    if first["type"] == "extra_forbidden":
        fields = _HOLDERS.get(loc[:-1], State).model_fields
        return loc, f"there is no such entry; there are {', '.join(fields)}"
    return loc, first["msg"].removeprefix("Value error, ")


def _refused(path: Path, node: Any, loc: Location, reason: str) -> ConfigError:
    where = ".".join(map(str, loc)) or "the file"
    return ConfigError(f"The task file {path.name}, line {line_of(node, loc)}, is wrong: {where}: {reason}.")


def line_of(node: Any, loc: Location) -> int:
    """Line, from 1, of the entry ``loc`` in a composed YAML document, or of what would hold it."""
    line = node.start_mark.line if node is not None else 0
    for part in loc:
        if not isinstance(node, yaml.MappingNode):
            break
        pair = next(((k, v) for k, v in node.value if k.value == str(part)), None)
        if pair is None:
            break
        line, node = pair[0].start_mark.line, pair[1]
    return line + 1
