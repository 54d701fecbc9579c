"""The safety thresholds: every number checked, every error one sentence."""

import pytest
import yaml

from ros2_rl.errors import ConfigError
from ros2_rl.paths import share_path
from ros2_rl.safety.config import load_safety, parse_safety

TEXT = share_path("config", "safety", "go2.yaml").read_text()


def changed(section: str, key: str, value) -> str:
    data = yaml.safe_load(TEXT)
    data[section][key] = value
    return yaml.safe_dump(data)


def test_go2_reads_and_every_number_says_why():
    assert load_safety("go2").tilt.limit_deg == 24.0
    keys = [line for line in TEXT.splitlines() if line.startswith("  ")]
    assert keys and all("#" in line for line in keys)


def test_an_unknown_robot_names_the_known_ones():
    with pytest.raises(ConfigError, match="'spot'; available: .*go2"):
        load_safety("spot")


@pytest.mark.parametrize(
    "section, key, value",
    [
        ("tilt", "limit_deg", 80.0),
        ("tilt", "limit_deg", float("nan")),
        ("tilt", "limt_deg", 28.0),
        ("joints", "target_rate", -1.0),
        ("stale", "state_s", "soon"),
        ("recovery", "attempts", []),
        ("recovery", "attempts", ["prayed"]),
    ],
)
def test_a_bad_number_or_key_is_refused_by_name(section, key, value):
    with pytest.raises(ConfigError, match=f"go2.yaml: {section}.{key}.*mend"):
        parse_safety(changed(section, key, value), "go2.yaml")


@pytest.mark.parametrize("text", ["tilt: [", "", "tilt: {}"])
def test_a_broken_file_is_refused(text):
    with pytest.raises(ConfigError, match="go2.yaml"):
        parse_safety(text, "go2.yaml")
