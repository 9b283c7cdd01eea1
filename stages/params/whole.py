"""All sections, and what they ask of one another."""

from typing import Annotated, Self

from pydantic import Field, model_validator

from stages.params.base import GgufBase, HubBase, MiniatureBase
from stages.params.operations import Operations
from stages.params.problems import ByJudge, ByPassRate, ByRating, OthersProblems, Problems, Twins, kept_columns
from stages.params.section import RUNGS, Section
from stages.params.sweep import Sweep
from stages.params.task import Task, columns_in
from stages.params.training import Engine, Evaluation, Grading, Grpo, Guards, Rungs


class Params(Section):
    seed: Annotated[int, Field(ge=0, lt=2**31)]
    task: Task
    problems: Problems
    curriculum: Annotated[ByRating | ByPassRate | ByJudge, Field(discriminator="difficulty")]
    base: Annotated[MiniatureBase | HubBase | GgufBase, Field(discriminator="kind")]
    grading: Grading
    engine: Engine
    grpo: Grpo
    rungs: Rungs
    evaluation: Evaluation
    guards: Guards
    operations: Operations
    sweep: Sweep

    @model_validator(mode="after")
    def _the_prompt_names_columns(self) -> Self:
        for index, source in enumerate(self.problems.sources):
            known = ["problem", *kept_columns(source)]
            for name in columns_in(self.task.prompt):
                if name not in known:
                    raise ValueError(
                        f"task.prompt: {self.task.prompt!r} has {{{name}}}, but problems.sources.{index} ({source.kind}) "
                        f"keeps only {', '.join(known)}; write {{{{{name}}}}} where that very text is meant, or keep the "
                        "column (columns.extra)"
                    )
        return self

    @model_validator(mode="after")
    def _a_built_in_reward_knows_the_answers(self) -> Self:
        for index, source in enumerate(self.problems.sources):
            if isinstance(source, OthersProblems) and source.columns.answer is None and not self.task.is_function:
                raise ValueError(
                    f"problems.sources.{index}.columns.answer: null, but task.reward {self.task.reward!r} compares with a known "
                    "answer; name its column, or a reward function that needs none"
                )
        return self

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
        if self.operations.offload_optimizer and (self.engine.train != "deepspeed" or self.operations.zero_stage == 0):
            raise ValueError(
                f"operations.offload_optimizer: true, but engine.train {self.engine.train!r} with zero_stage "
                f"{self.operations.zero_stage} keeps its optimizer on the device; set it to false, or train to 'deepspeed' and "
                "zero_stage to 1, 2 or 3"
            )
        sharded = self.engine.train == "deepspeed" and self.operations.zero_stage == 3
        if self.engine.compile and (self.engine.rollout == "torch" or sharded):
            shared = "operations.zero_stage 3" if sharded else "engine.rollout 'torch'"
            raise ValueError(
                f"engine.compile: true, but {shared} calls the trained layers in its own ways; set it to false, or "
                + ("zero_stage to 0, 1 or 2" if sharded else "rollout to 'vllm'")
            )
        if self.engine.attention == "varlen-fa4" and self.engine.device == "cpu":
            raise ValueError(
                "engine.attention 'varlen-fa4' needs a GPU, but engine.device is 'cpu'; set attention to 'varlen', or device to "
                "'cuda'"
            )
        if self.engine.attention != "sdpa" and (self.engine.device, self.engine.dtype) == ("cuda", "float32"):
            raise ValueError(
                f"engine.attention {self.engine.attention!r} on a GPU knows 16-bit numbers alone; set engine.dtype to "
                "'bfloat16', or attention to 'sdpa'"
            )
        if self.engine.rollout == "vllm_server" and not self.operations.vllm_servers:
            raise ValueError(
                "operations.vllm_servers is empty, but engine.rollout is 'vllm_server'; list their addresses"
            )
        return self

    @model_validator(mode="after")
    def _a_judge_has_an_address(self) -> Self:
        asked = {"problems.leaks.judge_model": self.problems.leaks.judge_model}
        if isinstance(self.curriculum, ByJudge):
            asked["curriculum.model"] = self.curriculum.model
        for field, model in asked.items():
            if model is not None and self.operations.judge_url is None:
                raise ValueError(f"operations.judge_url: null, but {field} {model!r} is asked there; give its address")
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
    def _miniature_knows_what_it_is_taught(self) -> Self:
        if isinstance(self.base, MiniatureBase):
            for index, source in enumerate(self.problems.sources):
                made_of = source.templates if isinstance(source, Twins) else source.kind
                if made_of not in (self.base.teaches, "file", "hub"):  # theirs is told when they are asked
                    raise ValueError(
                        f"problems.sources.{index}.{'templates' if isinstance(source, Twins) else 'kind'}: {made_of!r}, but "
                        f"base.kind 'miniature' knows {self.base.teaches} alone; choose another base, another base.teaches, or "
                        f"make the source {self.base.teaches}"
                    )
        return self
