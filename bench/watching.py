"""Looks on at a launch that a benchmark has begun: the nodes' diagnostics, the processes' CPU time."""

import os
import time
from collections.abc import Callable
from pathlib import Path

import rclpy
from diagnostic_msgs.msg import DiagnosticArray
from rclpy.context import Context
from rclpy.executors import SingleThreadedExecutor
from std_srvs.srv import Trigger

from ros2_rl.nodes.conversions import reliable, status_values


class DiagnosticsWatch:
    """What each node of a domain last said on ``diagnostics``."""

    def __init__(self, domain: int):
        self._context = Context()
        rclpy.init(context=self._context, domain_id=domain)
        self._node = rclpy.create_node("bench", context=self._context, use_global_arguments=False)
        self._executor = SingleThreadedExecutor(context=self._context)
        self._executor.add_node(self._node)
        self._values: dict[str, dict[str, str]] = {}
        self._node.create_subscription(DiagnosticArray, "diagnostics", self._on_message, reliable(10))

    def values(self, name: str) -> dict[str, str]:
        """The values of a node's last status; none before the first."""
        return self._values.get(name, {})

    def until(self, condition: Callable[[], bool], patience_s: float) -> None:
        """Listen until the condition holds.

        Raises:
            RuntimeError: it does not in time.
        """
        end = time.monotonic() + patience_s
        while not condition():
            if time.monotonic() > end:
                raise RuntimeError(f"What was waited for did not come within {patience_s:g} s of wall time.")
            self._executor.spin_once(timeout_sec=0.2)

    def spin(self, seconds: float) -> None:
        """Listen for so much wall time."""
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            self._executor.spin_once(timeout_sec=min(left, 0.2))

    def call(self, service: str) -> None:
        """Call a service without arguments.

        Raises:
            RuntimeError: nobody offers it, or it refuses.
        """
        client = self._node.create_client(Trigger, service)
        future = client.call_async(Trigger.Request()) if client.wait_for_service(10.0) else None
        if future is not None:
            self._executor.spin_until_future_complete(future, 10.0)
        answer = future.result() if future is not None else None
        self._node.destroy_client(client)
        if answer is None or not answer.success:
            raise RuntimeError(f"{service} did not do it: {answer.message if answer else 'no answer'}.")

    def close(self) -> None:
        self._executor.shutdown()
        self._node.destroy_node()
        rclpy.shutdown(context=self._context)

    def _on_message(self, msg: DiagnosticArray) -> None:
        for status in msg.status:
            self._values[status.name] = status_values(status)


def cpu_seconds(parent: int) -> dict[str, float]:
    """CPU time of each child of a process so far, s, by the name of its program."""
    found = {}
    for folder in Path("/proc").iterdir():
        if not folder.name.isdecimal():
            continue
        try:
            fields = (folder / "stat").read_text().rpartition(")")[2].split()
            words = (folder / "cmdline").read_text().split("\0")
        except OSError:
            continue  # it has ended meanwhile
        if int(fields[1]) == parent and len(words) > 1:
            found[Path(words[1]).name] = (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    return found
