"""Services of ``learner``: what a person asks of it and says of the robot while it learns."""

from collections.abc import Callable
from functools import partial

from rclpy.node import Node

from ros2_rl.learning.events import Restore
from ros2_rl.learning.finetune import FineTuning
from ros2_rl.learning.settings import JUDGEMENTS
from ros2_rl.learning.worker import Worker
from ros2_rl.nodes.asking import offer


class LearnerServices:
    """``learner/{pause,resume,save,rollback}`` and ``learner/judge_*`` of a node.

    Args:
        node: whose services they are.
        tuning: the session and what learns in it.
        worker: makes a version act again.
        save: writes adapter and merged policy; returns the sentence that says where.
        stamp_ns: of the newest control step, ns.
    """

    def __init__(
        self,
        node: Node,
        tuning: FineTuning,
        worker: Worker,
        save: Callable[[], str],
        stamp_ns: Callable[[], int],
    ):
        self._tuning, self._worker, self._stamp_ns = tuning, worker, stamp_ns
        answers: dict[str, Callable[[], str]] = {
            "pause": partial(self._pause, True),
            "resume": partial(self._pause, False),
            "save": save,
            "rollback": self._roll_back,
            **{f"judge_{kind}": partial(self._judge, kind) for kind in JUDGEMENTS},
        }
        for name, answer in answers.items():
            offer(node, f"learner/{name}", partial(_done, answer))

    def _pause(self, paused: bool) -> str:
        self._tuning.session.paused = paused
        return "Learning is paused; the robot goes on." if paused else "Learning goes on."

    def _roll_back(self) -> str:
        version = self._tuning.session.good_version
        self._worker.take_on(Restore(version, 0))
        return f"Version {version} acts again at the next control step."

    def _judge(self, kind: str) -> str:
        return self._tuning.judge(kind, self._stamp_ns())


def _done(answer: Callable[[], str]) -> tuple[bool, str]:
    return True, answer()
