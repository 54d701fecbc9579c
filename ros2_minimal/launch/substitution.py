"""Values that are known only when the launch runs."""

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from launch.context import LaunchContext


class Substitution:
    """Something that becomes text in a context."""

    def describe(self) -> str:
        """Text for people, as in ``--show-args``."""
        return type(self).__name__

    def perform(self, context: "LaunchContext") -> str:
        """The text in this context."""
        raise NotImplementedError(type(self).__name__)


SomeSubstitutionsType = str | Path | Substitution | Iterable[str | Path | Substitution]


def normalize(value: Any) -> list[Substitution]:
    """A text, path, substitution or a sequence of those as a list of substitutions."""
    from launch.substitutions import TextSubstitution

    if isinstance(value, Substitution):
        return [value]
    if isinstance(value, (str, Path)):
        return [TextSubstitution(text=str(value))]
    if isinstance(value, Iterable):
        return [part for item in value for part in normalize(item)]
    raise TypeError(f"Expected text or a substitution, got {value!r} of type {type(value).__name__}.")


def perform(context: "LaunchContext", value: Any) -> str:
    """The text of something that :func:`normalize` takes."""
    return "".join(part.perform(context) for part in normalize(value))


def truth(text: str, what: str) -> bool:
    """Meaning of a condition's text: true, false, 1 or 0 in any case."""
    if (lowered := text.strip().lower()) in ("true", "1"):
        return True
    if lowered in ("false", "0"):
        return False
    raise ValueError(f"{what} must be true or false, not '{text}'.")
