"""Reads task files; what is wrong with one is said with its file and line."""

from pathlib import Path
from typing import Any, TypeVar, get_args

import yaml
from pydantic import BaseModel, ValidationError

from ros2_rl.errors import ConfigError
from ros2_rl.paths import available, share_path
from ros2_rl.tasks.reward_machine import MachineSpec, State
from ros2_rl.tasks.task import Commands, Jump, Task

Location = tuple[str | int, ...]
_HOLDERS: dict[Location, type[BaseModel]] = {
    ("commands",): Commands,
    ("jump",): Jump,
    ("machine",): MachineSpec,
}
"""What stands where in the task file of a legged robot; at other places there are states."""
Model = TypeVar("Model", bound=BaseModel)


def load_task(name: str) -> Task:
    """Read ``config/tasks/<name>.yaml``.

    Raises:
        ConfigError: no such task, or its file has unknown or wrong entries.
    """
    path = _task_path(name)
    return parse_task(path.read_text(), path)


def read_task(name: str, model: type[Model]) -> Model:
    """Read ``config/tasks/<name>.yaml`` as a task of some kind; see :func:`parse_as`."""
    path = _task_path(name)
    return parse_as(model, path.read_text(), path)


def _task_path(name: str) -> Path:
    path = share_path("config", "tasks", f"{name}.yaml")
    if not path.is_file():
        raise ConfigError(f"There is no task '{name}'; available: {available('config/tasks')}.")
    return path


def parse_task(text: str, path: Path) -> Task:
    """The task of a legged robot in a YAML text; see :func:`parse_as`."""
    task = parse_as(Task, text, path)
    if task.machine is not None:
        for state, to in task.machine.unknown_states():
            reason = f"unknown phase {to}; there are {', '.join(task.machine.states)}"
            raise _refused(path, yaml.compose(text), ("machine", "states", state, "next", to), reason)
    return task


def parse_as(model: type[Model], text: str, path: Path) -> Model:
    """The task in a YAML text; ``path`` names it in errors.

    Raises:
        ConfigError: the text is no YAML, has unknown or wrong entries, or is another kind of robot's task.
    """
    try:
        node, values = yaml.compose(text), yaml.safe_load(text)
        if isinstance(values, dict) and ("robot" in values) != ("robot" in model.model_fields):
            whose = f"of the robot {values['robot']}" if "robot" in values else "of a robot with legs"
            raise ConfigError(f"The task '{values.get('name', path.stem)}' is one {whose}; choose another.")
        return model(**values)
    except ValidationError as error:
        raise _refused(path, node, *_first(error, model)) from None
    except yaml.YAMLError as error:
        raise ConfigError(f"The task file {path.name} is not YAML: {' '.join(str(error).split())}.") from None
    except (TypeError, AttributeError):
        raise ConfigError(f"The task file {path.name} is not a list of 'key: value'.") from None


def _first(error: ValidationError, model: type[BaseModel]) -> tuple[Location, str]:
    """Where the first complaint is, and what it says."""
    first = error.errors()[0]
    loc = first["loc"]
    if first["type"] == "weight":
        loc = (*loc, first["ctx"]["key"])
    if first["type"] == "extra_forbidden":
        fields = _holder(model, loc[:-1]).model_fields
        return loc, f"there is no such entry; there are {', '.join(fields)}"
    return loc, first["msg"].removeprefix("Value error, ")


def _holder(model: type[BaseModel], loc: Location) -> type[BaseModel]:
    """What holds the entry that there is not."""
    if model is Task and loc:
        return _HOLDERS.get(loc, State)
    for part in loc:
        annotation = model.model_fields[str(part)].annotation
        kinds = (annotation, *get_args(annotation))
        model = next(k for k in kinds if isinstance(k, type) and issubclass(k, BaseModel))
    return model


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
