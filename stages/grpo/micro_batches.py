"""How many tokens a rung's passes take at once, where as many as the settings ask for found no memory under DeepSpeed.

Its ranks can't try with less by themselves: the others wait in a collective. So the attempt ends, and leaves half as many for
the next one, which goes on from the last checkpoint. They lie with the rung's resume state, and serve until it is done or one of
the settings that share out the memory is another.
"""

import json
from pathlib import Path
from typing import Any

from stages.errors import MicroBatchTooLarge
from stages.params import Operations
from stages.store.files import write_json

NAME = "micro_batch_tokens.json"
SHARE_MEMORY = {
    "devices", "zero_stage", "offload_optimizer", "rollout_batch_rows", "micro_batch_tokens", "vllm_gpu_memory",
}  # fmt: skip


def within_memory(operations: Operations, folder: Path) -> Operations:
    """`operations` with as few tokens at once as earlier attempts of the rung have left in its `folder`."""
    if not (folder / NAME).exists():
        return operations
    left: dict[str, Any] = json.loads((folder / NAME).read_bytes())
    if left["asked"] != operations.model_dump(include=SHARE_MEMORY):
        return operations
    return operations.model_copy(update={"micro_batch_tokens": left["halved_to"]})


def halve(operations: Operations, folder: Path, error: MicroBatchTooLarge) -> MicroBatchTooLarge:
    """Leave half of the tokens that found no memory to the next attempt; the error that says so."""
    fewer = within_memory(operations, folder).micro_batch_tokens // 2
    write_json(folder / NAME, {"asked": operations.model_dump(include=SHARE_MEMORY), "halved_to": fewer})
    return MicroBatchTooLarge(
        f"{error}; run it again, it goes on from its last checkpoint with {fewer} (operations.micro_batch_tokens)"
    )
