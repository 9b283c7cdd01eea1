"""params.yaml as frozen, typed settings: an unknown key, a wrong type or a value out of bounds is one clear error.

Values live in params.yaml alone, types and bounds here. Every section but `operations` is what an experiment *is*: a
stage's `params` in dvc.yaml names the sections that can change its bytes. `operations` is how it is run, `guards` when it is
stopped.
"""

from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from stages.errors import LadderError

PARAMS = Path("params.yaml")
RUNGS = ("8k", "16k", "24k")
CHECKPOINTS = ("base", *RUNGS)  # in the order of the climb

Share = Annotated[float, Field(ge=0, le=1)]
Count = Annotated[int, Field(ge=1)]
Pin = Annotated[str, Field(pattern=r"^(md5:[0-9a-f]{32}|git-blob:[0-9a-f]{40})$")]
"""The hash of a file's bytes: DVC's md5, or the id that git gives them (where a release's tree is all that tells it)."""


class Section(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, allow_inf_nan=False)


class Generated(Section):
    """Problems made by a rule: the same settings and seed give the same problems."""

    kind: Literal["digit_sums", "word_arithmetic"]
    ratings: Annotated[list[Annotated[int, Field(ge=2, le=12)]], Field(min_length=1)]
    """Difficulties to make: the number of operands (digit_sums) or of steps (word_arithmetic)."""
    train_per_rating: Count
    heldout_per_rating: Count


class Columns(Section):
    """Which of a table's columns say what; null where it has none."""

    problem: str
    answer: str
    """One answer, or a list of accepted ones."""
    rating: str | None
    """How hard it is, as its source says."""
    year: str | None


class OthersProblems(Section):
    """What every table of others is told with."""

    name: str
    """Name of the source: it stands in every problem's row and in the report."""
    split: Literal["train", "heldout"]
    licence: str
    columns: Columns


class ProblemFile(OthersProblems):
    """A file of records: a JSON list, JSON lines, CSV or Parquet, as its name ends."""

    kind: Literal["file"]
    path: Annotated[str, Field(pattern=r"\.(json|jsonl|csv|parquet)$")]
    pin: Pin
    """Other bytes are another experiment, and are refused."""
    hub: Annotated[str, Field(pattern=r"^[\w.-]+/[\w.-]+@[0-9a-f]{40}:.+$")] | None
    """Where the hub has it: `owner/dataset@revision:file`; null where it hasn't. See `python -m stages.store fetch`."""


class HubDataset(OthersProblems):
    """A data set of the hub, by name and pinned revision."""

    kind: Literal["hub"]
    dataset: str
    revision: Annotated[str, Field(pattern=r"^[0-9a-f]{40}$")]
    config: str | None
    hub_split: str
    """The data set's own name for the part that is read."""


class Problems(Section):
    """What is learned from and examined on (stage `prepare`)."""

    instruction: str
    """Appended to every problem, as the recipe does; may be empty."""
    sources: Annotated[
        list[Annotated[Generated | ProblemFile | HubDataset, Field(discriminator="kind")]], Field(min_length=1)
    ]


class MiniatureBase(Section):
    """A tiny Qwen2, taught to work answers out, and then to guess most of them at once."""

    kind: Literal["miniature"]
    hidden_size: Annotated[int, Field(ge=16, le=512)]
    layers: Annotated[int, Field(ge=1, le=12)]
    heads: Annotated[int, Field(ge=1, le=16)]
    intermediate_size: Annotated[int, Field(ge=16, le=4096)]
    taught_ratings: Annotated[list[Annotated[int, Field(ge=2, le=12)]], Field(min_length=1)]
    """Numbers of operands that it is taught."""
    lesson_steps: Annotated[int, Field(ge=0)]
    """Supervised steps on right, worked answers alone."""
    mixture_steps: Count
    """Supervised steps on the mixture that the base is left with."""
    batch_size: Count
    learning_rate: Annotated[float, Field(gt=0, le=0.1)]
    worked_share: Share
    """Share of the mixture's answers that are worked out step by step; the others are guessed at once."""
    slip_share: Share
    """Share of wrong steps in the mixture's worked answers: the longer the work, the likelier a slip spoils it."""

    @model_validator(mode="after")
    def _heads_are_even(self) -> Self:
        """Rotary positions turn a head's numbers in pairs."""
        if self.hidden_size % (2 * self.heads):
            raise ValueError(
                f"hidden_size {self.hidden_size} is not an even number for each of {self.heads} heads; choose a hidden_size "
                f"that {2 * self.heads} divides, or other heads"
            )
        return self


