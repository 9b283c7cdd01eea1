"""How a rung is trained and how every checkpoint is examined."""

from itertools import pairwise
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from stages.params.off_domain import OffDomain
from stages.params.problems import Band
from stages.params.section import RUNGS, Count, Section, Share


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
    attention: Literal["sdpa", "varlen", "varlen-fa4"]
    """How training lays responses out: in padded rows, short ones with their common beginning shared (sdpa), or one after another
    without padding, by torch's FlashAttention (varlen) or by version 4, of the package flash-attn-4 (varlen-fa4)."""
    compile: bool
    """Compile the layers that are trained (torch.compile): a minute at a rung's start for fused, faster passes after it."""


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
    partial_credit: Annotated[float, Field(ge=0, lt=1)]
    """What a finished, wrong answer earns (not cut, thinking closed, an answer in its box; with `exact` or a function as
    `task.reward` any answer that is not empty), where a right one earns 1: 0 is the recipe's binary reward, 0.1 TinyZero's.
    Accuracy, guards and pass rates go by right answers alone."""
    truncated: Literal["zero", "masked", "soft-penalty"]
    """A cut response earns 0 (the recipe), is left out of the loss, or pays DAPO's length penalty, which comes off whatever an
    answer earns."""
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

    @property
    def share_scored_before(self) -> float:
        """Of a step's rows, those scored for their old log-probabilities before its updates (stages/grpo/batches.py)."""
        return 1.0 if self.epochs_per_step > 1 else 1 - self.mini_batch_prompts / self.prompts_per_step


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
    difficulty: list[Band]
    """Which problems it sees, by the difficulty that `curriculum` measures; a border belongs to the upper of two bands."""
    unrated: bool
    """Whether problems of no known difficulty are let in, all of them."""

    @model_validator(mode="after")
    def _bands_are_apart_and_whole(self) -> Self:
        for below, above in pairwise(self.difficulty):
            if above.low < below.high or (above.low, above.high) == (below.low, below.high):
                raise ValueError(
                    f"difficulty: the band [{above.low:g}, {above.high:g}] begins within [{below.low:g}, {below.high:g}]; list "
                    "the bands from easy to hard, each from where the last one ends"
                )
        shares = sum(band.share for band in self.difficulty)
        if self.difficulty and abs(shares - 1) > 1e-6:
            raise ValueError(f"difficulty: the bands' shares add up to {shares:g}; make it 1")
        if not self.difficulty and not self.unrated:
            raise ValueError("difficulty: no band, and unrated is false: the rung would see no problem; add a band")
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


class Published(Section):
    """Figures of others: they stand beside ours, marked."""

    model: str
    source: str
    figures: dict[str, Share]
    """By benchmark, as the sources of held-out problems are named: the share of right answers (pass@1)."""


class Evaluation(Section):
    """How every checkpoint is examined, at the full context; figures at its own context are cut from the same samples."""

    max_response_tokens: Count
    """The full context, the same for all checkpoints."""
    samples_per_problem: Annotated[int, Field(ge=1, le=1024)]
    temperature: Annotated[float, Field(gt=0, le=2)]
    top_p: Annotated[float, Field(gt=0, le=1)]
    """Of each token's distribution only the likeliest part with so much probability (the release: 0.95); 1 samples the whole."""
    greedy: bool
    """Also answer every problem once at temperature 0."""
    at_k: list[Count]
    """The k of pass@k and maj@k; avg@n is of all samples."""
    confidence: Annotated[float, Field(gt=0.5, lt=1)]
    """Of the intervals; a difference is shown at p <= 1 - confidence."""
    bootstrap_draws: Annotated[int, Field(ge=1000, le=1_000_000)]
    """Of every interval, and of sign flips where not all can be counted: p is then above 1 / draws, times the questions asked."""
    off_domain: OffDomain
    published: list[Published]
    """What the report sets beside the measured figures."""

    @model_validator(mode="after")
    def _k_of_the_samples(self) -> Self:
        for k in self.at_k:
            if k > self.samples_per_problem:
                raise ValueError(
                    f"at_k {k} is more than samples_per_problem {self.samples_per_problem}; take it out, or sample more"
                )
        return self
