"""The stand-in's ``ros2`` command looks at a real graph."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from ros2_rl.domain import lease_domain

REPOSITORY = Path(__file__).resolve().parents[2]
ENVIRONMENT = os.environ | {
    "ROS_AUTOMATIC_DISCOVERY_RANGE": "LOCALHOST",
    "PYTHONPATH": os.pathsep.join((str(REPOSITORY / "ros2_minimal"), str(REPOSITORY))),
}
NODE = """
import rclpy
from rclpy.node import Node
from std_msgs.msg import Float32MultiArray
from std_srvs.srv import Trigger
rclpy.init()
node = Node("clock_maker", namespace="lab")
node.declare_parameter("gain", 1.5)
publisher = node.create_publisher(Float32MultiArray, "ticks", 10)
node.create_timer(0.02, lambda: publisher.publish(Float32MultiArray(data=[1.0, 2.0])))
def wind(request, response):
    response.success, response.message = True, "wound"
    return response
node.create_service(Trigger, "wind", wind)
print("ready", flush=True)
rclpy.spin(node)
"""


@pytest.fixture(scope="module")
def demo() -> Iterator[None]:
    """A node ``/lab/clock_maker``."""
    command = [sys.executable, "-c", NODE]
    with lease_domain() as domain:
        ENVIRONMENT["ROS_DOMAIN_ID"] = str(domain)
        node = subprocess.Popen(command, env=ENVIRONMENT, stdout=subprocess.PIPE, text=True)
        assert node.stdout is not None and node.stdout.readline() == "ready\n"
        yield
        node.kill()
        node.wait()


def ros2(*words: str) -> subprocess.CompletedProcess:
    code = "import sys; from ros2_minimal.cli import main; sys.exit(main())"
    return subprocess.run(
        [sys.executable, "-c", code, *words], env=ENVIRONMENT, capture_output=True, text=True, timeout=60
    )


@pytest.mark.usefixtures("demo")
@pytest.mark.parametrize(
    ("words", "line"),
    [
        (("node", "list"), "/lab/clock_maker\n"),
        (("topic", "list", "-t"), "/lab/ticks [std_msgs/msg/Float32MultiArray]\n"),
        (("service", "list"), "/lab/wind\n"),
    ],
)
def test_names_are_listed(words: tuple[str, ...], line: str) -> None:
    # The command looks for a fixed time; discovery on a loaded machine may take longer.
    seen = [ros2(*words).stdout]
    while line not in seen[-1] and len(seen) < 10:
        seen.append(ros2(*words).stdout)
    assert line in seen[-1]


@pytest.mark.usefixtures("demo")
def test_a_message_is_shown() -> None:
    assert "data: [1.0, 2.0]" in ros2("topic", "echo", "/lab/ticks", "--once").stdout


@pytest.mark.usefixtures("demo")
def test_a_rate_is_measured_until_interrupted() -> None:
    code = "import sys; from ros2_minimal.cli import main; sys.exit(main())"
    command = [sys.executable, "-c", code, "topic", "hz", "/lab/ticks"]
    watcher = subprocess.Popen(command, env=ENVIRONMENT, stdout=subprocess.PIPE, text=True)
    assert watcher.stdout is not None and watcher.stdout.readline().startswith("average rate: ")
    watcher.send_signal(signal.SIGINT)
    assert watcher.wait(30) == 130


@pytest.mark.usefixtures("demo")
def test_a_service_is_called() -> None:
    done = ros2("service", "call", "/lab/wind", "std_srvs/srv/Trigger")
    assert done.returncode == 0 and "message: wound" in done.stdout


@pytest.mark.usefixtures("demo")
def test_parameters_are_read_and_set() -> None:
    assert ros2("param", "get", "/lab/clock_maker", "gain").stdout == "1.5\n"
    assert ros2("param", "set", "/lab/clock_maker", "gain", "2.5").returncode == 0
    assert ros2("param", "get", "/lab/clock_maker", "gain").stdout == "2.5\n"
    assert "  gain\n" in ros2("param", "list", "/lab/clock_maker").stdout
    refused = ros2("param", "set", "/lab/clock_maker", "gain", "text")
    assert refused.returncode == 1 and "refused" in refused.stderr
    assert ros2("param", "get", "/lab/clock_maker", "loss").returncode == 1
