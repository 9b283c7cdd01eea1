"""A checkpoint's answers, each sampled once: they are kept by all that decides them.

Who is killed goes on where the last part ended; who asks for another benchmark or for more samples waits for what is new alone;
a mended grader never samples again. Parts are whole Parquet files under runs/samples/, outside DVC's outs. Their random numbers
belong to the problem and the sample's number; a part is a whole number of the engine's batches, so that an interrupted sampling
goes on with the batches of an uninterrupted one, to its very bytes. Among other problems the last bits of a logit may differ.
"""

import hashlib
import json
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Self

import pyarrow
import pyarrow.parquet
from transformers import PreTrainedTokenizerBase

from stages.accounting.records import StepCost
from stages.engines.build import make_sampler
from stages.engines.checkpoint import load_checkpoint, load_tokenizer
from stages.engines.device import prepare_device
from stages.engines.protocols import Prompt, Rollout, RolloutEngine, Sampling
from stages.errors import BudgetReached
from stages.params import Params
from stages.problems.sample import Sample
from stages.store.digest import md5
from stages.store.files import whole_file

KEPT = Path("runs/samples")
DECIDES = (
    Path("stages/engines"),
    Path("stages/randomness.py"),
    Path("compute.txt"),
)  # besides the checkpoint and the settings
ROLLOUTS_A_PART = 1024

MakeSampler = Callable[[list[Prompt], Sampling], RolloutEngine]
OnProgress = Callable[[int], None]
Book = Callable[[StepCost], str | None]


def answerer_of(folder: Path, params: Params, book: Book = lambda cost: None) -> "Answerer":
    """Answers of the checkpoint in `folder`; its weights are loaded when the first one is sampled."""

    def make(prompts: list[Prompt], sampling: Sampling) -> RolloutEngine:
        checkpoint = load_checkpoint(folder, prepare_device(params.engine))
        return make_sampler(checkpoint, folder, prompts, sampling, params, trained=False)

    kept = kept_answers(folder, params)
    return Answerer(load_tokenizer(folder), make, params.operations.rollout_batch_rows, kept, book)


def kept_answers(folder: Path, params: Params) -> Path:
    """Where they are kept: by what the checkpoint is, what samples and with what numbers."""
    engine = params.engine.model_dump(include={"device", "dtype", "threads", "rollout", "deterministic"})
    said = [md5(folder), [md5(path) for path in DECIDES], engine, params.seed]
    return KEPT / hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()[:32]


