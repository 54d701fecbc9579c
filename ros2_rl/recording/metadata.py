"""``metadata.yaml`` of a rosbag2 folder, version 9 (ROS 2 Jazzy)."""

from dataclasses import dataclass
from typing import Any

import yaml

from ros2_rl.recording.topics import Topic

VERSION = 9
_FOREVER = {"sec": 9223372036, "nsec": 854775807}


@dataclass
class Span:
    """How many messages there are, and from when to when (log time, ns)."""

    count: int = 0
    first_ns: int = 0
    last_ns: int = 0

    def add(self, log_ns: int) -> None:
        self.first_ns = log_ns if self.count == 0 else min(self.first_ns, log_ns)
        self.last_ns = log_ns if self.count == 0 else max(self.last_ns, log_ns)
        self.count += 1


def offered_qos(topic: Topic) -> list[dict[str, Any]]:
    """The QoS with which a player should offer the topic."""
    profile = {
        "history": "keep_last",
        "depth": 1000 if topic.latched else 10,
        "reliability": "reliable" if topic.reliable else "best_effort",
        "durability": "transient_local" if topic.latched else "volatile",
        "deadline": dict(_FOREVER),
        "lifespan": dict(_FOREVER),
        "liveliness": "automatic",
        "liveliness_lease_duration": dict(_FOREVER),
        "avoid_ros_namespace_conventions": False,
    }
    return [profile]


def metadata_yaml(
    file_name: str, span: Span, topics: list[tuple[Topic, str, int]], custom: dict[str, str]
) -> str:
    """The file's text; ``topics``: each with its type hash and how many messages it has."""
    content = {
        "version": VERSION,
        "storage_identifier": "mcap",
        **_times(span),
        "topics_with_message_count": [_topic(*entry) for entry in topics],
        "compression_format": "",
        "compression_mode": "",
        "relative_file_paths": [file_name],
        "files": [{"path": file_name, **_times(span)}],
        "custom_data": custom or None,
        "ros_distro": "jazzy",
    }
    return yaml.safe_dump({"rosbag2_bagfile_information": content}, sort_keys=False)


def _times(span: Span) -> dict[str, Any]:
    return {
        "starting_time": {"nanoseconds_since_epoch": span.first_ns},
        "duration": {"nanoseconds": span.last_ns - span.first_ns},
        "message_count": span.count,
    }


def _topic(topic: Topic, type_hash: str, count: int) -> dict[str, Any]:
    about = {
        "name": topic.name,
        "type": topic.type,
        "serialization_format": "cdr",
        "offered_qos_profiles": offered_qos(topic),
        "type_description_hash": type_hash,
    }
    return {"topic_metadata": about, "message_count": count}
