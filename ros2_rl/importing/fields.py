"""Typed access to the settings of a foreign configuration: what is missing or wrong is named."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ros2_rl.errors import ConfigError


@dataclass(frozen=True)
class Unreadable:
    """A setting whose value is computed where it stands, so that only running it would tell."""

    text: str


@dataclass(frozen=True)
class Fields:
    """A tree of settings; ``path`` is a name or several with dots between them.

    Raises:
        ConfigError: (each method) the setting is missing or of another kind than asked for.
    """

    source: str
    """What to call the file in sentences."""
    values: Mapping[str, Any]

    def has(self, path: str) -> bool:
        """Whether the setting is there and not null."""
        return self._find(path) is not None

    def number(self, path: str) -> float:
        value = self._need(path)
        return float(value) if _is_number(value) else self._wrong(path, "a number")

    def integer(self, path: str, default: int) -> int:
        if not self.has(path):
            return default
        value = self._need(path)
        return value if isinstance(value, int) else self._wrong(path, "a whole number")

    def text(self, path: str) -> str:
        value = self._need(path)
        return value if isinstance(value, str) else self._wrong(path, "a word")

    def numbers(self, path: str, count: int) -> tuple[float, ...]:
        """A list of ``count`` numbers; a single one stands for all."""
        value = self._need(path)
        if _is_number(value):
            return (float(value),) * count
        if not isinstance(value, list | tuple) or len(value) != count or not all(map(_is_number, value)):
            self._wrong(path, f"a list of {count} numbers")
        return tuple(map(float, value))

    def empty(self, path: str) -> bool:
        """Whether the setting is missing, null or an empty list."""
        return self._find(path) in (None, [], ())

    def integers(self, path: str) -> tuple[int, ...]:
        value = self._need(path)
        if not isinstance(value, list | tuple) or not all(type(v) is int for v in value):
            self._wrong(path, "a list of whole numbers")
        return tuple(value)

    def names(self, path: str) -> tuple[str, ...]:
        value = self._need(path)
        if not isinstance(value, list | tuple) or not all(isinstance(v, str) for v in value):
            self._wrong(path, "a list of words")
        return tuple(value)

    def table(self, path: str) -> Mapping[str, Any]:
        value = self._need(path)
        return value if isinstance(value, Mapping) else self._wrong(path, "a table")

    def below(self, path: str) -> "Fields":
        """The settings under ``path``."""
        return Fields(f"{self.source}, {path}", self.table(path))

    def joint_numbers(self, path: str, joints: tuple[str, ...]) -> tuple[float, ...]:
        """One number a joint, from a table whose keys are parts of joint names; the last that fits counts."""
        table = self.below(path)
        found = [([key for key in table.values if key in joint] or [""])[-1] for joint in joints]
        if "" in found:
            raise ConfigError(
                f"{self.source} says nothing in {path} of {joints[found.index('')]}; add it there."
            )
        return tuple(table.number(key) for key in found)

    def _need(self, path: str) -> Any:
        value = self._find(path)
        if value is None:
            raise ConfigError(f"{self.source} lacks {path}; without it nobody knows what the policy means.")
        return value

    def _find(self, path: str) -> Any:
        value: Any = self.values
        for name in path.split("."):
            value = value.get(name) if isinstance(value, Mapping) else None
        return value

    def _wrong(self, path: str, wanted: str) -> Any:
        value = self._find(path)
        if isinstance(value, Unreadable):
            raise ConfigError(
                f"{self.source} computes {path} as '{value.text}', and is not run here; write {wanted} there."
            )
        raise ConfigError(f"{self.source} has '{str(value)[:60]}' in {path}; it must be {wanted}.")


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and not math.isnan(value)
