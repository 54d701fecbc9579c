"""Node ``player``: plays a record to one node and compares what that node answers.

It publishes the recorded bytes under its own namespace and waits for an answer wherever the record
has one, so that the replay does not depend on how fast anybody is. It never writes ``joint_commands``.
"""

import sys
import time
from collections import defaultdict
from pathlib import Path

from diagnostic_msgs.msg import DiagnosticStatus
from rclpy.clock import Clock, ClockType
from rclpy.duration import Duration
from rclpy.executors import Executor
from rclpy.node import Node
from rclpy.publisher import Publisher

from ros2_rl.errors import RecordError
from ros2_rl.nodes._main import run_together
from ros2_rl.nodes.loop_diagnostics import LoopDiagnostics
from ros2_rl.nodes.parameters import Row, declare
from ros2_rl.nodes.recorder import message_class, qos_of
from ros2_rl.recording.playback import FEEDS, Await, Playback, Publish
from ros2_rl.recording.reader import Bag
from ros2_rl.recording.replay import beside, leave_behind
from ros2_rl.recording.settings import RunSettings

_TOGETHER = 50
"""Messages at most between two looks at what has come."""
_SETTLED_S = 1.0
_GIVE_UP = 3
"""Answers in a row that did not come, before the replay is given up."""
_PARAMETERS: tuple[Row, ...] = (
    ("run", "", "folder of a run or of its record"),
    ("feed", "estimator", f"what gets the record: {', '.join(FEEDS)}"),
    ("out", "", "folder of the results; empty: replay/ beside the record"),
    ("messages_per_s", 3000.0, "most that are played a second", (1.0, 1e6)),
    ("patience_s", 20.0, "longest wait for an answer, s", (0.1, 600.0)),
)


class Player(Node):
    """See the module. Ends with status 0 when all is played and compared."""

    def __init__(self) -> None:
        super().__init__("player")
        self._value = declare(self, _PARAMETERS)
        feed = self._value("feed")
        if feed not in FEEDS:
            raise RecordError(f"There is no feed '{feed}'; there are {', '.join(FEEDS)}.")
        self._run = Path(self._value("run"))
        self._bag = Bag(self._run)
        if self._bag.damage:
            self.get_logger().warning(self._bag.damage)
        RunSettings(self._bag).legs_only("replay")
        self._playback = Playback(self._bag, feed)
        self._script = self._playback.script()
        self._answers: dict[str, dict[int, bytes]] = defaultdict(dict)
        self._publishers_of: dict[str, Publisher] = {}
        self._awaited: Await | None = None
        self._deadline, self._unanswered, self._begun = 0.0, 0, False
        self._played = self._missing = 0
        self._not_before = self._settled = time.monotonic()
        self._connect()

    def turn(self, executor: Executor) -> None:
        """Play on as far as the answers allow, then hear what has come."""
        begin = time.monotonic()
        if self._begun or self._begin():
            self._play()
            self._loop.ran(time.monotonic_ns(), time.monotonic() - begin)
        executor.spin_once(timeout_sec=0.0 if self._awaited is None else 0.01)

    def _connect(self) -> None:
        self._loop = LoopDiagnostics(self)
        self.create_timer(1.0, self._each_second, clock=Clock(clock_type=ClockType.STEADY_TIME))
        for name in self._playback.feed.inputs:
            if self._bag.has(name):
                topic = self._bag.topics[self._bag.full_name(name)]
                kind = message_class(topic.type)
                self._publishers_of[name] = self.create_publisher(kind, name, qos_of(topic))
        for name in self._playback.feed.answers:
            topic = self._bag.topics[self._bag.full_name(name)]

            def hear(data: bytes, name: str = name) -> None:
                self._answers[name][self._playback.number(name, data)] = data

            self.create_subscription(message_class(topic.type), name, hear, qos_of(topic), raw=True)

    def _begin(self) -> bool:
        """Whether the node has been there, heard and listening for a moment.

        Discovery goes both ways: a reader that is seen here may not have found this writer yet.
        """
        heard = all(self.count_publishers(self.resolve_topic_name(n)) for n in self._playback.feed.answers)
        read = all(publisher.get_subscription_count() for publisher in self._publishers_of.values())
        if not (heard and read):
            self._settled = time.monotonic()
        self._begun = time.monotonic() - self._settled >= _SETTLED_S
        self._not_before = time.monotonic()
        return self._begun

    def _play(self) -> None:
        for _ in range(_TOGETHER):
            if not self._answered() or time.monotonic() < self._not_before:
                return
            step = next(self._script, None)
            if step is None:
                self._finish()
            elif isinstance(step, Publish):
                self._send(step)
                self._not_before += 1.0 / self._value("messages_per_s")
            else:
                self._awaited, self._deadline = step, time.monotonic() + self._value("patience_s")
        self._not_before = max(self._not_before, time.monotonic() - 0.1)

    def _send(self, step: Publish) -> None:
        publisher = self._publishers_of[step.name]
        self._played += 1
        publisher.publish(step.data)
        if self._bag.topics[self._bag.full_name(step.name)].latched:
            # Announcements come on topics of their own; one must be there before the next state is.
            publisher.wait_for_all_acked(Duration(seconds=0.05))

    def _answered(self) -> bool:
        """Whether the answer that is waited for has come, or will not come."""
        if self._awaited is None:
            return True
        number = self._awaited.number
        if any(number not in self._answers[name] for name in self._playback.feed.answers):
            if time.monotonic() < self._deadline:
                return False
            self._unanswered += 1
            self._missing += 1
            self.get_logger().warning(f"There was no answer {number}.")
            if self._unanswered >= _GIVE_UP:
                raise RecordError(
                    f"{self._playback.feed.node} does not answer the record; its own lines say why."
                )
        else:
            self._unanswered = 0
            self._loop.delayed(time.monotonic() - self._deadline + self._value("patience_s"))
        self._awaited = None
        return True

    def _each_second(self) -> None:
        node, answers = self._playback.feed.node, self._answers[self._playback.feed.answers[-1]]
        text = f"plays to {node}" if self._begun else f"waits for {node}"
        level = DiagnosticStatus.WARN if self._missing else DiagnosticStatus.OK
        values = {"played": self._played, "answers": len(answers), "unanswered": self._missing}
        self._loop.tell(self.get_clock().now().nanoseconds, text, level, **values)

    def _finish(self) -> None:
        out = Path(self._value("out") or beside(self._run))
        comparisons = self._playback.compare(self._answers)
        leave_behind(comparisons, out, self._value("feed"), f"{self._run}: {self._playback.feed.node}")
        raise SystemExit(0)


def main(args: list[str] | None = None) -> int:
    """Entry point of ``ros2 run ros2_rl player``."""

    def turn(nodes: list[Node], executor: Executor) -> None:
        for node in nodes:
            assert isinstance(node, Player)
            node.turn(executor)

    return run_together([Player], args, turn)


if __name__ == "__main__":
    sys.exit(main())
