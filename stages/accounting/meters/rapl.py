"""A CPU's own energy counters (RAPL), which Linux shows for Intel's and AMD's under /sys/class/powercap.

A package's counter counts all that runs on it, whoever's it is, and runs over at its range, every quarter of an hour on a busy
server. So it is looked at every few seconds, and each stretch's joules are shared out by CPU time: ours are

    joules of the packages * CPU seconds of our process tree / busy CPU seconds of the machine

The draw of an idle machine falls so to those who work on it. Memory is not counted (only some packages tell it), nor are a
package's parts (`intel-rapl:N:M`: core, uncore), which it has counted already. Since CVE-2020-8694 many systems let root alone
read the counters.
"""

import sys
import threading
from dataclasses import dataclass
from pathlib import Path

import psutil

from stages.accounting.meters.reading import Reading, UnmeteredError
from stages.accounting.meters.sampler import Sampler
from stages.accounting.meters.tree import TreeWatch

POWERCAP = Path("/sys/class/powercap")
LOOK_EVERY_S = 5.0


@dataclass(frozen=True, slots=True)
class Package:
    """A CPU package's counter in `folder`, which goes back to 0 after `range_uj` microjoules."""

    folder: Path
    range_uj: int

    def microjoules(self) -> int:
        """Raises OSError or ValueError where the counter can't be read."""
        return int((self.folder / "energy_uj").read_text())


def find_packages(powercap: Path = POWERCAP) -> list[Package]:
    """The machine's CPU packages. Raises UnmeteredError where there is none, or one that can't be read."""
    found = []
    try:
        for folder in sorted(powercap.glob("intel-rapl:*")):
            if (folder / "name").read_text().startswith("package"):
                found.append(Package(folder, int((folder / "max_energy_range_uj").read_text())))
                found[-1].microjoules()
    except (OSError, ValueError) as error:
        raise UnmeteredError(f"RAPL: {error}") from None
    if not found:
        raise UnmeteredError(f"RAPL: no CPU package in {powercap}")
    return found


def gone_by(before: int, now: int, range_uj: int) -> int:
    """Microjoules from one look to the next, over which the counter may have run over once."""
    return now - before if now >= before else now + range_uj - before


def share(ours_s: float, busy_s: float) -> float:
    """Our share of the CPU seconds that were worked. The two are counted in other ticks: never more than all."""
    return min(1.0, ours_s / busy_s) if busy_s > 0 else 0.0


class RaplMeter:
    source = "rapl x our share of the busy cpu time"
    estimate = False

    def __init__(self, cores: int, powercap: Path = POWERCAP) -> None:
        """Raises UnmeteredError where the counters can't be read."""
        self._packages = find_packages(powercap)
        self._cores = cores
        self._watch = TreeWatch()
        self._lock = threading.Lock()
        self._energy_j = 0.0
        self._read_at = self._looked = self._watch.look()
        self._read_j = 0.0
        self._busy_s, self._counted = _busy_s(), [package.microjoules() for package in self._packages]
        self._warned = False
        self._sampler = Sampler(self._look, LOOK_EVERY_S)

    def _look(self) -> None:
        with self._lock:
            self._count()

    def _count(self) -> None:
        """Book the stretch since the last look."""
        try:
            counted = [package.microjoules() for package in self._packages]
        except (OSError, ValueError) as error:
            if not self._warned:
                print(f"warning: RAPL: {error}; the energy stays as it was read last", file=sys.stderr, flush=True)
                self._warned = True
            return
        now, busy_s = self._watch.look(), _busy_s()
        gone_j = 1e-6 * sum(
            gone_by(before, after, package.range_uj)
            for package, before, after in zip(self._packages, self._counted, counted, strict=True)
        )
        self._energy_j += gone_j * share(now.cpu_s - self._looked.cpu_s, busy_s - self._busy_s)
        self._looked, self._busy_s, self._counted = now, busy_s, counted

    def read(self) -> Reading:
        with self._lock:
            self._count()
            now, before, used_j = self._looked, self._read_at, self._energy_j - self._read_j
            self._read_at, self._read_j = now, self._energy_j
            energy_j = self._energy_j
        wall_s = max(1e-9, now.wall_s - before.wall_s)
        return Reading(
            energy_j=energy_j,
            peak_memory_bytes=now.peak_bytes,
            utilisation=min(1.0, (now.cpu_s - before.cpu_s) / wall_s / self._cores),
            power_w=used_j / wall_s,
        )

    def close(self) -> None:
        self._sampler.stop()


def _busy_s() -> float:
    times = psutil.cpu_times()
    return float(times.user + times.nice + times.system + times.irq + times.softirq)
