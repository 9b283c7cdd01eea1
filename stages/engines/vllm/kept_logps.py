"""The sampled tokens' log-probabilities, kept on the GPU until a whole rollout is done.

vLLM hands a log-probability over with its token: three small arrays a token become Python lists, once a step for every sequence
under way, which may take as long as to sample (`benchmarks/gpu_step.py --part sample` times both ways). Here a kernel next to
the sampler writes them to a table, a row a request, that is read once at the end.

It works on vLLM's second model runner, whose sampler is one for all its versions here (0.24 to 0.32): it has the logits as it
sampled from them, at the sampling's temperature, and draws by Gumbel noise whose random numbers are Philox of the request's seed
and the position, for all rows in one kernel: a sample doesn't depend on the batch. The first model runner has a generator a
request, and a kernel launch each.

Shapes: N rows of the batch, S places for requests under way, R requests of a rollout, T their longest response, V vocabulary.
"""

# Triton reads a kernel's annotations, and has none for its pointers.
# mypy: disable-error-code="no-untyped-def, untyped-decorator"

import inspect
from typing import Any

import torch
import triton
import triton.language as tl

ROW, PROMPT_TOKENS = "ladder_row", "ladder_prompt_tokens"
"""What a request says of itself in its `extra_args`: its row of the table and how long its prompt is."""
NOWHERE = -1
BLOCK = 4096


@triton.jit
def _keep_kernel(
    table_ptr,
    table_stride,
    tokens_of_table,
    logits_ptr,
    logits_stride,
    vocabulary,
    token_ptr,
    position_ptr,
    place_ptr,
    row_ptr,
    prompt_ptr,
    known_ptr,
    BLOCK: tl.constexpr,
):
    """One program a row of the batch: log softmax of its logits at its token, in one pass over them."""
    n = tl.program_id(0)
    place = tl.load(place_ptr + n)
    row = tl.load(row_ptr + place)
    position = tl.load(position_ptr + n)  # of the last token that was fed
    column = position + 1 - tl.load(prompt_ptr + place)
    # A piece of a prompt, or of what a request that was put back reads again, predicts a token that is known.
    if (row < 0) | (position + 1 < tl.load(known_ptr + place)) | (column >= tokens_of_table):
        return
    logits_row = logits_ptr + n.to(tl.int64) * logits_stride
    highest = tl.full([BLOCK], float("-inf"), tl.float32)
    total = tl.zeros([BLOCK], tl.float32)
    for start in range(0, vocabulary, BLOCK):
        at = start + tl.arange(0, BLOCK)
        logits = tl.load(logits_row + at, mask=at < vocabulary, other=float("-inf")).to(tl.float32)
        higher = tl.maximum(highest, logits)
        # -inf - -inf is no number: such a lane has added nothing so far.
        total = tl.where(higher == float("-inf"), 0.0, total * tl.exp(highest - higher) + tl.exp(logits - higher))
        highest = higher
    top = tl.max(highest, axis=0)
    norm = top + tl.log(tl.sum(tl.where(highest == float("-inf"), 0.0, total * tl.exp(highest - top)), axis=0))
    chosen = tl.load(logits_row + tl.load(token_ptr + n)).to(tl.float32)
    tl.store(table_ptr + row.to(tl.int64) * table_stride + column, chosen - norm)


def keep(
    table_RT: torch.Tensor,
    logits_NV: torch.Tensor,
    token_N: torch.Tensor,
    position_N: torch.Tensor,
    place_N: torch.Tensor,
    row_S: torch.Tensor,
    prompt_S: torch.Tensor,
    known_S: torch.Tensor,
) -> None:
    """Write the log-probability of each `token_N` to its request's row of `table_RT`, at the response's position.

    `position_N` are the positions of the last tokens fed, `place_N` the requests' places, which have `row_S` (NOWHERE: not kept),
    `prompt_S` tokens of prompt and `known_S` tokens that were known when they came in.
    """
    _keep_kernel[(logits_NV.shape[0],)](
        table_RT,
        table_RT.stride(0),
        table_RT.shape[1],
        logits_NV,
        logits_NV.stride(0),
        logits_NV.shape[1],
        token_N,
        position_N,
        place_N,
        row_S,
        prompt_S,
        known_S,
        BLOCK=BLOCK,
        num_warps=8,
    )


class Keeper:
    """Stands between a sampler of vLLM's second model runner and its two methods, for as long as the engine lives."""

    def __init__(self, sampler: Any, device: torch.device) -> None:
        places = sampler.sampling_states.max_num_reqs
        self.table_RT: torch.Tensor | None = None
        self._row_S = torch.full((places,), NOWHERE, dtype=torch.int32, device=device)
        self._prompt_S = torch.zeros(places, dtype=torch.int32, device=device)
        self._known = sampler.req_states.prefill_len
        self._add, self._sample = sampler.add_request, sampler.sample
        # The versions differ in what they hand over besides.
        names = list(inspect.signature(self._sample).parameters)
        self._places_at, self._positions_at = names.index("expanded_idx_mapping"), names.index("pos")
        sampler.add_request, sampler.sample = self.add_request, self.sample

    def add_request(self, place: int, *others: Any) -> None:
        said = others[-1].extra_args or {}
        self._row_S[place] = said.get(ROW, NOWHERE)
        self._prompt_S[place] = said.get(PROMPT_TOKENS, 0)
        self._add(place, *others)

    def sample(self, *given: Any, **named: Any) -> Any:
        sampled_N, logits_NV = self._sample(*given, **named)
        if self.table_RT is not None:
            keep(
                self.table_RT, logits_NV, sampled_N, given[self._positions_at], given[self._places_at], self._row_S,
                self._prompt_S, self._known.gpu,
            )  # fmt: skip
        return sampled_N, logits_NV


def begin(worker: Any, rows: int, tokens: int) -> None:
    """Keep what `worker` samples from now on, for requests that say so, in a table of `rows` and `tokens`."""
    runner = worker.model_runner
    if not hasattr(runner.sampler, "ladder_keeper"):
        runner.sampler.ladder_keeper = Keeper(runner.sampler, runner.device)
    runner.sampler.ladder_keeper.table_RT = torch.zeros(rows, tokens, dtype=torch.float32, device=runner.device)


def finish(worker: Any) -> torch.Tensor:
    """The table, on the CPU; the GPU's memory of it is free."""
    keeper = worker.model_runner.sampler.ladder_keeper
    table_RT: torch.Tensor = keeper.table_RT.cpu()
    keeper.table_RT = None
    return table_RT
