"""A workspace whose graph is the ladder's, each stage made from a line of text."""

import shutil
from pathlib import Path

import pytest

from tests.conftest import CHECKOUT

GRAPH = """
stages:
  base: {cmd: base, deps: [code.txt], params: [seed], outs: [models/base]}
  train:
    foreach: {8k: {init: base}, 16k: {init: 8k}, 24k: {init: 16k}}
    do:
      cmd: train ${key}
      deps: [code.txt, "models/${item.init}"]
      params: [seed, grpo.prompts_per_step, "rungs.r${key}"]
      outs: ["models/${key}"]
  sample:
    foreach: [base, 8k, 16k, 24k]
    do: {cmd: "sample ${item}", deps: ["models/${item}"], params: [seed], outs: ["samples/${item}"]}
"""


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    shutil.copytree(CHECKOUT / "profiles", tmp_path / "profiles")
    text = (CHECKOUT / "profiles/mini.yaml").read_text()
    own = "prices: {cpu-core: {usd_per_hour: 0.04, source: test}, GPU: {usd_per_hour: 2.0, source: test}}"
    (tmp_path / "params.yaml").write_text(text.replace("prices: {}", own))
    (tmp_path / "dvc.yaml").write_text(GRAPH)
    (tmp_path / "code.txt").write_text("code")
    shutil.copy2(CHECKOUT / "prices.yaml", tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("LADDER_LEDGER", raising=False)
    return tmp_path
