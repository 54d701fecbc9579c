"""The network interface to the robot: is it there, up, and does it have an address in the robot's network."""

import fcntl
import ipaddress
import socket
import struct
from pathlib import Path

from ros2_rl.errors import ConfigError

ROBOT_NETWORK = ipaddress.ip_network("192.168.123.0/24")
ROBOT_ADDRESS = "192.168.123.161"
"""Network and main computer of a Unitree Go2."""
FREE_ADDRESS = "192.168.123.222/24"
"""An address for this machine that nothing on the robot has."""
_GET_FLAGS, _GET_ADDRESS = 0x8913, 0x8915  # SIOCGIFFLAGS, SIOCGIFADDR
_UP, _MULTICAST = 0x1, 0x1000


def names(root: Path = Path("/")) -> list[str]:
    """The interfaces of this machine, sorted."""
    return sorted(path.name for path in (root / "sys/class/net").iterdir())


def address_of(interface: str) -> str | None:
    """IPv4 address of an interface; None if it has none."""
    answer = _ask(interface, _GET_ADDRESS)
    return None if answer is None else socket.inet_ntoa(answer[20:24])


def is_up(interface: str, root: Path = Path("/")) -> bool:
    """Whether an interface is switched on and, as far as it knows, has a cable."""
    state = root / "sys/class/net" / interface / "operstate"
    return bool(_flags(interface) & _UP) and not (state.is_file() and state.read_text().strip() == "down")


def has_multicast(interface: str) -> bool:
    """Whether an interface passes on what is said to many."""
    return bool(_flags(interface) & _MULTICAST)


def check_interface(interface: str) -> None:
    """Refuse an interface (name as in ``ip link``) over which no robot can be reached.

    Raises:
        ConfigError: it is not there, is down, or has no address.
    """
    if interface not in names():
        raise ConfigError(
            f"There is no network interface '{interface}'; this machine has {', '.join(names())}: "
            "give the one that the robot's cable is plugged into as interface:=<name>."
        )
    if not is_up(interface):
        raise ConfigError(
            f"The network interface {interface} is down; plug the cable in, then: ip link set {interface} up."
        )
    if address_of(interface) is None:
        raise ConfigError(
            f"The network interface {interface} has no IPv4 address; "
            f"give it one, as in: ip address add {FREE_ADDRESS} dev {interface}."
        )


def _flags(interface: str) -> int:
    answer = _ask(interface, _GET_FLAGS)
    return 0 if answer is None else struct.unpack_from("H", answer, 16)[0]


def _ask(interface: str, request: int) -> bytes | None:
    """One of the kernel's ioctls about an interface; None where it has no answer."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            return fcntl.ioctl(probe, request, struct.pack("256s", interface[:15].encode()))
        except OSError:
            return None
