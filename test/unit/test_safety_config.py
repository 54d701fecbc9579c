"""The safety thresholds: every number checked, every error one sentence."""

import pytest
import yaml

from ros2_rl.errors import ConfigError
from ros2_rl.paths import share_path
from ros2_rl.safety.config import load_safety, parse_safety
from ros2_rl.safety.reaction import Reaction
from ros2_rl.safety.rules import GuardRules

TEXT = share_path("config", "safety", "go2.yaml").read_text()


def changed(path: str, value) -> str:
    data = yaml.safe_load(TEXT)
    *sections, key = path.split(".")
    entry = data
    for section in sections:
        entry = entry[section]
    entry[key] = value
    return yaml.safe_dump(data)


@pytest.mark.parametrize("robot", ["go2", "arm"])
def test_it_reads_and_every_number_says_why(robot):
    """Beside it, or, for a guard, in the line above."""
    assert load_safety(robot).guards.finite.after_s == 0.01
    lines = share_path("config", "safety", f"{robot}.yaml").read_text().splitlines()
    keys = [i for i, line in enumerate(lines) if line.startswith("  ") and not line.strip().startswith("#")]
    assert len(keys) > 40
    assert all("#" in lines[i] or lines[i - 1].startswith("  #") for i in keys)


def test_every_guard_has_its_entry_and_every_reaction_is_used():
    rules = load_safety("go2").guards
    of_arms = {"workspace", "contact_force"}
    assert set(yaml.safe_load(TEXT)["guards"]) == set(GuardRules.model_fields) - of_arms
    reactions = {getattr(rules, name).reaction for name in set(GuardRules.model_fields) - of_arms}
    assert reactions == set(Reaction) - {0}


def test_an_unknown_robot_names_the_known_ones():
    with pytest.raises(ConfigError, match="'spot'; available: .*go2"):
        load_safety("spot")


@pytest.mark.parametrize(
    "path, value",
    [
        ("guards.tilt.limit_deg", 80.0),
        ("guards.tilt.limit_deg", float("nan")),
        ("guards.tilt.limt_deg", 28.0),
        ("guards.tilt.reaction", "PRAY"),
        ("guards.tilt.reaction", 5),
        ("guards.tilted", {}),
        ("joints.target_rate", -1.0),
        ("guards.stamp.gap_s", "soon"),
        ("recovery.attempts", []),
        ("recovery.attempts", ["prayed"]),
    ],
)
def test_a_bad_number_or_key_is_refused_by_name(path, value):
    with pytest.raises(ConfigError, match=f"go2.yaml: {path}.*mend"):
        parse_safety(changed(path, value), "go2.yaml")


@pytest.mark.parametrize("text", ["guards: [", "", "guards: {}"])
def test_a_broken_file_is_refused(text):
    with pytest.raises(ConfigError, match="go2.yaml"):
        parse_safety(text, "go2.yaml")