class HubBase(Section):
    """A model of the hub, by name and pinned revision."""

    kind: Literal["hub"]
    name: str
    revision: Annotated[str, Field(pattern=r"^[0-9a-f]{40}$")]
    parameters_billion: Annotated[float, Field(gt=0)]
    """For the estimate of memory and disk before anything is downloaded."""


class GgufBase(Section):
    """A model in a GGUF file on disk, brought by `python -m stages.store fetch`."""

    kind: Literal["gguf"]
    path: str
    pin: Pin
    parameters_billion: Annotated[float, Field(gt=0)]


class Grading(Section):
    """The binary reward."""

    require_closed_thinking: bool
    """A response without `</think>` earns nothing (the recipe)."""
    timeout_s: Annotated[float, Field(gt=0, le=60)]
    """Limit of one answer's own grading time."""


class Engine(Section):
    """What computes, as far as it decides more than the last bits."""

    device: Literal["cpu", "cuda"]
    dtype: Literal["float32", "bfloat16"]
    """What matrix products are computed in; weights and optimizer are float32."""
    threads: Annotated[int, Field(ge=1, le=256)]
    rollout: Literal["torch", "vllm", "vllm_server"]
    """What samples: torch from the trainer's own weights, vLLM in this process, or `vllm serve` over HTTP."""
    train: Literal["torch", "deepspeed"]
    """What trains: torch on one device, or DeepSpeed, on several if `operations.devices` says so."""
    deterministic: bool
    """Require those of torch's algorithms that always give the same bits: on a GPU it costs speed. vLLM does not heed it."""
    gradient_checkpointing: bool


class Lora(Section):
    """Low-rank adapters (LoRA, arXiv 2106.09685) are trained, the weights are not; the rung's checkpoint has them merged."""

    rank: Annotated[int, Field(ge=1, le=1024)]
    alpha: Annotated[int, Field(ge=1)]
    """The adapter's output is scaled by alpha / rank."""
    target_modules: Annotated[list[str], Field(min_length=1)]
    """Names of the linear layers that get one, or ["all-linear"]."""


