"""What a launch prints: its own lines and those of its processes."""

import sys


def info(who: str, text: str) -> None:
    """A line of information."""
    _line(f"[INFO] [{who}]: {text}")


def warning(who: str, text: str) -> None:
    """A line of warning."""
    _line(f"[WARNING] [{who}]: {text}")


def error(who: str, text: str) -> None:
    """A line about a failure."""
    _line(f"[ERROR] [{who}]: {text}")


def output(who: str, text: str) -> None:
    """A line that a process wrote."""
    _line(f"[{who}] {text}")


def _line(text: str) -> None:
    try:
        print(text, flush=True)
    except (BrokenPipeError, OSError):  # whoever read us has gone; the robot still has to be stopped
        sys.stdout = sys.stderr
