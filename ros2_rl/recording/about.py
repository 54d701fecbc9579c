"""What a record says of its run beyond the messages: code, policy, programs, arguments."""

import json
import platform
import subprocess
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import onnx

from ros2_rl.errors import RecordError
from ros2_rl.paths import share_path
from ros2_rl.recording.reader import ABOUT
from ros2_rl.recording.writer import BagWriter

GIT, CONTRACT, POLICY, DIFF = "git", "policy_contract", "policy.onnx", "uncommitted.diff"
PARAMETERS = "parameters"
"""A note of this name, followed by a node's full name, holds its parameters."""
_PROGRAMS = ("ros2_rl", "mujoco", "numpy", "onnxruntime", "pin", "torch", "mcap")
_DIFF_BYTES = 1024**2


def git_state(folder: Path) -> tuple[dict[str, str], bytes]:
    """Commit, branch and whether anything is not committed; and that as a diff (at most 1 MiB).

    Empty where the code is not in a git checkout.
    """
    commit = _git(folder, "rev-parse", "HEAD").strip().decode()
    if not commit:
        return {}, b""
    changed = _git(folder, "status", "--porcelain").decode(errors="replace").splitlines()
    about = {
        "commit": commit,
        "branch": _git(folder, "rev-parse", "--abbrev-ref", "HEAD").strip().decode(),
        "describe": _git(folder, "describe", "--always", "--dirty").strip().decode(),
        "changed_files": ", ".join(line[3:] for line in changed)[:10_000],
    }
    return about, _git(folder, "diff", "HEAD")[:_DIFF_BYTES] if changed else b""


def policy_note(data: bytes) -> dict[str, str]:
    """The contract that travels in a policy file, as it is written there.

    Raises:
        RecordError: it is no ONNX model.
    """
    try:
        model = onnx.load_model_from_string(data)
    except Exception as error:  # protobuf's errors have no common public base class
        raise RecordError("The policy of the run is no ONNX model; give the one that runs.") from error
    return {entry.key: entry.value for entry in model.metadata_props}


class Description:
    """Notes and files for the beginning of a record; gathered once."""

    def __init__(self, policy: Path | None, arguments: str, facts: dict[str, str]):
        """``policy``: that the run begins with, None where there is none; ``arguments``: those of the launch,
        as JSON; ``facts``: what else is to be noted.

        Raises:
            RecordError: the policy cannot be read.
        """
        self.notes: dict[str, dict[str, str]] = {
            ABOUT: {
                "python": platform.python_version(),
                "machine": platform.platform(),
                **{name: _version(name) for name in _PROGRAMS},
                "policy": str(policy or ""),
                **facts,
            },
            "arguments": {key: str(value) for key, value in json.loads(arguments or "{}").items()},
        }
        self.files: dict[str, bytes] = {}
        git, diff = git_state(share_path())
        self.notes[GIT] = git or {"commit": "unknown: the code is not in a git checkout"}
        if diff:
            self.files[DIFF] = diff
        if policy is not None:
            self._keep_policy(policy)

    def _keep_policy(self, policy: Path) -> None:
        try:
            self.files[POLICY] = policy.read_bytes()
        except OSError as error:
            raise RecordError(
                f"The policy {policy} cannot be read ({error.strerror}); give the one that runs."
            ) from error
        self.notes[CONTRACT] = policy_note(self.files[POLICY])

    def write(self, writer: BagWriter) -> None:
        """Put everything into a record.

        Raises:
            RecordError: it cannot be written.
        """
        for name, values in self.notes.items():
            writer.note(name, values)
        for name, data in self.files.items():
            writer.attach(name, "application/octet-stream", data)


def _git(folder: Path, *words: str) -> bytes:
    """What git says; nothing where it fails, is missing or takes long."""
    try:
        done = subprocess.run(["git", "-C", str(folder), *words], capture_output=True, timeout=10, check=True)
    except (OSError, subprocess.SubprocessError):
        return b""
    return done.stdout


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "unknown"
