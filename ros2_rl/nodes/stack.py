"""All nodes of the robot's side in one process, for lockstep: executable ``stack``.

The nodes and their topics are the same; only who waits for whom differs. In lockstep the nodes
work one after another anyway, and a message between two of them costs a process switch at each
end; within one process the middleware hands it over directly. So the topics are polled, and the
executor serves timers and services now and then. The learner stays in a process of its own.
"""

import time
from collections.abc import Callable
from functools import partial

from rclpy.executors import Executor
from rclpy.node import Node
from rclpy.subscription import Subscription

from ros2_rl.nodes._main import run_together
from ros2_rl.nodes.policy_executor import PolicyExecutor
from ros2_rl.nodes.polling import Gate
from ros2_rl.nodes.practice import Practice
from ros2_rl.nodes.sim_bridge import SimBridge
from ros2_rl.nodes.state_estimator import StateEstimator
from ros2_rl.nodes.supervisor import SupervisorNode

_SERVE_S = 0.05
"""How often timers, services and parameters get their turn, s of wall time."""
_IDLE_S = 0.002
"""How long the executor may sleep when no message has come, s."""


class Poller:
    """Hands over messages as they come, round after round, without a wait set."""

    def __init__(self) -> None:
        self._subscriptions: list[Subscription] = []
        self._polls: list[Callable[[], None]] = []

    def turn(self, nodes: list[Node], executor: Executor) -> None:
        """Rounds until it is the executor's turn; then that."""
        if not self._subscriptions:
            self._subscriptions = [s for node in nodes for s in node.subscriptions]
            self._polls = [node.poll for node in nodes if isinstance(node, SimBridge)]
        end = time.monotonic() + _SERVE_S
        busy = True
        while busy and time.monotonic() < end:
            busy = self._round()
        executor.spin_once(timeout_sec=0.0 if busy else _IDLE_S)

    def _round(self) -> bool:
        """One look at every topic; whether anything was there."""
        for poll in self._polls:
            poll()
        busy = False
        for subscription in self._subscriptions:
            group = subscription.callback_group
            if isinstance(group, Gate) and not group.open:
                continue
            with subscription.handle:
                taken = subscription.handle.take_message(subscription.msg_type, subscription.raw)
            if taken is not None:
                subscription.callback(taken[0])
                busy = True
        return busy


def main(args: list[str] | None = None) -> int:
    """Entry point of ``ros2 run ros2_rl stack``."""
    # The supervisor comes first, so that it ends first: the robot is damped while all others listen.
    factories: list[Callable[[], Node]] = [SupervisorNode, StateEstimator, PolicyExecutor, Practice]
    factories.append(partial(SimBridge, polled=True))
    return run_together(factories, args, Poller().turn)


if __name__ == "__main__":
    raise SystemExit(main())
