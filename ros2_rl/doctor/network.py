"""The network: ROS's own settings, room for its messages, and the cable to the robot."""

import ipaddress
import os
import shutil
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path

from ros2_rl.doctor.finding import Finding, Level, judged
from ros2_rl.unitree import interface as cable

_RECEIVE_BYTES = 2**21
_HIGHEST_DOMAIN = 101
"""Beyond it, ports of Linux's own choice collide with those of the domain."""


def check_network(
    interface: str = "",
    environment: Mapping[str, str] | None = None,
    root: Path = Path("/"),
    reaches: Callable[[str], bool | None] | None = None,
) -> list[Finding]:
    """Findings about ROS's settings, and about the interface to the robot if one is named."""
    given = os.environ if environment is None else environment
    findings = [_domain(given), _discovery(given, bool(interface)), _buffer(root)]
    return findings + (_cable(interface, root, reaches or ping) if interface else [])


def ping(address: str) -> bool | None:
    """Whether the address answers within a second; None where nobody can say."""
    program = shutil.which("ping")
    if program is None:
        return None
    done = subprocess.run([program, "-c", "1", "-W", "1", address], capture_output=True, check=False)
    return done.returncode == 0


def _domain(environment: Mapping[str, str]) -> Finding:
    text = environment.get("ROS_DOMAIN_ID", "") or "0"
    bad = not text.isdecimal() or int(text) > _HIGHEST_DOMAIN
    return judged("ROS_DOMAIN_ID", text, bad, f"set it to a number from 0 to {_HIGHEST_DOMAIN}", Level.FAIL)


def _discovery(environment: Mapping[str, str], beyond: bool) -> Finding:
    local = environment.get("ROS_LOCALHOST_ONLY") == "1"
    text = "LOCALHOST" if local else environment.get("ROS_AUTOMATIC_DISCOVERY_RANGE", "") or "SUBNET"
    if text not in ("SUBNET", "LOCALHOST", "SYSTEM_DEFAULT"):
        remedy = "nodes do not find each other: unset ROS_AUTOMATIC_DISCOVERY_RANGE"
        return Finding(Level.FAIL, "discovery", text, remedy)
    remedy = "a learner on another computer is not found: unset it, unless all nodes are on this one"
    return judged("discovery", text, beyond and text == "LOCALHOST", remedy)


def _buffer(root: Path) -> Finding:
    path = root / "proc/sys/net/core/rmem_max"
    size = int(path.read_text()) if path.is_file() else 0
    remedy = f"sysctl -w net.core.rmem_max={_RECEIVE_BYTES}: bursts over a network get lost otherwise"
    return judged("receive buffer", f"{size // 1024} KiB at most", size < _RECEIVE_BYTES, remedy)


def _cable(interface: str, root: Path, reaches: Callable[[str], bool | None]) -> list[Finding]:
    what, names = f"interface {interface}", cable.names(root)
    if interface not in names:
        return [Finding(Level.FAIL, what, "not there", f"choose one of {', '.join(names)}")]
    up, many = cable.is_up(interface, root), cable.has_multicast(interface)
    address = cable.address_of(interface)
    inside = address is not None and ipaddress.ip_address(address) in cable.ROBOT_NETWORK
    findings = [
        _needed(what, "up" if up else "down", up, f"plug the cable in, ip link set {interface} up"),
        _needed("multicast", "on" if many else "off", many, f"ip link set {interface} multicast on"),
        _needed("address", address or "none", inside,
                f"ip address add {cable.FREE_ADDRESS} dev {interface}: that is where the Go2 is"),
    ]  # fmt: skip
    return findings + ([_robot(reaches)] if up and inside else [])


def _needed(what: str, found: str, good: bool, remedy: str) -> Finding:
    return judged(what, found, not good, remedy, Level.FAIL)


def _robot(reaches: Callable[[str], bool | None]) -> Finding:
    answer = reaches(cable.ROBOT_ADDRESS)
    if answer is None:
        return Finding(Level.WARN, "robot", "not asked", "install ping to have this checked")
    remedy = f"{cable.ROBOT_ADDRESS} is silent: is the robot on (it takes a minute), is it the right cable?"
    return judged("robot", "answers" if answer else "silent", not answer, remedy, Level.FAIL)
