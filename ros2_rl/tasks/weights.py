"""Weights of reward terms, as task files write them: ``term: 1.5`` or ``term: -0.05 per rad^2/s^2``."""

from typing import Annotated

from pydantic import BeforeValidator
from pydantic_core import PydanticCustomError

from ros2_rl.tasks.quantities import number
from ros2_rl.tasks.terms import TERMS, UNITS


def parse_weights(value: object) -> dict[str, float]:
    """The weight of each term, per its unit.

    Raises:
        PydanticCustomError: the term ``key`` or its unit is unknown, or the weight is not a finite number.
    """
    if not isinstance(value, dict):
        raise ValueError("it is to be a list of 'term: weight'")
    return {name: _weight(name, entry) for name, entry in value.items()}


def _weight(name: str, entry: object) -> float:
    if name not in TERMS:
        raise _refused(name, f"unknown term {name}; there are {', '.join(sorted(TERMS))}")
    try:
        return number(entry, UNITS.get(name, ""), " per ")
    except ValueError as error:
        raise _refused(name, str(error)) from None


def _refused(key: str, reason: str) -> PydanticCustomError:
    """An error that says which entry is wrong, so that its line can be named."""
    return PydanticCustomError("weight", "{reason}", {"key": key, "reason": reason})


Weights = Annotated[dict[str, float], BeforeValidator(parse_weights)]
"""Weight of each reward term."""
