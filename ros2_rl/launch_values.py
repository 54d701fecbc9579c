"""What values of launch arguments may be, whatever is launched: checks of one value each.

A value that cannot be is a ConfigError: one sentence that names it, the reason and the remedy.
"""

import os
import re
import shutil
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from ros2_rl.errors import ConfigError, RecordError
from ros2_rl.recording.budget import check_room

RECORD = ("true", "false", "events")
LOG_LEVELS = ("debug", "info", "warn", "error", "fatal")
STATE_RATE_HZ = 200.0
LOCKSTEP_STATE_RATE_HZ = 100.0
"""In lockstep the graph, not the robot, is what costs time: half the states, twice the speed."""
FREE_BYTES = 200 * 1024**2
"""A run keeps checkpoints, logs and curves; less free space than this cannot end well."""

Table = dict[str, tuple[str, str]]
"""Name of an argument: default and description."""


def complete(values: Mapping[str, str], table: Table) -> dict[str, str]:
    """All arguments of a table, with the default of what was not said; an unknown one is refused."""
    for name in values:
        if name not in table:
            raise ConfigError(f"There is no argument '{name}'; there are {', '.join(table)}.")
    return {name: values.get(name, default) for name, (default, _) in table.items()}


def one_of(name: str, value: str, choices: tuple[str, ...]) -> str:
    if value not in choices:
        raise ConfigError(f"There is no {name} '{value}'; available: {', '.join(choices)}.")
    return value


def number(name: str, text: str, low: float, high: float, whole: bool = False) -> float:
    """A finite number within [low, high]."""
    try:
        value = float(int(text) if whole else text)
    except ValueError:
        kind = "a whole number" if whole else "a number"
        raise ConfigError(f"{name} must be {kind} from {low:g} to {high:.10g}, not '{text}'.") from None
    if not low <= value <= high:
        raise ConfigError(f"{name} must be from {low:g} to {high:.10g}, not {text}.")
    return value


def yes(name: str, text: str) -> bool:
    return one_of(name, text.lower(), ("true", "false", "1", "0")) in ("true", "1")


def check_headless(text: str) -> bool:
    value = yes("headless", text)
    if not value and not (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")):
        raise ConfigError("There is no display for headless:=false; set DISPLAY or use headless:=true.")
    return value


def check_namespace(text: str) -> str:
    if text and not re.fullmatch(r"/?[A-Za-z_]\w*(/[A-Za-z_]\w*)*", text, re.ASCII):
        raise ConfigError(f"'{text}' is not a namespace; use letters, digits and _, as in robot1 or lab/go2.")
    return text


def check_params_file(text: str) -> str:
    """The file's absolute path; rcl itself would say less about a file that it cannot read."""
    if not text:
        return ""
    path = Path(text).expanduser().absolute()
    try:
        blocks = yaml.safe_load(path.read_text())
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        reason = getattr(error, "strerror", None) or "it is not YAML"
        raise ConfigError(f"The params_file {path} cannot be read: {reason}.") from error
    if not isinstance(blocks, dict) or not all(_has_parameters(block) for block in blocks.values()):
        raise ConfigError(
            f"The params_file {path} is not a ROS parameter file; each block is a node's name "
            "with its ros__parameters, as in config/ros2_rl.yaml."
        )
    return str(path)


def _has_parameters(block: object) -> bool:
    """Whether this is a node's block, or a namespace that holds nothing but such blocks."""
    if not isinstance(block, dict):
        return False
    if "ros__parameters" in block:
        return isinstance(block["ros__parameters"], dict)
    return bool(block) and all(_has_parameters(below) for below in block.values())


def earlier_run(text: str) -> str:
    """Absolute path of a run that can be gone on from; empty for none."""
    if not text:
        return ""
    path = Path(text).expanduser().absolute()
    if not (path / "checkpoints").is_dir():
        raise ConfigError(f"There is nothing to resume in {path}: it has no folder checkpoints.")
    return str(path)


def check_run_dir(text: str) -> str:
    """A folder that can be made and written and has no run in it yet; it is not made here."""
    path = Path(text).expanduser() if text else Path("runs") / time.strftime("%Y%m%d-%H%M%S")
    path = path.absolute()
    if (path / "summary.json").exists():
        raise ConfigError(f"The run folder {path} holds a run already; choose another run_dir.")
    existing = next(folder for folder in (path, *path.parents) if folder.exists())
    try:
        with tempfile.TemporaryFile(dir=existing):
            free = shutil.disk_usage(existing).free
    except OSError as error:
        raise ConfigError(
            f"The run folder {path} cannot be written ({error.strerror}); choose another run_dir."
        ) from error
    if free < FREE_BYTES:
        raise ConfigError(
            f"The disk of {path} has {free / 1024**2:.0f} MiB free and a run needs "
            f"{FREE_BYTES / 1024**2:.0f} MiB; make room or choose another run_dir."
        )
    return str(path)


def recording(text: Mapping[str, str]) -> dict[str, Any]:
    """Whether a run is recorded, and how large its record may become."""
    return {
        "record": one_of("way of recording", text["record"].lower(), RECORD),
        "record_mib": number("record_mib", text["record_mib"], 1, 1e7),
    }


def check_record(common: Mapping[str, Any], run_dir: str, minutes: float) -> None:
    """Refuse a record for which there is no room; ``minutes``: robot time that is known to come."""
    if common["record"] == "false":
        return
    known = minutes if common["record"] == "true" else 0.0
    rate_hz = LOCKSTEP_STATE_RATE_HZ if common["speed"] == 0 else STATE_RATE_HZ
    try:
        check_room(Path(run_dir), common["record_mib"], known, rate_hz)
    except RecordError as error:
        raise ConfigError(str(error)) from None
