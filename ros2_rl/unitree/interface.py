"""The network interface to the robot: is it there, up, and does it have an address."""

import fcntl
import socket
import struct
from pathlib import Path

from ros2_rl.errors import ConfigError

_GET_ADDRESS = 0x8915  # SIOCGIFADDR
_ROBOT_NET = "192.168.123."
"""The Go2's own network; the robot is .161."""


def address_of(interface: str) -> str | None:
    """IPv4 address of an interface; None if it has none."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        request = struct.pack("256s", interface.encode()[:15])
        try:
            return socket.inet_ntoa(fcntl.ioctl(probe, _GET_ADDRESS, request)[20:24])
        except OSError:
            return None


def check_interface(interface: str) -> None:
    """Refuse an interface (name as in ``ip link``) over which no robot can be reached.

    Raises:
        ConfigError: it is not there, is down, or has no address.
    """
    names = [name for _, name in socket.if_nameindex()]
    if interface not in names:
        raise ConfigError(
            f"There is no network interface '{interface}'; this machine has {', '.join(names)}: "
            "give the one that the robot's cable is plugged into as interface:=<name>."
        )
    state = Path("/sys/class/net", interface, "operstate")
    if state.is_file() and state.read_text().strip() == "down":
        raise ConfigError(
            f"The network interface {interface} is down; plug the cable in, then: ip link set {interface} up."
        )
    if address_of(interface) is None:
        raise ConfigError(
            f"The network interface {interface} has no IPv4 address; "
            f"give it one, as in: ip addr add {_ROBOT_NET}99/24 dev {interface}."
        )
