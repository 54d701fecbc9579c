"""Build and install of the ament_python package ``ros2_rl``."""

from collections import defaultdict
from pathlib import Path

from setuptools import find_packages, setup

PACKAGE = "ros2_rl"
NODES = (
    "sim_bridge", "state_estimator", "policy_executor", "supervisor", "practice", "stack",
    "learner", "console", "teleop", "recorder", "player", "examiner", "go2_driver", "go2_sim", "arm_driver",
    "health_monitor", "foxglove_view", "operator", "leg_operator",
    "arm_executor", "arm_learner",
)  # fmt: skip
TOOLS = {
    "doctor": "doctor.cli",
    "import_policy": "importing.cli",
    "recover": "recording.recover",
    "replay": "recording.replay",
    "report": "recording.report",
}
"""Programs that are no nodes, and the modules that they are in."""


def share_files() -> list[tuple[str, list[str]]]:
    """Shared files by their folder below ``share/ros2_rl``; ``config`` keeps its folders."""
    found = [*Path("launch").glob("*.launch.py"), *Path("urdf").glob("*")]
    found += [path for path in Path("config").rglob("*") if path.is_file()]
    folders: dict[str, list[str]] = defaultdict(list)
    for path in sorted(found):
        folders[f"share/{PACKAGE}/{path.parent.as_posix()}"].append(str(path))
    return list(folders.items())


setup(
    name=PACKAGE,
    version="0.1.0",
    description="Safe online fine-tuning of robot policies as ROS 2 nodes.",
    author="ros2_rl maintainers",
    license="Apache-2.0",
    packages=find_packages(include=[PACKAGE, f"{PACKAGE}.*"]),
    data_files=[
        ("share/ament_index/resource_index/packages", [f"resource/{PACKAGE}"]),
        (f"share/{PACKAGE}", ["package.xml"]),
        *share_files(),
    ],
    python_requires=">=3.11",
    install_requires=["setuptools"],
    zip_safe=False,
    entry_points={
        "console_scripts": [f"{name} = {PACKAGE}.nodes.{name}:main" for name in NODES]
        + [f"{name} = {PACKAGE}.{module}:main" for name, module in TOOLS.items()]
    },
)
