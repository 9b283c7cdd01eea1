"""What the ledger holds, as data: attempts, what a step of one took, and sums of steps. Times are Unix seconds."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Literal

from stages.errors import Cause

CPU_CORE = "cpu-core"
PHASES = ("sample", "grade", "reference", "update", "save", "idle")
Status = Literal["running", "done", "failed", "killed", "pruned"]


@dataclass(frozen=True, slots=True)
class Device:
    """What an attempt occupies: `name` as in prices.yaml, `count` of it."""

    name: str
    count: int


@dataclass(frozen=True, slots=True)
class Origin:
    """Where an attempt comes from; None where that can't be known (no git, nothing made yet, a ledger of an older schema)."""

    run: str
    """All attempts that one command started: a flow, a `dvc repro`, a stage called by itself."""
    sweep: str | None
    experiment: str | None
    """DVC's name of it."""
    workspace: str | None
    """The folder of the repository, since worktrees may share a ledger."""
    commit: str | None
    dirty: bool | None
    """Whether tracked files differ from the commit, reports and dvc.lock left aside."""
    params_hash: str | None
    lock_hash: str | None
    """Of dvc.lock as it was when the attempt began."""


@dataclass(frozen=True, slots=True)
class BookedPrice:
    """What one device cost when an attempt was booked. `usd_per_kwh` is None where electricity is in the price by the hour."""

    usd_per_hour: float
    usd_per_kwh: float | None
    market: str
    date: str
    source: str


@dataclass(frozen=True, slots=True)
class Energy:
    """What a meter says of an attempt so far; `source` names the meter."""

    joules: float
    source: str
    estimate: bool


@dataclass(frozen=True, slots=True)
class Failure:
    """Why an attempt ended without a result, for programs and for people."""

    cause: Cause
    message: str


@dataclass(frozen=True, slots=True)
class StepCost:
    """What a step took: seconds by phase (`idle_s`: in none of them), tokens, nominal floating point operations, memory.

    Sampled tokens are those of groups that teach, of groups whose rewards are all equal (`zero_std`), and of completions that the
    context cut in groups that teach (`truncated`); trained tokens likewise. `computed_tokens` are the positions that the update's
    passes computed, prompts and padding (`padding_tokens`) among them. `skipped_share` is the part of the step's updates that
    were not finite. `peak_memory_bytes` is the most that was in use of the main rank's GPU as a phase ended (in older ledgers
    torch's peak, which counts a sleeping vLLM), or of main memory by the attempt until then.
    """

    step: int
    sample_s: float = 0.0
    grade_s: float = 0.0
    reference_s: float = 0.0
    update_s: float = 0.0
    save_s: float = 0.0
    idle_s: float = 0.0
    rollouts: int = 0
    sampled_tokens: int = 0
    zero_std_tokens: int = 0
    truncated_tokens: int = 0
    trained_tokens: int = 0
    trained_zero_std_tokens: int = 0
    trained_truncated_tokens: int = 0
    computed_tokens: int = 0
    padding_tokens: int = 0
    skipped_share: float = 0.0
    sample_flops: float = 0.0
    reference_flops: float = 0.0
    update_flops: float = 0.0
    peak_memory_bytes: int = 0
    energy_j: float | None = None
    utilisation: float | None = None

    @property
    def wall_s(self) -> float:
        return self.sample_s + self.grade_s + self.reference_s + self.update_s + self.save_s + self.idle_s

    @property
    def tokens_per_s(self) -> float:
        """Sampled tokens over the whole step."""
        return self.sampled_tokens / max(1e-9, self.wall_s)


STEP_COLUMNS = tuple(field.name for field in fields(StepCost))


@dataclass(frozen=True, slots=True)
class Totals:
    """Sums over steps `first_step` to `last_step`; `skipped_s` are the seconds of skipped updates (update and reference)."""

    first_step: int
    last_step: int
    sample_s: float
    grade_s: float
    reference_s: float
    update_s: float
    save_s: float
    idle_s: float
    rollouts: int
    sampled_tokens: int
    zero_std_tokens: int
    truncated_tokens: int
    trained_tokens: int
    trained_zero_std_tokens: int
    trained_truncated_tokens: int
    computed_tokens: int
    padding_tokens: int
    skipped_s: float
    sample_flops: float
    reference_flops: float
    update_flops: float
    peak_memory_bytes: int

    def seconds(self) -> dict[str, float]:
        """By phase."""
        return {phase: getattr(self, f"{phase}_s") for phase in PHASES}


TOTAL_COLUMNS = tuple(field.name for field in fields(Totals))


@dataclass(frozen=True, slots=True)
class Attempt:
    """One execution of a stage, good or bad. `heartbeat_at` of an ended attempt is its end.

    `wall_s` is measured by a clock that nobody sets, so that it may differ from the difference of the two times. `price` is None
    where nobody knew it yet.
    """

    id: int
    uid: str
    stage: str
    identity: str
    status: Status
    started_at: float
    heartbeat_at: float
    wall_s: float
    device: Device
    host: str
    failure: Failure | None
    origin: Origin
    price: BookedPrice | None
    energy: Energy | None
    plan: Mapping[str, str | int]
    """What its last bits (besides the identity) and its pace depend on (stages/stage.py); empty before it is known."""

    @property
    def unfinished(self) -> bool:
        """Whether it ended without a result."""
        return self.status in ("failed", "killed", "pruned")


@dataclass(frozen=True, slots=True)
class Correction:
    """Dollars to add to (or take from) an attempt's bill, with the reason: what was booked stays as it is."""

    attempt: int
    made_at: float
    usd: float
    why: str
