"""Messages of a record as objects, by the definitions that the record itself carries."""

from collections.abc import Collection, Iterator
from contextlib import suppress
from typing import Any

from rosbags.typesys import Stores, TypesysError, get_types_from_idl, get_types_from_msg, get_typestore

from ros2_rl.errors import RecordError
from ros2_rl.recording.definitions import definition
from ros2_rl.recording.reader import Bag
from ros2_rl.recording.writer import Message


class Decoder:
    """Deserialises what a record holds; needs no ROS."""

    def __init__(self, bag: Bag):
        self._bag = bag
        self._types = {topic.name: topic.type for topic in bag.topics.values()}
        self._store = get_typestore(Stores.EMPTY)
        self._known: set[str] = set()

    def decode(self, message: Message) -> Any:
        """The message as an object with the fields of its type; arrays of numbers are numpy arrays.

        Raises:
            RecordError: its definition is missing, or the bytes are none of that type.
        """
        kind = self._types[message.topic]
        if kind not in self._known:
            self._learn(kind)
        # Fast CDR pads an empty last sequence of doubles by four bytes, which the decoder does not expect.
        for data in (message.data, message.data[:-4]):
            with suppress(Exception):  # the generated code raises whatever the bytes make it run into
                return self._store.deserialize_cdr(data, kind)
        raise RecordError(f"A message of {message.topic} is no {kind}: the record is damaged.")

    def messages(self, names: Collection[str]) -> Iterator[tuple[str, Message, Any]]:
        """Messages of these topics, named as in the architecture: name, message, object."""
        short = {self._bag.full_name(name): name for name in names if self._bag.has(name)}
        for message in self._bag.messages(short):
            yield short[message.topic], message, self.decode(message)

    def _learn(self, kind: str) -> None:
        text = self._bag.definitions.get(kind) or definition(kind)
        try:
            if not text:
                raise TypesysError("no definition")
            is_idl = self._bag.encodings.get(kind) == "ros2idl"
            types = get_types_from_idl(text) if is_idl else get_types_from_msg(text, kind)
            known = self._store.fielddefs
            self._store.register({name: fields for name, fields in types.items() if name not in known})
        except TypesysError as error:
            raise RecordError(
                f"The record {self._bag.path} has no definition of {kind}; install its package here."
            ) from error
        self._known.add(kind)
