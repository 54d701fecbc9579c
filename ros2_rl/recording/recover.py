"""Makes a whole record of what can be saved of a broken one: ``ros2 run ros2_rl recover RUN [OUT]``."""

import argparse
import sys
from pathlib import Path

from ros2_rl.errors import Ros2RlError
from ros2_rl.recording.reader import Bag, find_files
from ros2_rl.recording.writer import BagWriter

_EVERY = 5000
"""Messages in a chunk of the new record."""


def recover(path: Path, out: Path) -> int:
    """Copy everything that can be read into a new record; how many messages that is.

    Raises:
        RecordError: there is nothing to save, or ``out`` cannot be written or holds a record.
    """
    bag = Bag(path)
    writer = BagWriter(out)
    for name, topic in bag.topics.items():
        if bag.counts[name]:
            writer.add_topic(topic, bag.definitions[topic.type])
    for name, values in bag.notes.items():
        writer.note(name, values)
    for name, data in bag.files.items():
        writer.attach(name, "application/octet-stream", data)
    for message in bag.messages():
        writer.write(message)
        if writer.span.count % _EVERY == 0:
            writer.flush()
    writer.note("recovered", {"from": str(path), "damage": bag.damage})
    writer.close()
    return writer.span.count


def main(args: list[str] | None = None) -> int:
    """Entry point of ``ros2 run ros2_rl recover``."""
    parser = argparse.ArgumentParser(prog="recover", description="Make a whole record of a broken one.")
    parser.add_argument("run", type=Path, help="folder of a run or of its record, or an MCAP file")
    parser.add_argument("out", type=Path, nargs="?", help="folder to be made; default: beside the record")
    given = parser.parse_args(args)
    try:
        folder = find_files(given.run)[0].parent
        out = given.out or folder.with_name(f"{folder.name}_recovered")
        print(f"{recover(given.run, out)} messages are in {out}.")
    except Ros2RlError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
