"""Arguments of ``replay.launch.py``, and the settings with which the recorded nodes ran."""

import ast
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ros2_rl.errors import ConfigError
from ros2_rl.launch_values import LOG_LEVELS, Table, complete
from ros2_rl.recording.playback import FEEDS
from ros2_rl.recording.reader import Bag
from ros2_rl.recording.replay import beside
from ros2_rl.recording.settings import RunSettings

REPLAY_ARGUMENTS: Table = {
    "run": ("", "folder of a recorded run, or of its record"),
    "feed": ("estimator", f"what gets the record: {', '.join(FEEDS)}"),
    "policy": ("", "executor, learner: another ONNX policy than the recorded one"),
    "learner": ("", "learner: another one than the recorded one, as in config/learners"),
    "out": ("", "folder of the results; empty: replay/ beside the record"),
    "namespace": ("replay", "namespace of the nodes, away from those of a robot"),
    "log_level": ("info", f"log level of all nodes: {', '.join(LOG_LEVELS)}"),
}
_NOT_REPLAYED = ("use_sim_time", "start_type_description_service", "run_dir", "resume")


@dataclass(frozen=True)
class ReplayArgs:
    """Checked arguments; paths are absolute. The last ones are what any node is begun with."""

    run: str
    feed: str
    out: str
    namespace: str
    log_level: str
    parameters: Mapping[str, Any]
    """Of the node that is fed."""
    robot: str
    params_file: str = ""
    use_sim_time: bool = False
    record: str = "false"


def check_replay_args(values: Mapping[str, str]) -> ReplayArgs:
    """Check the arguments and read the record's settings.

    Raises:
        ConfigError: an unknown argument or a value that cannot be.
        RecordError: there is no such record.
    """
    text = complete(values, REPLAY_ARGUMENTS)
    if text["feed"] not in FEEDS:
        raise ConfigError(f"There is no feed '{text['feed']}'; there are {', '.join(FEEDS)}.")
    if not text["run"]:
        raise ConfigError("Which run is to be replayed? Name its folder as run:=<folder>.")
    run = Path(text["run"]).expanduser().absolute()
    settings = RunSettings(Bag(run))
    out = Path(text["out"]).expanduser().absolute() if text["out"] else beside(run)
    parameters = _parameters(settings.node(FEEDS[text["feed"]].node)) | _changes(text, out)
    return ReplayArgs(
        str(run),
        text["feed"],
        str(out),
        text["namespace"],
        text["log_level"],
        parameters,
        settings.robot().name,
    )


def _changes(text: Mapping[str, str], out: Path) -> dict[str, Any]:
    """Parameters that differ from the recorded ones."""
    changes: dict[str, Any] = {}
    if text["policy"] and text["feed"] != "estimator":
        changes["policy"] = str(Path(text["policy"]).expanduser().absolute())
        if not Path(changes["policy"]).is_file():
            raise ConfigError(
                f"There is no policy file {changes['policy']}; give the path of an ONNX policy."
            )
    if text["feed"] == "executor":
        changes |= {"lockstep": True, "lockstep_timeout_s": 10.0}  # every input of a step is waited for
    if text["feed"] == "learner":
        changes |= {"run_dir": str(out / "learner")}
        changes |= {"learner": text["learner"]} if text["learner"] else {}
    return changes


def _parameters(given: Mapping[str, str]) -> dict[str, Any]:
    """Recorded parameters with their types."""
    return {name: _typed(value) for name, value in given.items() if name not in _NOT_REPLAYED}


def _typed(text: str) -> Any:
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError):
        return text
