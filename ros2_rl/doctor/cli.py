"""``ros2 run ros2_rl doctor``: looks at machine, network, clock and versions, and says what to mend.

The exit status is 1 if something would keep a run from beginning or from ending well.
"""

import argparse
from collections.abc import Sequence

from rich.console import Console
from rich.table import Table

from ros2_rl.doctor.clock import check_clock
from ros2_rl.doctor.finding import Finding, Level
from ros2_rl.doctor.machine import check_machine
from ros2_rl.doctor.network import check_network
from ros2_rl.doctor.versions import check_versions

_COLOURS = {Level.OK: "green", Level.WARN: "yellow", Level.FAIL: "bold red"}


def main(args: Sequence[str] | None = None) -> int:
    """Look at everything, print a table; the exit status."""
    given = _parser().parse_args(args)
    interface = given.interface
    parts = {
        "machine": check_machine(on_robot=bool(interface)),
        "network": check_network(interface),
        "clock": check_clock(on_robot=bool(interface)),
        "versions": check_versions(given.robot, given.task, given.policy),
    }
    return report(parts, Console())


def report(parts: dict[str, list[Finding]], console: Console) -> int:
    """Print the findings; 1 if one of them is a failure."""
    table = Table("", "", "found", "what to do")
    for part, findings in parts.items():
        for i, finding in enumerate(findings):
            found = f"[{_COLOURS[finding.level]}]{finding.found}[/]"
            table.add_row("" if i else part, finding.what, found, finding.remedy)
        table.add_section()
    console.print(table)
    levels = [finding.level for findings in parts.values() for finding in findings]
    bad, so_so = levels.count(Level.FAIL), levels.count(Level.WARN)
    verdict = f"{bad} must be mended" if bad else "ready"
    rest = f", {so_so} could be better" if so_so else ""
    console.print(f"{len(levels)} looked at: {verdict}{rest}.")
    return 1 if bad else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="doctor", description="Check this computer before a run.")
    parser.add_argument("--interface", default="", help="network interface to a Go2; empty: simulation only")
    parser.add_argument("--robot", default="go2", help="robot, as in config/robots (go2)")
    parser.add_argument("--task", default="trot", help="task, as in config/tasks (trot)")
    parser.add_argument("--policy", default="", help="policy (ONNX); empty: that of the task")
    return parser


if __name__ == "__main__":
    raise SystemExit(main())
