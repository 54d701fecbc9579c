"""The driver's side of the wire: find the robot, take it over, read its states, write to its motors."""

import time

from ros2_rl.errors import ConfigError
from ros2_rl.unitree import layout, services
from ros2_rl.unitree.dds import Link
from ros2_rl.unitree.idl import LowCmd_, LowState_, low_cmd
from ros2_rl.unitree.interface import ROBOT_ADDRESS, address_of, check_interface

REAL, REHEARSAL = 0, 1
"""DDS domains: that of every Go2, and the one that simulated robots keep to."""
_LISTEN_S = 0.5
"""How long another writer of rt/lowcmd is listened for."""
_LOOK_S = 1.0
"""How long each other domain is searched."""


class Connection:
    """A robot on an interface; nothing is written to its motors before :meth:`open_commands`.

    Raises:
        ConfigError: the interface cannot be used.
    """

    def __init__(self, interface: str, domain: int):
        check_interface(interface)
        self._interface, self._domain = interface, domain
        self._link = Link(domain, interface)
        self.states = self._link.reader("rt/lowstate", LowState_)
        self._foreign = self._link.reader("rt/lowcmd", LowCmd_)
        self.bad_frames = 0
        """LowState frames that were dropped: wrong size or check sum."""
        self.unchecked = 0
        """LowState frames without a check sum."""

    def receive(self, timeout_s: float) -> list[bytes]:
        """The sound LowState frames (C structs) that have come since, oldest first; waits for one."""
        return [m.payload for m in self.states.wait(timeout_s) if self._sound(m.payload)]

    def find(self, timeout_s: float) -> bytes:
        """The first sound frame of the robot.

        Raises:
            ConfigError: there is none in time.
        """
        end = time.monotonic() + timeout_s
        while time.monotonic() < end:
            frames = self.receive(0.1)
            if frames:
                return frames[-1]
        raise ConfigError(self._why_nothing_comes(timeout_s))

    def service(self, name: str) -> services.Client:
        """A caller of one of the robot's services."""
        return services.Client(self._link, name)

    def foreign_commands(self, listen_s: float = _LISTEN_S) -> bool:
        """Whether somebody else writes rt/lowcmd."""
        return bool(self._foreign.wait(listen_s))

    def open_commands(self) -> None:
        """Become the writer of rt/lowcmd."""
        self._commands = self._link.writer("rt/lowcmd", LowCmd_)

    def send(self, payload: bytes) -> None:
        """Write a sealed LowCmd (C struct)."""
        self._commands.write(low_cmd(payload))

    def close(self) -> None:
        """Leave the robot's domain."""
        self._link.close()

    def _sound(self, payload: bytes) -> bool:
        if payload and layout.crc_of(payload) == 0:
            self.unchecked += 1  # not every firmware seals its states
            return True
        sound = bool(payload) and layout.intact(payload)
        self.bad_frames += not sound
        return sound

    def _why_nothing_comes(self, waited_s: float) -> str:
        where = f"{self._interface} ({address_of(self._interface)})"
        if self.bad_frames:
            return (
                f"All {self.bad_frames} frames of rt/lowstate on {where} have a wrong check sum, so their "
                "layout cannot be trusted: is this a Go2, and is its firmware one that the SDK supports?"
            )
        for domain in {REAL, REHEARSAL} - {self._domain}:
            if Link(domain, self._interface).reader("rt/lowstate", LowState_).wait(_LOOK_S):
                return (
                    f"No robot speaks in DDS domain {self._domain} on {where}, but one does in domain "
                    f"{domain}: give domain:={domain} if that is the one you mean."
                )
        return (
            f"No robot was heard on {where} in DDS domain {self._domain} for {waited_s:g} s: switch the Go2 "
            f"(EDU) on and wait a minute, check with ping {ROBOT_ADDRESS}, and give this machine an address "
            "in its network, as in docs/go2.md."
        )
