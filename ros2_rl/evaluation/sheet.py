"""What an exam leaves behind: ``exam.json``, ``exam.png`` and a table."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from ros2_rl.errors import ConfigError
from ros2_rl.evaluation.candidate import Result
from ros2_rl.evaluation.exam import ADVERSARY, GAPS, GRID, PUSHES
from ros2_rl.evaluation.verdict import Check
from ros2_rl.policy.onnx_policy import write_bytes


def summary(results: dict[str, Result], verdict: Sequence[Check]) -> dict[str, Any]:
    """The content of ``exam.json``; without a verdict ``passed`` is None."""
    return {
        "passed": all(check.passed for check in verdict) if verdict else None,
        "checks": [asdict(check) | {"passed": check.passed} for check in verdict],
        **{
            name: {
                "policy": str(result.policy),
                "figures": result.figures(),
                "trials": [asdict(outcome) for _, outcome in result.done],
            }
            for name, result in results.items()
        },
    }


def leave_behind(out: Path, results: dict[str, Result], verdict: Sequence[Check], video: str) -> None:
    """Write ``exam.json`` and ``exam.png``; each appears whole or not at all.

    Raises:
        ConfigError: the folder cannot be written.
    """
    data = _plain(summary(results, verdict) | {"video": video})
    try:
        write_bytes(out / "exam.json", (json.dumps(data, indent=2) + "\n").encode())
        plot(results, out / "exam.png")
    except OSError as error:
        raise ConfigError(
            f"The exam cannot be written to {out} ({error.strerror}); free some space."
        ) from error


def print_table(results: dict[str, Result], verdict: Sequence[Check]) -> None:
    """The figures of each policy, then the conditions."""
    table = Table(title="exam")
    table.add_column("figure")
    figures = {name: result.figures() for name, result in results.items()}
    for name in figures:
        table.add_column(name, justify="right")
    for key in next(iter(figures.values())):
        table.add_row(key, *(f"{found[key]:.3f}" for found in figures.values()))
    console = Console(width=100)
    console.print(table)
    for check in verdict:
        word = "pass" if check.passed else "FAIL"
        sign = "at least" if check.at_least else "at most"
        console.print(f"{word}  {check.what}: {check.reached:.3f} ({sign} {check.bound:.3f})", markup=False)


def plot(results: dict[str, Result], path: Path) -> None:
    """Tracking error of each command, what was lost in each section, and the adversary's search."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, (errors, losses, search) = pyplot.subplots(3, 1, figsize=(9, 9))
    for number, (name, result) in enumerate(results.items()):
        _bars(errors, name, number, result)
        sections = [result.of(section) for section in (GRID, PUSHES, GAPS)]
        share = [100.0 * sum(o.lost for o in outcomes) / max(len(outcomes), 1) for outcomes in sections]
        losses.bar(np.arange(3) + 0.35 * number, share, width=0.35, label=name)
        tries = [(trial.pushes[0].speed, o.lost) for trial, o in result.done if trial.section == ADVERSARY]
        (line,) = search.plot(np.arange(1, len(tries) + 1), [speed for speed, _ in tries], label=name)
        felled = [(i, speed) for i, (speed, lost) in enumerate(tries, start=1) if lost]
        search.plot([i for i, _ in felled], [s for _, s in felled], "x", color=line.get_color())
    errors.set_ylabel("tracking error, m/s")
    losses.set_xticks(np.arange(3) + 0.175, ("grid", "shoves", "other robots"))
    losses.set_ylabel("trials lost, %")
    losses.set_ylim(0.0, 100.0)
    search.set_ylabel("shove, m/s (x: felled)")
    search.set_xlabel("try of the adversary")
    for axis in (errors, losses, search):
        axis.legend(fontsize=8)
        axis.grid(alpha=0.3)
    figure.tight_layout()
    temporary = path.with_name(f".{path.stem}.part.png")
    figure.savefig(temporary, dpi=110)
    pyplot.close(figure)
    temporary.replace(path)


def _bars(axis: Any, name: str, number: int, result: Result) -> None:
    outcomes = result.of(GRID)
    places = np.arange(len(outcomes))
    axis.bar(places + 0.35 * number, [o.error_v for o in outcomes], width=0.35, label=name)
    axis.set_xticks(places + 0.175, [o.name for o in outcomes], rotation=35, ha="right", fontsize=7)


def _plain(value: Any) -> Any:
    """JSON has no nan: null stands for what was not measured."""
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return None if isinstance(value, float) and not np.isfinite(value) else value
