"""What an attempt that found no memory leaves to the next one."""

from pathlib import Path
from typing import Any

import pytest

from stages.errors import MicroBatchTooLarge
from stages.grpo.checkpoints import rung_checkpoints
from stages.grpo.micro_batches import halve, within_memory
from stages.params import Operations, Params
from tests.conftest import small_params


def operations(**changed: Any) -> Operations:
    params = small_params()
    params["operations"] |= {"micro_batch_tokens": 1000} | changed
    return Params.model_validate(params).operations


def test_each_attempt_takes_half_until_a_setting_that_shares_out_memory_is_another(tmp_path: Path) -> None:
    asked = operations()
    assert within_memory(asked, tmp_path) == asked
    for fewer in (500, 250, 125):
        said = str(halve(asked, tmp_path, MicroBatchTooLarge("rank 1: no memory")))
        assert said.startswith("rank 1: no memory; run it again, it goes on from its last checkpoint with ")
        assert within_memory(asked, tmp_path) == operations(micro_batch_tokens=fewer)
        assert within_memory(operations(retries=9), tmp_path).micro_batch_tokens == fewer
    for changed in ({"micro_batch_tokens": 800}, {"vllm_gpu_memory": 0.25}, {"rollout_batch_rows": 1}):
        assert within_memory(operations(**changed), tmp_path) == operations(**changed)


def killed(*to: Path) -> None:
    raise KeyboardInterrupt


def test_a_kill_as_it_is_left_stops_no_later_attempt(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with rung_checkpoints("rung", 1, tmp_path) as checkpoints:
        monkeypatch.setattr(Path, "replace", killed)
        monkeypatch.setattr(Path, "unlink", lambda *path, **how: None)
        with pytest.raises(KeyboardInterrupt):
            halve(operations(), checkpoints.folder, MicroBatchTooLarge("rank 1: no memory"))
    monkeypatch.undo()
    assert list((tmp_path / "rung").glob(".*.partial"))
    with rung_checkpoints("rung", 1, tmp_path) as checkpoints:
        assert not list(checkpoints.folder.glob(".*.partial"))
        assert within_memory(operations(), checkpoints.folder) == operations()
