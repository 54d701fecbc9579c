"""The thread in which updates are made, one after another, so that nobody has to wait for one."""

import queue
import threading
import time
from collections.abc import Iterator

from ros2_rl.learning.events import Learn, Restore
from ros2_rl.learning.finetune import FineTuning, Update
from ros2_rl.learning.rollout import Batch
from ros2_rl.learning.sac.experience import Transitions
from ros2_rl.policy.adapter import Adapter

Done = tuple[Adapter, Update | None]
"""An adapter that is to act, and the update it comes from; None: an earlier one acts again."""
_FAREWELL_S = 3.0


class Worker:
    """Takes on what a session asks for; all methods but the thread's own are the owner's."""

    def __init__(self, tuning: FineTuning):
        self._tuning, self._closing = tuning, False
        self.update_s = 0.0
        """Wall time of the newest update, s."""
        self._work: queue.Queue[tuple[Learn, Batch | Transitions] | Restore | None] = queue.Queue()
        self._done: queue.Queue[Done | Exception] = queue.Queue()
        self._thread = threading.Thread(target=self._forever, daemon=True)

    def start(self) -> None:
        self._thread.start()

    @property
    def waiting(self) -> int:
        """How much has been taken on and not been begun."""
        return self._work.qsize()

    def take_on(self, event: Learn | Restore) -> None:
        """Carry out ``event`` after what was taken on before; what was collected so far belongs to it."""
        self._work.put((event, self._tuning.drain()) if isinstance(event, Learn) else event)

    def done(self) -> Iterator[Done]:
        """What is finished by now.

        Raises:
            Exception: whatever an update has failed with.
        """
        while not self._done.empty():
            done = self._done.get()
            if isinstance(done, Exception):
                raise done
            yield done

    def close(self) -> None:
        """Cut an update short and leave out what waits."""
        self._closing = True
        self._tuning.hurry()
        self._work.put(None)
        self._thread.join(timeout=_FAREWELL_S)

    def _forever(self) -> None:
        while (job := self._work.get()) is not None:
            if self._closing:
                continue
            try:
                self._done.put(self._carry_out(job))
            except Exception as error:  # the owner's thread reports it and ends the run
                self._done.put(error)

    def _carry_out(self, job: tuple[Learn, Batch | Transitions] | Restore) -> Done:
        if isinstance(job, Restore):
            return self._tuning.restore(job), None
        begin = time.perf_counter()
        update = self._tuning.learn(*job)
        self.update_s = time.perf_counter() - begin
        return update.adapter, update
