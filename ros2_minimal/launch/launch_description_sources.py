"""Where launch descriptions come from."""

import importlib.util
from pathlib import Path
from types import ModuleType

from launch.context import LaunchContext
from launch.entity import LaunchDescription
from launch.substitution import SomeSubstitutionsType, normalize, perform

__all__ = ["AnyLaunchDescriptionSource", "LaunchDescriptionSource", "PythonLaunchDescriptionSource"]


class LaunchDescriptionSource:
    """A description that exists already."""

    def __init__(self, launch_description: LaunchDescription):
        self._description: LaunchDescription | None = launch_description
        self.location = "<script>"

    def get_launch_description(self, context: LaunchContext) -> LaunchDescription:
        """The description."""
        if self._description is None:
            raise RuntimeError(f"There is no launch description in {self.location}.")
        return self._description

    def try_get_launch_description_without_context(self) -> LaunchDescription | None:
        """The description, unless a context is needed for it."""
        return self._description


class PythonLaunchDescriptionSource(LaunchDescriptionSource):
    """A launch file in Python, read when it is needed."""

    def __init__(self, launch_file_path: SomeSubstitutionsType):
        self._path = normalize(launch_file_path)
        self._description = None
        self.location = " + ".join(part.describe() for part in self._path)

    def get_launch_description(self, context: LaunchContext) -> LaunchDescription:
        """What the file's ``generate_launch_description`` gives."""
        if self._description is None:
            self.location = perform(context, self._path)
            self._description = load(Path(self.location)).generate_launch_description()
        return self._description

    def try_get_launch_description_without_context(self) -> LaunchDescription | None:
        """The same, or nothing where the path depends on the context."""
        try:
            return self.get_launch_description(LaunchContext())
        except LookupError:
            return None


AnyLaunchDescriptionSource = PythonLaunchDescriptionSource


def load(path: Path) -> ModuleType:
    """The launch file as a module."""
    if not path.is_file():
        raise FileNotFoundError(f"There is no launch file {path}.")
    spec = importlib.util.spec_from_file_location(path.name.removesuffix(".py").replace(".", "_"), path)
    if spec is None or spec.loader is None:
        raise RuntimeError(f"The launch file {path} is not Python.")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
