"""Several ladders side by side in one flow: they share the slots of the machine, and are stopped together."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from flows.children import DvcChildren
from flows.climb import climb, slots_of
from flows.dvc_task import Watch
from flows.workspace import Workspace
from stages.errors import LadderError


class Silent:
    """A watch over one of many."""

    def show(self, stage: str, note: str) -> None: ...

    def end(self, stage: str, how: str) -> None: ...


class Fleet:
    def __init__(self, parallel_stages: int) -> None:
        self._slots = slots_of(parallel_stages)
        self._lock = threading.Lock()
        self._at_work: set[DvcChildren] = set()
        self._stopped = False

    @property
    def stopped(self) -> bool:
        return self._stopped

    def climb(
        self, workspace: Workspace, watch_of: Callable[[DvcChildren], Watch] = lambda children: Silent()
    ) -> list[str]:
        """As `flows.climb.climb`, in a thread of a flow's. Raises LadderError after `stop`."""
        with self._children(workspace) as children:
            return climb(workspace, watch_of(children), children)

    def stop(self) -> None:
        """End them all within seconds, and begin none any more."""
        with self._lock:
            self._stopped = True
            children = list(self._at_work)
        threads = [threading.Thread(target=each.stop) for each in children]  # each may take seconds
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    @contextmanager
    def stopped_on_error(self) -> Iterator[None]:
        """Whatever is raised in the block (a cancel, Ctrl-C) stops them all."""
        try:
            yield
        except BaseException:
            self.stop()
            raise

    @contextmanager
    def _children(self, workspace: Workspace) -> Iterator[DvcChildren]:
        children = DvcChildren(workspace, self._slots)
        with self._lock:
            if self._stopped:
                raise LadderError(f"{workspace.experiment}: not begun, the flow was stopped")
            self._at_work.add(children)
        try:
            yield children
        finally:
            with self._lock:
                self._at_work.discard(children)
