"""A live view for Foxglove: a WebSocket server that hands the graph's messages on as they are.

It only shows: a client cannot publish, call or set anything. Messages keep their serialisation and
get their definitions along, so that Foxglove reads them as it reads a record.
"""

import queue
from collections.abc import Sequence

import foxglove
from foxglove import Channel, Schema, ServerListener
from foxglove.channels import FrameTransformsChannel
from foxglove.messages import FrameTransform, FrameTransforms, Quaternion, Timestamp, Vector3

from ros2_rl.console.frames import Transform
from ros2_rl.errors import ConfigError
from ros2_rl.recording.definitions import definition
from ros2_rl.robots import NS_PER_S


class _Listener(ServerListener):
    """Notes who has begun to look at what."""

    def __init__(self) -> None:
        self.begun: queue.SimpleQueue[str] = queue.SimpleQueue()

    def on_subscribe(self, client, channel) -> None:
        self.begun.put(channel.topic)


class Broadcast:
    """Serves topics to Foxglove.

    Attributes:
        url: what to give to Foxglove.
    """

    def __init__(self, host: str = "127.0.0.1", port: int = 8765):
        """Begin to listen.

        Raises:
            ConfigError: the address cannot be used.
        """
        self._context = foxglove.Context()
        self._listener = _Listener()
        self._channels: dict[str, Channel] = {}
        self._kept: dict[str, bytes] = {}
        try:
            self._server = foxglove.start_server(
                name="ros2_rl", host=host, port=port, server_listener=self._listener, context=self._context
            )
        except (RuntimeError, OSError, ValueError) as error:
            raise ConfigError(
                f"The live view cannot listen on {host}, port {port} ({error}); choose another port."
            ) from error
        self._tf = FrameTransformsChannel("/tf", context=self._context)
        self.url = f"ws://{'localhost' if host == '127.0.0.1' else host}:{self._server.port}"

    def add(self, name: str, msg_type: str, kept: bool = False) -> None:
        """Offer a topic; of a ``kept`` one the last message is shown to whoever begins to look."""
        schema = Schema(name=msg_type, encoding="ros2msg", data=definition(msg_type).encode())
        self._channels[name] = Channel(name, schema=schema, message_encoding="cdr", context=self._context)
        if kept:
            self._kept[name] = b""

    def is_watched(self, name: str) -> bool:
        """Whether somebody looks at a topic."""
        return self._channels[name].has_sinks()

    def send(self, name: str, data: bytes) -> None:
        """Hand a serialised message on."""
        if name in self._kept:
            self._kept[name] = data
        self._channels[name].log(data)

    def show_kept(self) -> None:
        """Show the last words of kept topics to those who have begun to look."""
        while not self._listener.begun.empty():
            name = self._listener.begun.get()
            if self._kept.get(name):
                self._channels[name].log(self._kept[name])

    @property
    def frames_watched(self) -> bool:
        return self._tf.has_sinks()

    def send_frames(self, stamp_ns: int, frames: Sequence[Transform]) -> None:
        """Send transforms of a stamp on ``/tf``."""
        stamp = Timestamp(*divmod(stamp_ns, NS_PER_S))
        self._tf.log(FrameTransforms(transforms=[_transform(stamp, frame) for frame in frames]))

    def stop(self) -> None:
        self._server.stop()


def _transform(stamp: Timestamp, frame: Transform) -> FrameTransform:
    w, x, y, z = (float(value) for value in frame.quat)
    position = (float(value) for value in frame.position)
    return FrameTransform(
        timestamp=stamp,
        parent_frame_id=frame.parent,
        child_frame_id=frame.child,
        translation=Vector3(**dict(zip("xyz", position, strict=True))),
        rotation=Quaternion(x=x, y=y, z=z, w=w),
    )