class Answerer:
    """Answers of one checkpoint: those that are kept, and those that it has to be asked for.

    `make` makes the engine when it is first needed, with the longest that it will be asked. `kept` is None where nothing is kept.
    `book` is told what each part took, a step by its number, and says why the work has to end with it, if it has to.
    """

    def __init__(
        self,
        tokenizer: PreTrainedTokenizerBase,
        make: MakeSampler,
        batch_rows: int,
        kept: Path | None,
        book: Book = lambda cost: None,
    ) -> None:
        self.tokenizer = tokenizer
        self._make = make
        self._batch_rows = batch_rows
        self._kept = kept
        self._book = book
        self._sampler: RolloutEngine | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._sampler:
            self._sampler.close()

    def answers(
        self,
        prompts: list[Prompt],
        sampling: Sampling,
        key: tuple[str | int, ...],
        on_progress: OnProgress = lambda done: None,
    ) -> list[Sample]:
        """`sampling.answers` a prompt, grouped by prompt in the order given. The random numbers belong to `key`.

        Raises BudgetReached where `book` says so: what was answered is kept.
        """
        parts = _Parts(None if self._kept is None else self._kept / _name(sampling, key))
        missing: dict[Sampling, list[Prompt]] = {}
        for prompt in prompts:
            asked = parts.missing(prompt, sampling)
            if asked.answers:
                missing.setdefault(asked, []).append(replace(prompt, first_sample=sampling.n - asked.n))
        done = len(prompts) * sampling.answers - sum(asked.answers * len(some) for asked, some in missing.items())
        for asked, some in missing.items():
            per_batch = max(1, self._batch_rows // asked.answers)
            per_part = per_batch * max(1, ROLLOUTS_A_PART // (per_batch * asked.answers))
            for start in range(0, len(some), per_part):
                sampler = self._engine(prompts, sampling)
                told, part = partial(_tell, on_progress, done), some[start : start + per_part]
                began = time.perf_counter()
                rollouts = sampler.generate(part, asked, key, told)
                seconds = time.perf_counter() - began
                tokens = sum(len(rollout.token_ids) for rollout in rollouts)
                # Booked before it is kept: what was kept and not booked would be missing for ever.
                why = self._book(
                    StepCost(parts.count + 1, sample_s=seconds, rollouts=len(rollouts), sampled_tokens=tokens)
                )
                owners = [owner for owner in map(_digest, part) for _ in range(asked.answers)]
                parts.add(owners, self._samples(rollouts))
                done += len(rollouts)
                if why is not None and done < len(prompts) * sampling.answers:
                    raise BudgetReached(why)
        return [sample for prompt in prompts for sample in parts.wanted(prompt, sampling)]

    def _engine(self, prompts: list[Prompt], sampling: Sampling) -> RolloutEngine:
        if self._sampler is None:
            self._sampler = self._make(prompts, sampling)
        return self._sampler

    def _samples(self, rollouts: Sequence[Rollout]) -> list[Sample]:
        texts = self.tokenizer.batch_decode([list(rollout.token_ids) for rollout in rollouts], skip_special_tokens=True)
        return [
            Sample(one.prompt.problem_id, one.index, one.greedy, text, len(one.token_ids), one.truncated)
            for one, text in zip(rollouts, texts, strict=True)
        ]


def _tell(on_progress: OnProgress, before: int, more: int) -> None:
    on_progress(before + more)


def _name(sampling: Sampling, key: tuple[str | int, ...]) -> str:
    said = json.dumps([sampling.temperature, sampling.max_response_tokens, sampling.top_p, *key])
    return hashlib.sha256(said.encode()).hexdigest()[:16]


class _Parts:
    """The samples so far by problem and prompt (the same problem may be asked with another instruction)."""

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder
        self._samples: dict[str, dict[int, Sample]] = {}
        self._greedy: dict[str, Sample] = {}
        self.count = 0
        for path in sorted(folder.glob("part-*.parquet")) if folder else []:
            self.count = int(path.stem.removeprefix("part-")) + 1
            self._read(path)

    def missing(self, prompt: Prompt, sampling: Sampling) -> Sampling:
        """What is still to be asked for: the samples from the first that is not there on, the greedy answer."""
        owner = _digest(prompt)
        known = self._samples.get(owner, {})
        first = next(index for index in range(len(known) + 1) if index not in known)
        return replace(sampling, n=max(0, sampling.n - first), greedy=sampling.greedy and owner not in self._greedy)

    def wanted(self, prompt: Prompt, sampling: Sampling) -> list[Sample]:
        owner = _digest(prompt)
        sampled = [self._samples[owner][index] for index in range(sampling.n)]
        return [*sampled, self._greedy[owner]] if sampling.greedy else sampled

    def add(self, owners: Sequence[str], samples: Sequence[Sample]) -> None:
        """`owners` are the digests of the samples' prompts."""
        for owner, sample in zip(owners, samples, strict=True):
            self._take(owner, sample)
        if self._folder:
            rows = [{"prompt": owner, **asdict(sample)} for owner, sample in zip(owners, samples, strict=True)]
            with whole_file(self._folder / f"part-{self.count:06d}.parquet") as partial:
                pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows), partial, compression="zstd")
        self.count += 1

    def _read(self, path: Path) -> None:
        try:
            for row in pyarrow.parquet.read_table(path).to_pylist():
                self._take(row.pop("prompt"), Sample(**row))
        except (pyarrow.ArrowException, OSError, KeyError, TypeError, ValueError):  # a torn part is sampled again
            path.unlink(missing_ok=True)

    def _take(self, owner: str, sample: Sample) -> None:
        if sample.greedy:
            self._greedy[owner] = sample
        else:
            self._samples.setdefault(owner, {})[sample.index] = sample


def _digest(prompt: Prompt) -> str:
    return hashlib.sha256(json.dumps([prompt.problem_id, *prompt.token_ids]).encode()).hexdigest()[:32]
