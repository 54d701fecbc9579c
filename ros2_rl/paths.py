"""Where the package's shared files lie: the source tree or the installed share folder."""

import os
from pathlib import Path


def share_path(*parts: str) -> Path:
    """Path of a shared file (``config``, ``urdf``, ``launch``).

    The source tree wins when the package is imported from one; otherwise the ament index
    says where ``share/ros2_rl`` is.
    """
    source = Path(__file__).resolve().parent.parent
    if (source / "config" / "robots").is_dir():
        return source.joinpath(*parts)
    for prefix in os.environ.get("AMENT_PREFIX_PATH", "").split(os.pathsep):
        share = Path(prefix) / "share" / "ros2_rl"
        if prefix and share.is_dir():
            return share.joinpath(*parts)
    return source.joinpath(*parts)


def available(folder: str, suffix: str = ".yaml") -> str:
    """Names of the files in a shared folder, for error messages: ``'a, b'``."""
    names = sorted(p.name.removesuffix(suffix) for p in share_path(*folder.split("/")).glob(f"*{suffix}"))
    return ", ".join(names) or "none"
