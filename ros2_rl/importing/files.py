"""Which files belong to a foreign policy, and in whose words its configuration is written."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from ros2_rl.errors import ConfigError
from ros2_rl.importing.fields import Fields
from ros2_rl.importing.python_config import read_classes

LEGGED_GYM, RL_SAR, DEPLOY = "legged_gym", "rl_sar", "unitree_rl_lab"
_KEYS = {
    DEPLOY: ("joint_ids_map", "observations", "actions"),
    RL_SAR: ("rl_kp", "observations"),
    LEGGED_GYM: ("control", "init_state"),
}
"""What tells the configurations apart."""
_BESIDE = ("config.yaml", "deploy.yaml", "params/deploy.yaml", "../params/deploy.yaml")
"""Where a configuration is looked for, from the folder of the policy."""


@dataclass(frozen=True)
class Config:
    """The configuration of a policy."""

    kind: str
    fields: Fields
    activation: str
    """Kind of activation of the network, if the files say; else empty."""


class _Loader(yaml.SafeLoader):
    """Plain YAML, and the tuples that Isaac Lab leaves in it; other Python objects become nothing."""


def _tuple(loader: yaml.SafeLoader, node: yaml.SequenceNode) -> tuple:
    return tuple(loader.construct_sequence(node, deep=True))


_Loader.add_constructor("tag:yaml.org,2002:python/tuple", _tuple)
_Loader.add_multi_constructor("tag:yaml.org,2002:python/", lambda loader, suffix, node: None)


def find_config(policy: Path) -> Path | None:
    """The configuration beside a policy, where the stacks put it."""
    return next((path for path in (policy.parent / name for name in _BESIDE) if path.is_file()), None)


def read_config(path: Path) -> Config:
    """Read a configuration and recognise whose it is.

    Raises:
        ConfigError: it cannot be read, or belongs to no stack that is known.
    """
    values = read_classes(_text(path), path.name) if path.suffix == ".py" else _yaml(path)
    if len(values) == 1 and isinstance(only := next(iter(values.values())), dict):
        values = only  # rl_sar puts everything under the name of the policy
    kind = next((kind for kind, keys in _KEYS.items() if all(key in values for key in keys)), "")
    if not kind:
        wanted = "; ".join(f"{', '.join(keys)} ({kind})" for kind, keys in _KEYS.items())
        raise ConfigError(
            f"{path.name} is no configuration of a policy that is known here: none has its keys, "
            f"which would be {wanted}."
        )
    if kind == RL_SAR:
        values = _base(path) | values
    fields = Fields(path.name, values)
    return Config(kind, fields, _activation(path, fields))


def _base(path: Path) -> dict[str, Any]:
    """rl_sar's settings of the robot, beside those of the policy or one folder up; empty without the file."""
    for folder in (path.parent, path.parent.parent):
        if (folder / "base.yaml").is_file():
            values = _yaml(folder / "base.yaml")
            only = next(iter(values.values()), None)
            return only if len(values) == 1 and isinstance(only, dict) else values
    return {}


def _activation(path: Path, fields: Fields) -> str:
    """From the configuration itself, or from Isaac Lab's ``agent.yaml`` beside it."""
    if fields.has("policy.activation"):
        return fields.text("policy.activation")
    agent = path.parent / "agent.yaml"
    if not agent.is_file():
        return ""
    found = Fields(agent.name, _yaml(agent))
    paths = [p for p in ("policy.activation", "actor.activation") if found.has(p)]
    return found.text(paths[0]) if paths else ""


def _yaml(path: Path) -> dict[str, Any]:
    try:
        values = yaml.load(_text(path), _Loader)  # noqa: S506, a safe loader with tuples
    except yaml.YAMLError as error:
        raise ConfigError(
            f"{path.name} is not YAML: {' '.join(str(error).split())[:120]}; mend it."
        ) from error
    if not isinstance(values, Mapping) or not values:
        raise ConfigError(f"{path.name} holds no settings; give the configuration of the policy.")
    return dict(values)


def _text(path: Path) -> str:
    try:
        return path.read_text()
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path.name} is not a text file; give the configuration of the policy.") from error
    except OSError as error:
        raise ConfigError(
            f"The configuration {path} cannot be read ({error.strerror}); give its path with --config."
        ) from error