class Grpo(Section):
    """What all rungs share of the update."""

    learning_rate: Annotated[float, Field(gt=0, le=0.1)]
    lr_scheduler: Literal["constant", "cosine"]
    """After the warm-up: constant, or down to 0 along half a cosine at the rung's end."""
    warmup_steps: Annotated[int, Field(ge=0)]
    """The learning rate grows linearly over so many steps of a rung."""
    weight_decay: Annotated[float, Field(ge=0, le=1)]
    max_grad_norm: Annotated[float, Field(gt=0)]
    prompts_per_step: Count
    mini_batch_prompts: Count
    """Prompts of one optimizer step."""
    epochs_per_step: Annotated[int, Field(ge=1, le=16)]
    """How often a step's rollouts are trained on (TRL's num_iterations, verl's ppo_epochs)."""
    max_prompt_tokens: Count
    temperature: Annotated[float, Field(gt=0, le=2)]
    scale_advantages: bool
    """Divide by the group's standard deviation (GRPO), or don't (Dr. GRPO)."""
    aggregation: Literal["token-mean", "seq-mean-token-mean", "seq-mean-token-sum-norm"]
    """How tokens make the mini-batch's loss: all alike (DAPO, the recipe), per response (GRPO), or over a constant (Dr. GRPO)."""
    clip_low: Annotated[float, Field(gt=0, lt=1)]
    clip_high: Annotated[float, Field(gt=0, le=10)]
    """Above clip_low it is DAPO's clip-higher."""
    kl_coef: Annotated[float, Field(ge=0, le=1)]
    """Weight of the k3 KL term; 0 loads no reference."""
    kl_target: Annotated[float, Field(gt=0)] | None
    """Adapt the coefficient to hold this KL, in nats a token; null keeps it fixed."""
    kl_horizon: Annotated[int, Field(ge=1)]
    """Rollouts over which the coefficient adapts (verl's AdaptiveKLController)."""
    kl_reference: Literal["start", "base"]
    """What the KL term holds on to: the rung's starting weights (the release), or the base's."""
    truncated: Literal["zero", "masked", "soft-penalty"]
    """A cut response earns 0 (the recipe), is left out of the loss, or pays DAPO's length penalty."""
    overlong_buffer_tokens: Count
    """With soft-penalty: over the last so many tokens of the context the reward falls by up to 1 (DAPO, equation 13)."""
    skip_zero_std: bool
    """Leave groups of equal rewards out even where kl_coef > 0: they carry no policy gradient, and the KL term that they owe is
    not paid (the table says how much). With kl_coef 0 they owe nothing and are always left out."""
    refill_rounds: Annotated[int, Field(ge=0, le=16)]
    """Sample further prompts in place of such groups, at most so often a step (DAPO's dynamic sampling)."""
    importance_cap: Annotated[float, Field(ge=1)] | None
    """Weigh a token by min(trainer's / sampler's probability, cap) where the sampler is not the trainer; null doesn't."""
    lora: Lora | None
    log_completions_steps: Annotated[int, Field(ge=0)]
    """Answer a fixed set of prompts again every so many steps and keep the answers to read; 0 never does."""
    log_completions_prompts: Count

    @model_validator(mode="after")
    def _mini_batches_fill_the_step(self) -> Self:
        if self.prompts_per_step % self.mini_batch_prompts:
            raise ValueError(
                f"mini_batch_prompts {self.mini_batch_prompts} does not divide prompts_per_step "
                f"{self.prompts_per_step}; choose a divisor"
            )
        return self

    @model_validator(mode="after")
    def _what_the_reference_needs(self) -> Self:
        if self.kl_target is not None and self.kl_coef == 0:
            raise ValueError(
                f"kl_target {self.kl_target} adapts a kl_coef of 0, which stays 0; set kl_coef above 0, or kl_target to null"
            )
        if self.lora is not None and self.kl_coef > 0 and self.kl_reference == "base":
            raise ValueError(
                "kl_reference 'base' is not what LoRA's adapters start from; with lora the reference is the model with its "
                "adapters off: set kl_reference to 'start'"
            )
        return self

    @property
    def updates_per_step(self) -> int:
        return self.epochs_per_step * (self.prompts_per_step // self.mini_batch_prompts)


class Guards(Section):
    """What stops a rung: nothing here changes a byte of one that goes through, and a stopped one resumes with other guards."""

    non_finite_updates: Count
    """Updates in a row whose loss or gradient is not finite. Each is skipped."""
    max_kl: Annotated[float, Field(gt=0)] | None
    """A step's KL above it, in nats a token."""
    max_entropy: Annotated[float, Field(gt=0)] | None
    """A step's entropy above it, in nats a token."""
    min_entropy: Annotated[float, Field(gt=0)] | None
    zero_reward_steps: Count | None
    """Steps in a row without one right answer."""


class Rung(Section):
    """One rung: its context, its problems, its length."""

    max_response_tokens: Count
    """The rung's context: a longer answer is cut and earns nothing."""
    rollouts_per_prompt: Annotated[int, Field(ge=2, le=1024)]
    """G, the group's size."""
    steps: Count
    min_rating: float
    max_rating: float
    """Problems of a rating within [min_rating, max_rating] are let in."""
    unrated: bool
    """Whether problems without a rating are let in."""

    @model_validator(mode="after")
    def _ratings_are_a_range(self) -> Self:
        if self.min_rating > self.max_rating:
            raise ValueError(f"min_rating {self.min_rating} is above max_rating {self.max_rating}; swap them")
        return self


class Rungs(Section):
    r8k: Rung
    r16k: Rung
    r24k: Rung

    @model_validator(mode="after")
    def _contexts_grow(self) -> Self:
        named = [(name, self.of(name).max_response_tokens) for name in RUNGS]
        for (below, short), (above, long) in pairwise(named):
            if long < short:
                raise ValueError(
                    f"r{above}.max_response_tokens {long} is shorter than r{below}'s {short}; a ladder's context never "
                    f"shrinks: set it to at least {short}"
                )
        return self

    def of(self, name: str) -> Rung:
        rung: Rung = getattr(self, f"r{name}")
        return rung


class Evaluation(Section):
    """How every checkpoint is examined, at the full context; figures at its own context are cut from the same samples."""

    max_response_tokens: Count
    """The full context, the same for all checkpoints."""
    samples_per_problem: Annotated[int, Field(ge=1, le=1024)]
    temperature: Annotated[float, Field(gt=0, le=2)]
    greedy: bool
    """Also answer every problem once at temperature 0."""


class Price(Section):
    """What a device costs, where that is known from, and when it was so."""

    usd_per_hour: Annotated[float, Field(gt=0)]
    source: str


class Operations(Section):
    """How the experiment is run. What bounds memory or shares work may change the last bits of a sum, and no more."""

    devices: Annotated[int, Field(ge=1, le=64)]
    """Ranks that train a rung: GPUs, or processes on a CPU. More than one needs engine.train 'deepspeed'."""
    zero_stage: Annotated[int, Field(ge=0, le=3)]
    """What DeepSpeed shards over the devices: 0 nothing, 1 the optimizer, 2 gradients too, 3 weights too (arXiv 1910.02054)."""
    rollout_batch_rows: Count
    """Sequences that are sampled at once."""
    micro_batch_tokens: Count
    """Padded tokens of one forward and backward pass."""
    vllm_gpu_memory: Annotated[float, Field(gt=0, le=1)]
    """Share of the GPU's memory that vLLM may fill."""
    vllm_servers: list[Annotated[str, Field(pattern=r"^https?://[^/:]+:\d{1,5}/?$")]]
    """Addresses of `vllm serve` (http://HOST:PORT), for engine.rollout 'vllm_server'."""
    checkpoint_every_steps: Count
    """A killed rung loses at most the steps since its last checkpoint."""
    keep_checkpoints: Count
    """Resume checkpoints kept of a rung under way: where the newest is broken, the one before it serves."""
    parallel_stages: Annotated[int, Field(ge=1, le=16)]
    """Stages that the flow runs side by side where the graph allows it."""
    prices: dict[str, Price]
    """Dollars an hour of one device (a CPU core, a GPU), by the device's name."""


class Params(Section):
    seed: Annotated[int, Field(ge=0, lt=2**31)]
    problems: Problems
    base: Annotated[MiniatureBase | HubBase | GgufBase, Field(discriminator="kind")]
    grading: Grading
    engine: Engine
    grpo: Grpo
    rungs: Rungs
    evaluation: Evaluation
    guards: Guards
    operations: Operations

    @model_validator(mode="after")
    def _full_context_is_the_longest(self) -> Self:
        longest = self.rungs.r24k.max_response_tokens
        if self.evaluation.max_response_tokens < longest:
            raise ValueError(
                f"evaluation.max_response_tokens {self.evaluation.max_response_tokens} is shorter than the 24k rung's "
                f"{longest}; set it to at least {longest}"
            )
        return self

    @model_validator(mode="after")
    def _engines_have_what_they_need(self) -> Self:
        if self.operations.devices > 1 and self.engine.train != "deepspeed":
            raise ValueError(
                f"operations.devices {self.operations.devices}, but engine.train {self.engine.train!r} trains on one; set it to "
                "'deepspeed', or devices to 1"
            )
        if self.engine.rollout == "vllm_server" and not self.operations.vllm_servers:
            raise ValueError(
                "operations.vllm_servers is empty, but engine.rollout is 'vllm_server'; list their addresses"
            )
        return self

    @model_validator(mode="after")
    def _a_step_fits_the_rungs(self) -> Self:
        for name in RUNGS:
            rung = self.rungs.of(name)
            rollouts = self.grpo.prompts_per_step * rung.rollouts_per_prompt
            if self.grpo.kl_target is not None and self.grpo.kl_horizon <= 0.2 * rollouts:
                raise ValueError(
                    f"grpo.kl_horizon {self.grpo.kl_horizon} lets one step of r{name} ({rollouts} rollouts) take the KL "
                    f"coefficient to 0 or below; set it well above {0.2 * rollouts:.0f}"
                )
            if self.grpo.warmup_steps > rung.steps:
                raise ValueError(
                    f"grpo.warmup_steps {self.grpo.warmup_steps} is more than the {rung.steps} steps of r{name}; make it shorter"
                )
        if self.guards.max_kl is not None and self.grpo.kl_coef == 0:
            raise ValueError(
                f"guards.max_kl {self.guards.max_kl} watches a KL that grpo.kl_coef 0 does not measure; set it "
                "to null, or kl_coef above 0"
            )
        return self

    @model_validator(mode="after")
    def _soft_penalty_leaves_room(self) -> Self:
        if self.grpo.truncated == "soft-penalty":
            for name in RUNGS:
                limit = self.rungs.of(name).max_response_tokens
                if self.grpo.overlong_buffer_tokens >= limit:
                    raise ValueError(
                        f"grpo.overlong_buffer_tokens {self.grpo.overlong_buffer_tokens} fills the context of r{name} "
                        f"({limit}); make it smaller"
                    )
        return self

    @model_validator(mode="after")
    def _miniature_knows_sums_alone(self) -> Self:
        if isinstance(self.base, MiniatureBase):
            for index, source in enumerate(self.problems.sources):
                if source.kind != "digit_sums":
                    raise ValueError(
                        f"problems.sources.{index}.kind: {source.kind!r}, but base.kind 'miniature' knows digit_sums alone; "
                        "choose another base or make the source digit_sums"
                    )
        return self


def load_params(path: Path = PARAMS) -> Params:
    """The settings of `path`. Raises LadderError with one line that names every wrong field, its value and the mend."""
    values = read_yaml(path)
    try:
        return Params.model_validate(values)
    except ValidationError as error:
        raise LadderError("; ".join(_explain(path, details) for details in error.errors())) from None


def read_yaml(path: Path) -> Any:
    """YAML 1.2 as DVC reads it: `2e-06` is a number here and a string to PyYAML."""
    try:
        return YAML(typ="safe", pure=True).load(path.read_text())
    except FileNotFoundError:
        raise LadderError(f"{path}: missing; `make profile PROFILE=mini` writes the default") from None
    except OSError as error:
        raise LadderError(f"{path}: can't be read ({error.strerror}); it has to be a file that you may read") from None
    except (YAMLError, UnicodeDecodeError) as error:
        raise LadderError(f"{path}: not YAML: {' '.join(str(error).split())}; mend that line") from None


def _explain(path: Path, details: Any) -> str:
    loc = ".".join(str(part) for part in details["loc"])
    field = loc or "the whole file"
    value = repr(details["input"])
    value = value if len(value) <= 80 else value[:77] + "..."
    match details["type"]:
        case "extra_forbidden":
            return f"{path}: {field}: unknown key (value {value}); remove it or correct its name"
        case "missing":
            return f"{path}: {field}: missing; add it (profiles/mini.yaml shows every key)"
        case "value_error":
            message = details["ctx"]["error"]  # of the whole file: it names its field itself
            return f"{path}: {loc}: {message}" if loc else f"{path}: {message}"
        case _:
            return f"{path}: {field}: {value} is refused: {details['msg'][0].lower()}{details['msg'][1:]}"
