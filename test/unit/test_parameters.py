"""Parameters of the nodes: what is declared is described, and a default lies in its own range."""

import importlib
import pkgutil

import pytest

from ros2_rl import nodes
from ros2_rl.nodes.parameters import describe

TABLES = [
    (module.name, row)
    for module in pkgutil.iter_modules(nodes.__path__)
    for attribute in ("_PARAMETERS", "LEARNER_PARAMETERS")
    for row in getattr(importlib.import_module(f"ros2_rl.nodes.{module.name}"), attribute, ())
]


def test_the_tables_are_found():
    assert len({module for module, _ in TABLES}) > 12


@pytest.mark.parametrize(("module", "row"), TABLES, ids=[f"{module}.{row[0]}" for module, row in TABLES])
def test_a_parameter_says_what_it_is_and_its_default_is_in_range(module, row):
    name, default, text, *span = row
    assert name.isidentifier() and len(text) > 5
    for low, high in span:
        assert type(low) is type(high) is type(default)
        assert low <= default <= high


def test_a_whole_number_has_a_range_of_whole_numbers():
    (span,) = describe(3, "count", (1, 5)).integer_range
    assert (span.from_value, span.to_value, span.step) == (1, 5, 1)


def test_a_number_has_a_range_without_steps():
    descriptor = describe(0.5, "share", (0.0, 2.0))
    (span,) = descriptor.floating_point_range
    assert (span.from_value, span.to_value, span.step) == (0.0, 2.0, 0.0)
    assert not descriptor.integer_range


def test_nobody_changes_a_parameter_unless_it_is_said():
    assert describe("go2", "robot").read_only
    assert not describe(8.6, "limit", (0.0, 8.6), read_only=False).read_only
