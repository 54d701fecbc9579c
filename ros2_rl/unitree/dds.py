"""Cyclone DDS as the Go2 speaks it: one participant on one interface, writers, and readers to wait on."""

from functools import cache
from typing import Any

from cyclonedds.core import DDSException, InstanceState, ReadCondition, SampleState, ViewState, WaitSet
from cyclonedds.domain import Domain, DomainParticipant
from cyclonedds.internal import InvalidSample
from cyclonedds.pub import DataWriter
from cyclonedds.qos import Policy, Qos
from cyclonedds.sub import DataReader
from cyclonedds.topic import Topic

from ros2_rl.errors import ConfigError

LOOPBACK = "lo"
_CONFIG = """<CycloneDDS><Domain Id="any"><General><Interfaces>
<NetworkInterface name="{interface}" priority="default" multicast="default"/>
</Interfaces>{general}</General>{peers}</Domain></CycloneDDS>"""
# Whether the loopback interface passes multicast on differs from machine to machine, so peers are called by
# their port numbers as well; those who have none, as programs with Unitree's SDK, are found by multicast.
_MEET = "<AllowMulticast>spdp</AllowMulticast>"
_PEERS = (
    "<Discovery><ParticipantIndex>auto</ParticipantIndex><MaxAutoParticipantIndex>30"
    '</MaxAutoParticipantIndex><Peers><Peer Address="localhost"/></Peers></Discovery>'
)


@cache
def _join(domain: int, interface: str) -> Domain:
    """A process joins a domain once, on one interface, and for good: what is in it ends with it."""
    local = interface == LOOPBACK
    general, peers = (_MEET, _PEERS) if local else ("", "")
    return Domain(domain, _CONFIG.format(interface=interface, general=general, peers=peers))


class Link:
    """A participant in a DDS domain, bound to one network interface.

    Raises:
        ConfigError: Cyclone DDS cannot use the interface.
    """

    def __init__(self, domain: int, interface: str):
        try:
            _join(domain, interface)
            self.participant = DomainParticipant(domain)
        except DDSException as error:
            raise ConfigError(
                f"Cyclone DDS cannot join domain {domain} on {interface} ({error.msg}): is the interface "
                "up, and are fewer than 30 programs in that domain?"
            ) from error
        self._topics: dict[str, Topic] = {}

    def writer(self, topic: str, kind: type) -> DataWriter:
        """A writer with Unitree's QoS: reliable, the newest message alone."""
        return DataWriter(self.participant, self._topic(topic, kind))

    def reader(self, topic: str, kind: type, depth: int = 8, reliable: bool = False) -> "Reader":
        """A reader that does not hear this participant's own messages."""
        return Reader(self.participant, self._topic(topic, kind), depth, reliable)

    def close(self) -> None:
        """Leave the domain, so that peers know at once; otherwise they would wait for a sign of life."""
        # The binding deletes what it made when it is collected, and at the end of a process nothing is.
        self.participant.__del__()

    def _topic(self, name: str, kind: type) -> Topic:
        if name not in self._topics:
            self._topics[name] = Topic(self.participant, name, kind)
        return self._topics[name]


class Reader:
    """A reader with a wait of its own; other threads run meanwhile."""

    def __init__(self, participant: DomainParticipant, topic: Topic, depth: int, reliable: bool):
        quality = [Policy.History.KeepLast(depth), Policy.IgnoreLocal.Participant]
        if reliable:
            quality.append(Policy.Reliability.Reliable(0))
        self._reader = DataReader(participant, topic, Qos(*quality))
        self._depth = depth
        self._waits = WaitSet(participant)
        self._any = ReadCondition(self._reader, ViewState.Any | InstanceState.Any | SampleState.NotRead)
        self._waits.attach(self._any)

    @property
    def writers(self) -> int:
        """How many writers of the topic are there."""
        return len(self._reader.get_matched_publications())

    def take(self) -> list[Any]:
        """What has come since, oldest first; each has its ``sample_info``."""
        return [m for m in self._reader.take(self._depth) if not isinstance(m, InvalidSample)]

    def wait(self, timeout_s: float) -> list[Any]:
        """As :meth:`take`, after waiting for the first message at most so long."""
        if timeout_s > 0.0:
            self._waits.wait(round(timeout_s * 1e9))
        return self.take()
