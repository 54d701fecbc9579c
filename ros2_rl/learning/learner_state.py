"""What every learner of legs keeps the same way: actors to go back to, and what a checkpoint must fit."""

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from typing import Any

import torch

from ros2_rl.errors import ConfigError

Tensors = dict[str, torch.Tensor]


class Snapshots:
    """Actors by their version; 0 is the base and always there.

    Args:
        most: so many are kept, the oldest go first.

    Attributes:
        pinned: version that is kept however old it is.
    """

    def __init__(self, most: int):
        self._most = most
        self._kept: OrderedDict[int, Tensors] = OrderedDict()
        self.pinned = 0

    def keep(self, version: int, actor: Tensors) -> None:
        """Keep an actor as it is under ``version``."""
        self._kept[version] = actor
        while len(self._kept) > self._most:
            del self._kept[min(set(self._kept) - {0, self.pinned})]

    def at(self, version: int) -> Tensors:
        """The actor that was kept.

        Raises:
            ConfigError: no such version is kept.
        """
        if version not in self._kept:
            kept = ", ".join(map(str, sorted(self._kept)))
            raise ConfigError(f"There is no adapter of version {version} to go back to; there are {kept}.")
        return self._kept[version]

    def contents(self) -> dict[int, Tensors]:
        """All of them, for a checkpoint."""
        return dict(self._kept)

    def restore(self, contents: Mapping[int, Tensors]) -> None:
        """Inverse of :meth:`contents`."""
        self._kept = OrderedDict(contents)


def check_state(
    state: Mapping[str, Any], base_sha256: str, config: Mapping[str, Any], same: Sequence[str]
) -> None:
    """Whether a checkpoint is one of this base policy, with the same values for the keys of ``same``.

    Raises:
        ConfigError: it is not.
    """
    if state["base_sha256"] != base_sha256:
        raise ConfigError(
            f"The checkpoint belongs to the base policy {state['base_sha256'][:12]}, but "
            f"{base_sha256[:12]} is loaded; resume with the same policy file."
        )
    for key in same:
        if state["config"].get(key) != config[key]:
            raise ConfigError(
                f"The checkpoint was made with {key} {state['config'].get(key)}, the learner has "
                f"{config[key]}; resume with the same settings."
            )
