"""The phases of a session as messages of ``learner/phase``: written by one node, read by three."""

from collections.abc import Callable

from diagnostic_msgs.msg import DiagnosticStatus, KeyValue
from rclpy.node import Node

from ros2_rl.learning.phase import Phase
from ros2_rl.nodes.conversions import reliable, status_values
from ros2_rl.robots import NS_PER_S

TOPIC, QOS = "learner/phase", reliable(10, latched=True)


def phase_msg(phase: Phase) -> DiagnosticStatus:
    """The announcement of a phase."""
    pairs = [KeyValue(key=key, value=value) for key, value in phase.to_values().items()]
    return DiagnosticStatus(name=TOPIC, message=phase.name, values=pairs)


def follow_phases(node: Node, now_ns: Callable[[], int], on_phase: Callable[[Phase], None]) -> None:
    """Call ``on_phase`` for each announcement; one that cannot be read is told about and dropped.

    ``now_ns`` is the stamp of the newest state (0: none yet). A phase that has begun by then is
    followed all the same, but its first steps were not those of the phase, so it is told about.
    """

    def hear(msg: DiagnosticStatus) -> None:
        try:
            phase = Phase.from_values(msg.message, status_values(msg))
        except ValueError as error:
            node.get_logger().error(f"learner/phase cannot be read: {error}.")
            return
        late_ns = now_ns() - phase.start_ns
        if late_ns > 0:
            node.get_logger().warning(
                f"The phase '{phase.name}' was heard {late_ns / NS_PER_S:.2f} s after its start; "
                "this run cannot be repeated step by step."
            )
        on_phase(phase)

    node.create_subscription(DiagnosticStatus, TOPIC, hear, QOS)
