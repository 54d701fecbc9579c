"""Substitutions that know packages."""

from launch.context import LaunchContext
from launch.substitution import SomeSubstitutionsType, Substitution, normalize, perform
from launch_ros.index import executable, package_prefix, package_share

__all__ = ["ExecutableInPackage", "FindPackagePrefix", "FindPackageShare"]


class FindPackagePrefix(Substitution):
    """Where a package is installed."""

    def __init__(self, package: SomeSubstitutionsType):
        self.package = normalize(package)

    def describe(self) -> str:
        """The package."""
        return f"{type(self).__name__}(pkg={' + '.join(part.describe() for part in self.package)})"

    def perform(self, context: LaunchContext) -> str:
        """The prefix."""
        return str(package_prefix(perform(context, self.package)))


class FindPackageShare(FindPackagePrefix):
    """The share folder of a package."""

    def perform(self, context: LaunchContext) -> str:
        """The folder."""
        return str(package_share(perform(context, self.package)))


class ExecutableInPackage(Substitution):
    """The path of a package's program."""

    def __init__(self, executable: SomeSubstitutionsType, package: SomeSubstitutionsType):
        self.executable, self.package = normalize(executable), normalize(package)

    def perform(self, context: LaunchContext) -> str:
        """The path."""
        return str(executable(perform(context, self.package), perform(context, self.executable)))
