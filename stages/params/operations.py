"""How the experiment is run, which is no part of what it is."""

from typing import Annotated, Literal

from pydantic import Field

from stages.params.section import Count, Section

Market = Annotated[str, Field(pattern=r"^[a-z0-9-]+$")]


class OwnPrice(Section):
    """What a device costs this user, all in, and where that is known from."""

    usd_per_hour: Annotated[float, Field(gt=0)]
    source: str


class Budget(Section):
    """What may be spent. A soft limit warns; a hard one ends the work after the step in flight, to go on once it is raised."""

    usd: Annotated[float, Field(gt=0)] | None
    """Dollars, at the prices that attempts are booked at."""
    hours: Annotated[float, Field(gt=0)] | None
    """Hours of work, those of stages side by side added up."""
    per: Literal["run", "rung", "sweep"]
    """Whose: all that this run's results take, killed attempts at them included; one stage's; or all of a sweep's."""
    warn_at: Annotated[float, Field(gt=0, le=1)]
    """The soft limit, as a share of the hard one."""


class Operations(Section):
    """How the experiment is run. What bounds memory or shares work may change the last bits of a sum, and no more."""

    devices: Annotated[int, Field(ge=1, le=64)]
    """Ranks that train a rung: GPUs, or processes on a CPU. More than one needs engine.train 'deepspeed'."""
    zero_stage: Annotated[int, Field(ge=0, le=3)]
    """What DeepSpeed shards over the devices: 0 nothing, 1 the optimizer, 2 gradients too, 3 weights too (arXiv 1910.02054)."""
    offload_optimizer: bool
    """DeepSpeed's AdamW and its moments, 8 bytes a parameter, in the CPU's memory (ZeRO-Offload, arXiv 2101.06840)."""
    rollout_batch_rows: Count
    """Sequences that are sampled at once."""
    micro_batch_tokens: Count
    """Padded tokens of one forward and backward pass."""
    vllm_gpu_memory: Annotated[float, Field(gt=0, le=1)]
    """Share of the GPU's memory that vLLM may fill."""
    vllm_servers: list[Annotated[str, Field(pattern=r"^https?://[^/:]+:\d{1,5}/?$")]]
    """Addresses of `vllm serve` (http://HOST:PORT), for engine.rollout 'vllm_server'."""
    judge_url: Annotated[str, Field(pattern=r"^https?://[^\s/]")] | None
    """The /v1 of an OpenAI-compatible endpoint that has the judges' models; its key in the environment's LADDER_JUDGE_KEY."""
    checkpoint_every_steps: Count
    """A killed rung loses at most the steps since its last checkpoint."""
    keep_checkpoints: Count
    """Resume checkpoints kept of a rung under way: where the newest is broken, the one before it serves."""
    parallel_stages: Annotated[int, Field(ge=1, le=16)]
    """Stages that the flow runs side by side where the graph allows it."""
    stages_per_gpu: Annotated[int, Field(ge=1, le=16)]
    """Stages of all flows of this host that may hold one GPU at a time, and share its memory and its seconds."""
    retries: Annotated[int, Field(ge=0, le=100)]
    """How often a flow tries a stage again whose end may pass: no memory, a lost device, killed by others."""
    retry_delay_s: Annotated[float, Field(ge=0, le=3600)]
    """Before the first retry; each further one waits twice as long."""
    budget: Budget
    market: Market
    """Which of the markets in prices.yaml the devices are paid on: on-demand, spot, community, ..."""
    prices: dict[str, OwnPrice]
    """Own prices of one device (a CPU core, a GPU), its energy included, by its name: they come before those of prices.yaml."""
