"""A recorded run through one of the nodes' cores, in this process: ``ros2 run ros2_rl replay RUN``.

Prints what is equal and what is not, and leaves ``replay-<feed>.png`` and ``.json`` behind. The same
through the nodes themselves: ``replay.launch.py``.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from ros2_rl.errors import ConfigError, RecordError, Ros2RlError
from ros2_rl.policy.onnx_policy import write_bytes
from ros2_rl.recording.compare import Comparison, plot
from ros2_rl.recording.reader import Bag, find_files
from ros2_rl.recording.replay_estimator import replay_estimator
from ros2_rl.recording.replay_executor import replay_executor
from ros2_rl.recording.replay_learner import replay_learner
from ros2_rl.recording.settings import RunSettings

FEEDS = ("estimator", "executor", "learner")


def leave_behind(comparisons: Sequence[Comparison], out: Path, feed: str, title: str) -> None:
    """Print the lines; write the plot and the figures.

    Raises:
        RecordError: the folder cannot be written.
    """
    figures: dict[str, float] = {}
    for comparison in comparisons:
        print(comparison.line(), flush=True)
        figures |= comparison.figures()
    try:
        out.mkdir(parents=True, exist_ok=True)
        write_bytes(out / f"replay-{feed}.json", (json.dumps(figures, indent=2) + "\n").encode())
        plot(comparisons, out / f"replay-{feed}.png", title)
    except OSError as error:
        raise RecordError(f"{out} cannot be written ({error.strerror}); choose another folder.") from error
    print(f"The difference is drawn in {out / f'replay-{feed}.png'}.")


def beside(run: Path) -> Path:
    """Where a replay of a run leaves its results, unless it is told."""
    return find_files(run)[0].parent.parent / "replay"


def main(args: list[str] | None = None) -> int:
    """Entry point of ``ros2 run ros2_rl replay``."""
    given = _parser().parse_args(args)
    try:
        _replay(given)
    except Ros2RlError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="replay", description="Replay a recorded run in this process.")
    parser.add_argument("run", type=Path, help="folder of a run or of its record")
    parser.add_argument("--feed", choices=FEEDS, default="estimator", help="what gets the record")
    parser.add_argument("--policy", type=Path, help="executor, learner: another policy than the recorded one")
    parser.add_argument("--learner", default="", help="learner: another one, as in config/learners")
    parser.add_argument("--seed", type=int, help="learner: another seed")
    parser.add_argument("--out", type=Path, help="folder of the results; default: replay/ beside the record")
    return parser


def _replay(given: argparse.Namespace) -> None:
    if given.policy is not None and not given.policy.is_file():
        raise ConfigError(f"There is no policy file {given.policy}; give the path of an ONNX policy.")
    bag = Bag(given.run)
    if bag.damage:
        print(bag.damage, file=sys.stderr)
    RunSettings(bag).legs_only("replay")
    out = given.out or beside(given.run)
    if given.feed == "estimator":
        comparisons = replay_estimator(bag)
    elif given.feed == "executor":
        comparisons = replay_executor(bag, given.policy)
    else:
        out.mkdir(parents=True, exist_ok=True)
        replayed = replay_learner(bag, given.learner, given.policy, given.seed, export_to=out)
        comparisons = replayed.comparisons()
    leave_behind(comparisons, out, given.feed, f"{given.run}: {given.feed}")


if __name__ == "__main__":
    sys.exit(main())
