"""legged_gym's configurations are nested Python classes: read here as data, never run."""

import ast
from typing import Any

from ros2_rl.errors import ConfigError
from ros2_rl.importing.fields import Unreadable
from ros2_rl.importing.legged_gym import DEFAULTS

_TRAINING = ("policy", "algorithm", "runner")
"""Sections of the configuration of PPO; all others belong to the environment."""


def read_classes(text: str, source: str) -> dict[str, Any]:
    """The settings of the only robot in a file, those that it takes over from ``LeggedRobotCfg`` included.

    A value that is not a plain one becomes :class:`Unreadable`.

    Raises:
        ConfigError: the file is no Python, or there is not exactly one robot in it.
    """
    try:
        tree = ast.parse(text)
    except SyntaxError as error:
        raise ConfigError(
            f"{source} is not Python (line {error.lineno}); give the configuration file."
        ) from error
    classes = {node.name: node for node in tree.body if isinstance(node, ast.ClassDef)}
    used = {base for node in classes.values() for base in _bases(node)}
    leaves = {name: _settings(node, classes) for name, node in classes.items() if name not in used}
    robots = [name for name, settings in leaves.items() if "control" in settings or "init_state" in settings]
    if len(robots) != 1:
        raise ConfigError(
            f"{source} configures {', '.join(robots) or 'no robot'}; one class with control and init_state "
            "is needed: keep that of the policy."
        )
    training: dict[str, Any] = {}
    for settings in leaves.values():
        training |= {key: value for key, value in settings.items() if key in _TRAINING}
    return _over(DEFAULTS, training | leaves[robots[0]])


def _settings(node: ast.ClassDef, classes: dict[str, ast.ClassDef]) -> dict[str, Any]:
    """What the body of a class says, over what its base class in this file says."""
    settings: dict[str, Any] = {}
    for base in _bases(node):
        if base in classes:
            settings = _settings(classes[base], classes)
    own: dict[str, Any] = {}
    for statement in node.body:
        if isinstance(statement, ast.ClassDef):
            own[statement.name] = _settings(statement, classes)
        elif isinstance(statement, ast.Assign) and isinstance(statement.targets[0], ast.Name):
            own[statement.targets[0].id] = _value(statement.value)
    return _over(settings, own)


def _bases(node: ast.ClassDef) -> list[str]:
    return [base.id for base in node.bases if isinstance(base, ast.Name)]


def _value(node: ast.expr) -> Any:
    try:
        return ast.literal_eval(node)
    except (ValueError, TypeError, SyntaxError):
        return Unreadable(ast.unparse(node))


def _over(below: dict[str, Any], above: dict[str, Any]) -> dict[str, Any]:
    """A tree of settings over another; what is no section is replaced as a whole.

    Tables of joints are no sections: a robot's angles replace those of its base class.
    """
    merged = dict(below)
    for key, value in above.items():
        section = isinstance(value, dict) and isinstance(merged.get(key), dict) and key not in _TABLES
        merged[key] = _over(merged[key], value) if section else value
    return merged


_TABLES = ("stiffness", "damping", "default_joint_angles")
