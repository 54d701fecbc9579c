"""Finds installed packages along AMENT_PREFIX_PATH."""

import os
from pathlib import Path


class PackageNotFoundError(LookupError):
    """No such package is installed in any of the prefixes."""


def packages() -> dict[str, Path]:
    """Prefix of every installed package; earlier prefixes win."""
    found: dict[str, Path] = {}
    for prefix in _prefixes():
        for marker in sorted((prefix / "share/ament_index/resource_index/packages").glob("*")):
            found.setdefault(marker.name, prefix)
    return found


def package_prefix(package: str) -> Path:
    """Where a package is installed.

    Raises:
        PackageNotFoundError: it is in none of the prefixes.
    """
    for prefix in _prefixes():
        marker = prefix / "share/ament_index/resource_index/packages" / package
        if marker.is_file() or (prefix / "share" / package / "package.xml").is_file():
            return prefix
    searched = ", ".join(map(str, _prefixes())) or "nothing, AMENT_PREFIX_PATH is empty"
    raise PackageNotFoundError(
        f"The package '{package}' is not installed (searched: {searched}); source its workspace's setup.sh."
    )


def package_share(package: str) -> Path:
    """The share folder of a package."""
    return package_prefix(package) / "share" / package


def executables(package: str) -> list[Path]:
    """The programs of a package."""
    folder = package_prefix(package) / "lib" / package
    return [path for path in sorted(folder.glob("*")) if path.is_file() and os.access(path, os.X_OK)]


def executable(package: str, name: str) -> Path:
    """One program of a package.

    Raises:
        PackageNotFoundError: no such package.
        LookupError: the package has no such program.
    """
    found = {path.name: path for path in executables(package)}
    if name not in found:
        names = ", ".join(found) or "none"
        raise LookupError(f"The package '{package}' has no executable '{name}'; available: {names}.")
    return found[name]


def _prefixes() -> list[Path]:
    return [Path(part) for part in os.environ.get("AMENT_PREFIX_PATH", "").split(os.pathsep) if part]
