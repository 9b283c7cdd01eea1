"""A small thread that looks at a meter between its readings."""

import threading
from collections.abc import Callable


class Sampler:
    def __init__(self, sample: Callable[[], object], every_s: float) -> None:
        self._sample, self._every_s = sample, every_s
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        while not self._stop.wait(self._every_s):
            self._sample()

    def stop(self) -> None:
        self._stop.set()
        self._thread.join()
