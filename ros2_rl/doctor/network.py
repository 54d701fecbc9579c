"""The network: ROS's own settings, room for its messages, and the cable to the robot."""

import array
import fcntl
import ipaddress
import os
import shutil
import socket
import struct
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path

from ros2_rl.doctor.finding import Finding, Level, judged

ROBOT_NETWORK = ipaddress.ip_network("192.168.123.0/24")
ROBOT_ADDRESS = "192.168.123.161"
"""Network and main computer of a Unitree Go2."""
_RECEIVE_BYTES = 2**21
_IFF_UP, _IFF_MULTICAST = 0x1, 0x1000
_SIOCGIFADDR, _SIOCGIFFLAGS = 0x8915, 0x8913
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
    folder, what = root / "sys/class/net", f"interface {interface}"
    names = sorted(path.name for path in folder.iterdir())
    if interface not in names:
        return [Finding(Level.FAIL, what, "not there", f"choose one of {', '.join(names)}")]
    flags, address = _flags(interface), _address(interface)
    up = bool(flags & _IFF_UP) and (folder / interface / "operstate").read_text().strip() != "down"
    many = bool(flags & _IFF_MULTICAST)
    inside = address is not None and ipaddress.ip_address(address) in ROBOT_NETWORK
    findings = [
        _needed(what, "up" if up else "down", up, f"plug the cable in, ip link set {interface} up"),
        _needed("multicast", "on" if many else "off", many, f"ip link set {interface} multicast on"),
        _needed("address", address or "none", inside,
                f"ip address add 192.168.123.222/24 dev {interface}: the Go2 lives in {ROBOT_NETWORK}"),
    ]  # fmt: skip
    return findings + ([_robot(reaches)] if up and inside else [])


def _needed(what: str, found: str, good: bool, remedy: str) -> Finding:
    return judged(what, found, not good, remedy, Level.FAIL)


def _robot(reaches: Callable[[str], bool | None]) -> Finding:
    answer = reaches(ROBOT_ADDRESS)
    if answer is None:
        return Finding(Level.WARN, "robot", "not asked", "install ping to have this checked")
    remedy = f"{ROBOT_ADDRESS} is silent: is the robot on (it takes a minute), is it the right cable?"
    return judged("robot", "answers" if answer else "silent", not answer, remedy, Level.FAIL)


def _ask(interface: str, request: int) -> bytes | None:
    """One of the kernel's ioctls about an interface; None where it has no answer."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        buffer = array.array("B", struct.pack("256s", interface[:15].encode()))
        try:
            fcntl.ioctl(s.fileno(), request, buffer)
        except OSError:
            return None
    return buffer.tobytes()


def _flags(interface: str) -> int:
    answer = _ask(interface, _SIOCGIFFLAGS)
    return 0 if answer is None else struct.unpack_from("H", answer, 16)[0]


def _address(interface: str) -> str | None:
    answer = _ask(interface, _SIOCGIFADDR)
    return None if answer is None else socket.inet_ntoa(answer[20:24])
