"""All nodes of the robot's side in one process: executable ``stack``.

The nodes and their topics are the same; only who waits for whom differs. From a state to its
command the nodes work one after another anyway, and a message between two processes costs a
switch at each end; within one process the middleware hands it over directly. So the topics are
polled, and executors serve timers and services now and then. The learner stays in a process of
its own. With ``--no-simulator`` the robot is somebody else: a driver, in a process of its own, so that
it outlives whatever happens here.
"""

import sys
import time
from collections import deque
from collections.abc import Callable, Iterator
from functools import partial

from rclpy.executors import Executor, SingleThreadedExecutor
from rclpy.node import Node
from rclpy.subscription import Subscription

from ros2_rl.nodes._main import run_together
from ros2_rl.nodes.health_monitor import HealthMonitor
from ros2_rl.nodes.policy_executor import PolicyExecutor
from ros2_rl.nodes.polling import Gate
from ros2_rl.nodes.practice import Practice
from ros2_rl.nodes.sim_bridge import SimBridge
from ros2_rl.nodes.state_estimator import StateEstimator
from ros2_rl.nodes.supervisor import SupervisorNode

_TURN_S, _LOCKSTEP_TURN_S = 0.01, 0.05
"""How often timers, services and parameters get their turn, s of wall time."""
_IDLE_S = 0.0003
"""Pause when no message has come, s."""
_ROUND_S = 0.002
"""Between two states of a robot in another process only the next one is looked for, a round is a third of a
core's work; what else may come is seen by the next state's round, or after so long, s."""
_LATEST_S = 0.05
"""A machine that does not keep up has a state due at any moment: what is asked of it, a stop above all, is
served so much later at most, s."""
_CLEAR_S, _CLEAR_STEP_S = 0.002, 0.012
"""In real time, what is slow begins only when the next state is farther away than this, s; of a robot in
another process, whose states come too often for that, when its next control step is."""


class Poller:
    """Hands over messages as they come, round after round, without a wait set."""

    def __init__(self) -> None:
        self._errands: list[Callable[[], bool | None]] = []
        self._simulators: list[SimBridge] = []
        self._paced: list[SimBridge | PolicyExecutor] = []
        self._first: Executor | None = None
        self._others: deque[Executor] = deque()
        self._turn_s, self._clear_s = _TURN_S, _CLEAR_S
        self._state: Callable[[], bool] | None = None
        self._next_round = 0.0

    def turn(self, nodes: list[Node], _: Executor | None = None) -> None:
        """Rounds for a while; then the first node and one of the others serve what is not a message.

        Each node has an executor of its own: one for all would take as long as all at once, and
        the supervisor, which comes first, has a watchdog to feed.
        """
        if self._first is None:
            self._prepare(nodes)
        end = time.monotonic() + self._turn_s
        latest = end + _LATEST_S
        while (now := time.monotonic()) < end or (now < latest and self._state_is_near(now)):
            if not self._look(now):
                time.sleep(_IDLE_S)
        assert self._first is not None
        self._first.spin_once(timeout_sec=0.0)
        self._others[0].spin_once(timeout_sec=0.0)
        self._others.rotate()

    def _state_is_near(self, now: float) -> bool:
        """Whether the robot's next state, or control step, would come in the middle of something slow."""
        return any(node.left_s(now) < self._clear_s for node in self._paced)

    def _prepare(self, nodes: list[Node]) -> None:
        executors = [SingleThreadedExecutor() for _ in nodes]
        for node, executor in zip(nodes, executors, strict=True):
            executor.add_node(node)
        self._first, self._others = executors[0], deque(executors[1:])
        self._simulators = [node for node in nodes if isinstance(node, SimBridge)]
        self._errands = self._in_order(nodes)
        if not self._simulators and isinstance(nodes[0], SupervisorNode):
            self._state = partial(_serve, nodes[0].states)
        self._paced = [*self._simulators] or [node for node in nodes if isinstance(node, PolicyExecutor)]
        self._clear_s = _CLEAR_S if self._simulators else _CLEAR_STEP_S
        if any(node.lockstep for node in self._simulators):
            self._turn_s = _LOCKSTEP_TURN_S

    def _in_order(self, nodes: list[Node]) -> list[Callable[[], bool | None]]:
        """What a round does: the way from a state to the policy's command without a stop, then the rest.

        A policy that does not look at the estimate leaves the estimator for the rest.
        """
        pilots = [node for node in nodes if isinstance(node, PolicyExecutor)]
        way = nodes[: max((nodes.index(pilot) for pilot in pilots), default=0) + 1]
        awaited = any(pilot.needs_estimate for pilot in pilots)
        later: list[Node] = [node for node in way if isinstance(node, StateEstimator) and not awaited]
        rest = nodes[len(way) :]
        way = [node for node in way if node not in later]
        # A new state waits for the next round, in which everybody sees it.
        hurried = [node.listen for node in self._simulators if not node.lockstep]
        return [
            self._simulate,
            *_served([*way, nodes[0]]),  # the supervisor again: there is a target now
            *hurried,
            *_served(later),
            *(pilot.tell for pilot in pilots),
            *_served(rest),
        ]

    def _look(self, now: float) -> bool:
        """A round if a state has come, or none was made for a while; whether anything was there."""
        came = self._state is not None and self._state()
        if self._state is not None and not came and now < self._next_round:
            return False
        self._next_round = now + _ROUND_S
        return self._round() or came

    def _simulate(self) -> None:
        for simulator in self._simulators:
            simulator.poll()

    def _round(self) -> bool:
        """One look at every topic; whether anything was there."""
        busy = False
        for errand in self._errands:
            busy = bool(errand()) or busy
        return busy


def _served(nodes: list[Node]) -> Iterator[Callable[[], bool]]:
    """An errand for every topic of the nodes."""
    return (partial(_serve, subscription) for node in nodes for subscription in node.subscriptions)


def _serve(subscription: Subscription) -> bool:
    """Hand over all messages that are there; whether there were any.

    All, since an executor may have served one node before the others: who is behind catches up at once.
    """
    group, busy = subscription.callback_group, False
    while not isinstance(group, Gate) or group.open:
        with subscription.handle:
            taken = subscription.handle.take_message(subscription.msg_type, subscription.raw)
        if taken is None:
            break
        subscription.callback(taken[0])
        busy = True
    return busy


def main(args: list[str] | None = None) -> int:
    """Entry point of ``ros2 run ros2_rl stack``."""
    # The supervisor comes first, so that it ends first: the robot is damped while all others listen.
    factories: list[Callable[[], Node]] = [
        SupervisorNode,
        StateEstimator,
        partial(PolicyExecutor, polled=True),
        Practice,
        HealthMonitor,
    ]
    if "--no-simulator" not in sys.argv:
        factories.append(partial(SimBridge, polled=True))
    return run_together(factories, args, Poller().turn)


if __name__ == "__main__":
    raise SystemExit(main())
