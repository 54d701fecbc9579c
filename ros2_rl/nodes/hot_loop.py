"""A thread that a node keeps for what cannot wait; its failure ends the node."""

import threading
from collections.abc import Callable


class HotLoop:
    """Calls ``turn`` until :meth:`stop`; a turn should take at most a fraction of a second."""

    def __init__(self, name: str, turn: Callable[[], None]):
        self._turn = turn
        self._ends = threading.Event()
        self._fault: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self) -> int:
        """Begin; the native id of the thread."""
        self._thread.start()
        assert self._thread.native_id is not None
        return self._thread.native_id

    def check(self) -> None:
        """Raise what ended the thread, if something did; for the node's own thread."""
        fault, self._fault = self._fault, None
        if fault is not None:
            raise fault

    def stop(self) -> None:
        self._ends.set()
        if self._thread.is_alive():
            self._thread.join(timeout=1.0)

    def _run(self) -> None:
        try:
            while not self._ends.is_set():
                self._turn()
        except BaseException as fault:
            self._fault = fault
