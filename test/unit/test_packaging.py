"""The package as ``colcon build`` installs it: nothing that runs from the source tree is left behind."""

import importlib.metadata
import os
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
OWN_SHARE = ("config", "launch", "urdf")


@pytest.fixture(scope="module")
def prefix(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The package installed without links, as in a workspace."""
    folder = tmp_path_factory.mktemp("workspace")
    build = ["egg_info", f"--egg-base={folder}", "build", f"--build-base={folder / 'build'}"]
    install = ["install", f"--prefix={folder / 'install'}", f"--record={folder / 'record'}"]
    done = subprocess.run(
        [sys.executable, "setup.py", "-q", *build, *install, "--single-version-externally-managed"],
        cwd=REPOSITORY, capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return folder / "install"


def files(folder: Path, suffix: str = "") -> set[str]:
    """Files below a folder, by their path from it."""
    found = (
        path for path in folder.rglob(f"*{suffix}") if path.is_file() and "__pycache__" not in path.parts
    )
    return {path.relative_to(folder).as_posix() for path in found}


def test_every_module_is_installed(prefix: Path) -> None:
    (installed,) = prefix.glob("lib/python*/site-packages/ros2_rl")
    assert files(installed, ".py") == files(REPOSITORY / "ros2_rl", ".py")


@pytest.mark.parametrize("folder", OWN_SHARE)
def test_every_shared_file_is_installed_in_its_folder(prefix: Path, folder: str) -> None:
    assert files(prefix / "share/ros2_rl" / folder) == files(REPOSITORY / folder)


def test_ros_finds_the_package(prefix: Path) -> None:
    assert (prefix / "share/ament_index/resource_index/packages/ros2_rl").is_file()
    assert (prefix / "share/ros2_rl/package.xml").is_file()


def entry_points(prefix: Path) -> dict[str, importlib.metadata.EntryPoint]:
    (installed,) = prefix.glob("lib/python*/site-packages")
    (distribution,) = importlib.metadata.distributions(path=[str(installed)])
    return {entry.name: entry for entry in distribution.entry_points}


def test_every_program_is_an_executable_with_a_main(prefix: Path) -> None:
    programs, entries = sorted((prefix / "lib/ros2_rl").iterdir()), entry_points(prefix)
    assert {"sim_bridge", "supervisor", "learner", "import_policy"} <= {path.name for path in programs}
    for path in programs:
        assert os.access(path, os.X_OK)
        assert callable(entries[path.name].load())


def test_a_node_that_has_a_main_is_a_program(prefix: Path) -> None:
    nodes = {
        path.stem for path in (REPOSITORY / "ros2_rl/nodes").glob("*.py") if "\ndef main(" in path.read_text()
    }
    entries = entry_points(prefix).values()
    assert nodes == {entry.name for entry in entries if entry.module == f"ros2_rl.nodes.{entry.name}"}


def test_settings_are_found_in_the_share_folder(prefix: Path) -> None:
    (modules,) = prefix.glob("lib/python*/site-packages")
    code = "from ros2_rl.paths import share_path; print(share_path('config', 'gaps', 'default.yaml'))"
    env = os.environ | {"PYTHONPATH": str(modules), "AMENT_PREFIX_PATH": str(prefix)}
    done = subprocess.run([sys.executable, "-c", code], env=env, cwd=prefix, capture_output=True, text=True)
    assert done.stdout.strip() == str(prefix / "share/ros2_rl/config/gaps/default.yaml"), done.stderr


def test_message_packages_that_are_imported_are_dependencies() -> None:
    imported = {
        line.split()[1].split(".")[0]
        for path in (REPOSITORY / "ros2_rl").rglob("*.py")
        for line in path.read_text().splitlines()
        if line.startswith("from ") and (".msg import" in line or ".srv import" in line)
    }
    manifest = ElementTree.parse(REPOSITORY / "package.xml")
    assert imported <= {element.text for element in manifest.iter("exec_depend")}
