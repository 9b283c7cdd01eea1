"""An attempt being booked: its steps, its heartbeat, its energy, its end, and its budget."""

import sqlite3
import sys
import threading
import time
from dataclasses import dataclass, field, replace

from stages.accounting.budget import Purse, reached, warned
from stages.accounting.ledger import Ledger
from stages.accounting.meters import Meter
from stages.accounting.records import Energy, Failure, Status, StepCost


@dataclass(slots=True)
class Booking:
    """`meter` and `purse` are None until the attempt's device and identity are known."""

    ledger: Ledger
    attempt: int
    meter: Meter | None = None
    purse: Purse | None = None
    _lock: threading.Lock = field(default_factory=threading.Lock, init=False)
    _looked_at: float = field(default_factory=time.monotonic, init=False)
    _looks: list[tuple[float, float]] = field(default_factory=list, init=False)
    """Utilisation since the last step, and how long it was so: heartbeats look at the meter, too."""
    _joules: float = field(default=0.0, init=False)
    _warned: bool = field(default=False, init=False)

    def took(self, cost: StepCost) -> str | None:
        """Book a step, with the energy since the one before it. Says which hard limit of the budget is reached, if one is."""
        try:
            self.ledger.took(self.attempt, self._measured(cost), self.energy())
            return self.over_budget()
        except sqlite3.Error as error:  # busy, a full disk, closed by somebody else: the work itself goes on
            print(
                f"warning: {self.ledger.path}: step {cost.step} could not be booked ({error})",
                file=sys.stderr,
                flush=True,
            )
            return None

    def over_budget(self) -> str | None:
        """Which hard limit is reached; of a soft one it warns once."""
        if self.purse is None or not self.purse.limited:
            return None
        spent = self.purse.spent(self.ledger.read, lambda device: None)  # what runs has been booked with its price
        if not self._warned and (said := warned(spent, self.purse.budget)):
            self._warned = True
            print(f"warning: {said}", file=sys.stderr, flush=True)
        return reached(spent, self.purse.budget)

    def energy(self) -> Energy | None:
        """What the attempt has used so far."""
        joules = self._look()
        return None if self.meter is None or joules is None else Energy(joules, self.meter.source, self.meter.estimate)

    def end(self, status: Status, failure: Failure | None = None) -> None:
        """Where even that can't be written, the next one to open the ledger closes it."""
        try:
            self.ledger.end(self.attempt, status, failure, self.energy())
        except sqlite3.Error as error:
            print(f"warning: {self.ledger.path}: could not be written ({error})", file=sys.stderr)
        if self.meter is not None:
            self.meter.close()

    def _measured(self, cost: StepCost) -> StepCost:
        joules = self._look()
        with self._lock:
            looks, self._looks = self._looks, []
        used_s = sum(seconds for _, seconds in looks)
        utilisation = sum(share * seconds for share, seconds in looks) / used_s if used_s else None
        if joules is None:
            return replace(cost, utilisation=utilisation)
        used, self._joules = joules - self._joules, joules
        return replace(cost, energy_j=used, utilisation=utilisation)

    def _look(self) -> float | None:
        """Joules so far."""
        if self.meter is None:
            return None
        with self._lock:
            read, now = self.meter.read(), time.monotonic()
            if read.utilisation is not None:
                self._looks.append((read.utilisation, now - self._looked_at))
            self._looked_at = now
        return read.energy_j
