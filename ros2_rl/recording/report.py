"""A run on one page: ``ros2 run ros2_rl report RUN [RUN2]``. Two runs stand side by side.

Leaves ``report.html``, which needs nothing beside it, and the figures as PNG in ``report/``.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from ros2_rl.errors import RecordError, Ros2RlError
from ros2_rl.policy.onnx_policy import write_bytes
from ros2_rl.recording.figures import draw
from ros2_rl.recording.page import page
from ros2_rl.recording.reader import find_files
from ros2_rl.recording.run_data import load_run


def report(paths: Sequence[Path], out: Path) -> Path:
    """Write the report of one run or two into a folder; the page's path.

    Raises:
        RecordError: a run has no record, or the folder cannot be written.
    """
    runs = [load_run(path) for path in paths]
    try:
        (out / "report").mkdir(parents=True, exist_ok=True)
        text = page(runs, draw(runs, out / "report"))
        write_bytes(out / "report.html", text.encode())
    except OSError as error:
        raise RecordError(f"{out} cannot be written ({error.strerror}); choose another folder.") from error
    return out / "report.html"


def main(args: list[str] | None = None) -> int:
    """Entry point of ``ros2 run ros2_rl report``."""
    parser = argparse.ArgumentParser(prog="report", description="A run on one page; two: side by side.")
    parser.add_argument("run", type=Path, help="folder of a recorded run, or of its record")
    parser.add_argument("run2", type=Path, nargs="?", help="a second one, to compare")
    parser.add_argument("--out", type=Path, help="folder of the report; default: that of the first run")
    given = parser.parse_args(args)
    paths = [path for path in (given.run, given.run2) if path is not None]
    try:
        print(f"The report is {report(paths, given.out or find_files(given.run)[0].parent.parent)}.")
    except Ros2RlError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
