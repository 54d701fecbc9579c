"""Numbers with units, as task files write them: ``0.02 s``, ``-0.05 per rad^2/s^2``, ``time >= 0.3 s``.

A unit is compared, never converted: one that differs from what is read would be a mistake.
"""

import math
import re
from dataclasses import dataclass
from typing import Annotated

import numpy as np
from pydantic import BeforeValidator

SIGNALS = {"time": "s", "in_state": "s", "feet": "", "asked": ""}
"""What a guard may look at, and its unit: ``time`` since the cycle began and ``in_state`` since the
state was entered; ``feet`` on the ground; ``asked`` is 1 in a cycle in which a jump is asked for."""
OPERATORS = {"<": np.less, "<=": np.less_equal, ">": np.greater, ">=": np.greater_equal}
_CONDITION = re.compile(r"\s*(\w+)\s*(<=|>=|<|>)\s*(.+)")


def number(value: object, unit: str, joint: str = " ") -> float:
    """A finite number that is written as ``value`` with ``unit``; ``joint`` stands between them.

    Raises:
        ValueError: what it should have been.
    """
    text = str(value).strip()
    amount, _, written = text.partition(joint) if joint in text else (text, "", "")
    try:
        result = float(amount)
    except ValueError:
        result = math.nan
    if not math.isfinite(result):
        raise ValueError(f"'{text}' is not a finite number")
    if written.strip() != unit:
        wanted = f"as in '{amount.strip()}{joint}{unit}'" if unit else f"as in '{amount.strip()}'"
        raise ValueError(
            f"unknown unit '{written.strip()}'; it is to be {f'in {unit}' if unit else 'without'}, {wanted}"
        )
    return result


def _seconds(value: object) -> float:
    return number(value, "s")


Seconds = Annotated[float, BeforeValidator(_seconds)]
"""A time, written as ``0.02 s``."""


@dataclass(frozen=True, slots=True)
class Condition:
    """One comparison of a guard."""

    signal: str
    operator: str
    value: float


@dataclass(frozen=True, slots=True)
class Guard:
    """Conditions that must all hold: ``time >= 0.3 s and feet < 1``."""

    conditions: tuple[Condition, ...]

    @classmethod
    def parse(cls, text: object) -> "Guard":
        """Read a guard.

        Raises:
            ValueError: a comparison cannot be read, or its signal or unit is unknown.
        """
        return cls(tuple(_condition(part) for part in str(text).split(" and ")))

    def holds(self, signals: dict[str, np.ndarray]) -> np.ndarray:
        """Where it holds, (N,) of bool, given the signals (N,) by name."""
        parts = [OPERATORS[c.operator](signals[c.signal], c.value) for c in self.conditions]
        return np.logical_and.reduce(parts)


def _condition(text: str) -> Condition:
    match = _CONDITION.fullmatch(text)
    if match is None:
        raise ValueError(f"'{text}' is no comparison; write one as in 'time >= 0.3 s and feet < 1'")
    signal, operator, value = match.groups()
    if signal not in SIGNALS:
        raise ValueError(f"unknown signal {signal}; there are {', '.join(SIGNALS)}")
    return Condition(signal, operator, number(value, SIGNALS[signal]))
