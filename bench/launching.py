"""Runs the launch file as a user does and reads what it left behind."""

import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from ros2_rl.domain import lease_domain


def finetune(arguments: Mapping[str, object], run_dir: Path | None = None, timeout_s: float = 3600.0) -> dict:
    """``ros2 launch ros2_rl finetune.launch.py`` with these arguments; its ``summary.json``.

    Raises:
        RuntimeError: the launch failed; its last lines are in the message.
    """
    run_dir = run_dir or Path(tempfile.mkdtemp(prefix="ros2_rl_"))
    with launched("finetune.launch.py", arguments, run_dir) as (process, _):
        process.wait(timeout_s)
    summary = run_dir / "summary.json"
    if not summary.is_file():
        raise RuntimeError(f"The launch ended well but left no {summary}.")
    return json.loads(summary.read_text())


def simulate(arguments: Mapping[str, object], run_dir: Path, seconds: float) -> None:
    """``ros2 launch ros2_rl sim.launch.py`` for some seconds of wall time, then Ctrl-C.

    Raises:
        RuntimeError: the launch did not end well; its last lines are in the message.
    """
    with launched("sim.launch.py", arguments, run_dir) as (process, _), suppress(subprocess.TimeoutExpired):
        process.wait(seconds)


@contextmanager
def launched(
    file: str, arguments: Mapping[str, object], run_dir: Path
) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    """A launch file while the block runs, then Ctrl-C unless it has ended; the process and its ROS domain.

    Whoever ends the benchmark (SIGTERM) ends the launch as well.

    Raises:
        RuntimeError: the launch did not end well; its last lines are in the message.
    """
    given = [f"{key}:={value}" for key, value in arguments.items()]
    command = ["ros2", "launch", "ros2_rl", file, *given, f"run_dir:={run_dir}"]
    run_dir.mkdir(parents=True, exist_ok=True)
    log_path = run_dir / "launch.log"
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    with log_path.open("w") as log, lease_domain() as domain:
        process = subprocess.Popen(
            command, stdout=log, stderr=subprocess.STDOUT, env=os.environ | {"ROS_DOMAIN_ID": str(domain)}
        )
        try:
            yield process, domain
        finally:
            if process.poll() is None:
                process.send_signal(signal.SIGINT)
                process.wait(60)
    if process.returncode != 0:
        tail = log_path.read_text().splitlines()[-15:]
        raise RuntimeError(f"{' '.join(command)} ended with {process.returncode}:\n" + "\n".join(tail))


def write_result(path: Path | None, figures: Mapping[str, float | None]) -> None:
    """Flat JSON, figure: value."""
    if path is not None:
        path.write_text(json.dumps(figures, indent=2) + "\n")
