"""A node as a process of its own beside a rig in the test's process, in a domain of their own."""

import signal
import subprocess
import sys
import time
from collections.abc import Callable

import rclpy
from diagnostic_msgs.msg import DiagnosticArray
from rclpy.context import Context
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from std_srvs.srv import Trigger

from ros2_rl.nodes.conversions import reliable, status_values

PATIENCE_S = 120.0


class NodeRig:
    """Starts ``ros2_rl.nodes.<name>``; :attr:`node` is where the test publishes and subscribes.

    Attributes:
        diagnostics: level, message and values of the node's last ``diagnostics``.
    """

    def __init__(self, name: str, *arguments: str):
        self.context = Context()
        rclpy.init(context=self.context)
        self.node = Node("rig", context=self.context, use_global_arguments=False)
        self.executor = SingleThreadedExecutor(context=self.context)
        self.executor.add_node(self.node)
        self.diagnostics: tuple[bytes, str, dict[str, str]] = (b"", "", {})
        self.node.create_subscription(DiagnosticArray, "diagnostics", self._on_diagnostics, reliable(10))
        self.process = spawn(name, *arguments)

    def wait(
        self, condition: Callable[[], object], what: str, again: Callable[[], None] | None = None
    ) -> None:
        """Spin until the condition holds; ``again`` is called every 0.5 s meanwhile."""
        end, repeat = time.monotonic() + PATIENCE_S, time.monotonic() + 0.5
        while not condition():
            assert time.monotonic() < end, f"{what} did not come; exit status {self.process.poll()}"
            if again is not None and time.monotonic() > repeat:
                again()
                repeat = time.monotonic() + 0.5
            self.executor.spin_once(timeout_sec=0.02)

    def wait_for_readers(self, *topics: str) -> None:
        for topic in topics:
            self.wait(lambda topic=topic: self.node.count_subscribers(topic), f"a reader of {topic}")

    def wait_for_writers(self, *topics: str) -> None:
        for topic in topics:
            self.wait(lambda topic=topic: self.node.count_publishers(topic), f"a writer of {topic}")

    def call(self, service: str) -> Trigger.Response:
        """The answer of a service."""
        client = self.node.create_client(Trigger, service)
        self.wait(client.service_is_ready, service)
        future = client.call_async(Trigger.Request())
        self.wait(future.done, f"an answer of {service}")
        return future.result()

    def close(self) -> tuple[int, str]:
        """End both; the exit status of the node and what it said on stderr."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        _, err = self.process.communicate(timeout=PATIENCE_S)
        self.executor.shutdown()
        self.node.destroy_node()
        rclpy.shutdown(context=self.context)
        return self.process.returncode, err

    def _on_diagnostics(self, msg: DiagnosticArray) -> None:
        status = msg.status[0]
        self.diagnostics = (status.level, status.message, status_values(status))


def spawn(name: str, *arguments: str) -> subprocess.Popen:
    return subprocess.Popen(
        [sys.executable, "-m", f"ros2_rl.nodes.{name}", "--ros-args", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
