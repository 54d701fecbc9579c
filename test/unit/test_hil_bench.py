"""The arithmetic of bench/hil.py: what its figures must show, and when it says that they do not."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "bench"))

from hil import METHODS, Result, flat, musts, print_table  # noqa: E402

HELP = 20 * [0.5] + 20 * [0.0]
"""Share of a person's steps after each episode."""


def results(**changes: Result) -> dict[str, list[Result]]:
    good = {
        "bc": Result(0.4, 3.0, {0.0: 0.4}),
        "rlpd": Result(0.9, 2.0, {0.0: 0.4, 5.0: 0.9}, [0.0, 0.0], 30.0),
        "hil": Result(0.97, 1.6, {0.0: 0.4, 2.0: 0.8, 5.0: 1.0}, HELP, 30.0),
    }
    return {method: [(good | changes)[method]] for method in METHODS}


def missed(**changes: Result) -> list[str]:
    return [sentence for sentence, met in musts(results(**changes), 30.0).items() if not met]


def test_good_figures_meet_everything():
    assert missed() == []


@pytest.mark.parametrize(
    ("changes", "what"),
    [
        ({"hil": Result(0.94, 1.6, {2.0: 0.8}, HELP)}, "95 %"),
        ({"bc": Result(0.97, 2.5)}, "twice as often"),
        ({"hil": Result(0.97, 1.6, {2.0: 0.8}, [*HELP, 0.06])}, "intervention rate"),
        ({"hil": Result(0.97, 1.6, {2.0: 0.8}, 20 * [0.0])}, "intervention rate"),
        ({"hil": Result(0.97, 1.6, {5.0: 0.8}, HELP)}, "fewer robot minutes"),
        ({"hil": Result(0.97, 1.6, {5.0: 0.7}, HELP)}, "fewer robot minutes"),
    ],
)
def test_each_must_can_be_missed(changes: dict[str, Result], what: str):
    (sentence,) = missed(**changes)
    assert what in sentence


def test_at_equal_success_speed_counts():
    assert missed(bc=Result(0.98, 2.9)) == []


def test_a_seed_without_a_success_has_no_time():
    both = results(bc=Result(0.98, 2.9))
    for method, rows in results(bc=Result(0.0, 0.0)).items():
        both[method] += rows
    assert sum(musts(both, 30.0).values()) == 4


def test_a_learner_that_never_gets_there_counts_with_all_its_minutes():
    assert results(rlpd=Result(0.5, 2.0, {5.0: 0.5}))["rlpd"][0].minutes_to_good is None
    assert missed(rlpd=Result(0.5, 2.0, {5.0: 0.5})) == []


def test_80_percent_that_is_lost_again_at_the_next_look_does_not_count():
    assert Result(1.0, 2.0, {1.0: 0.9, 2.0: 0.1, 3.0: 0.8, 4.0: 1.0}).minutes_to_good == 3.0
    assert Result(1.0, 2.0, {1.0: 0.9, 2.0: 0.1, 3.0: 0.8}).minutes_to_good == 3.0
    assert Result(0.1, 2.0, {1.0: 0.9, 2.0: 0.1}).minutes_to_good is None


def test_the_figures_are_flat_and_the_table_has_every_row(capsys: pytest.CaptureFixture[str]):
    figures = flat(results(), [7])
    assert figures["seed7/hil/success"] == 0.97 and figures["seed7/hil/success_at_2_min"] == 0.8
    assert figures["seed7/bc/minutes_to_good"] is None
    print_table(results())
    assert len(capsys.readouterr().out.splitlines()) == 4
