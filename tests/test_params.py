"""Bad settings are one clear line that names the field, the value and the mend."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.errors import LadderError
from stages.params import Params, load_params, read_yaml
from tests.conftest import CHECKOUT, Project, small_params, write_yaml

WRONG: list[tuple[str, Any, list[str]]] = [
    ("grpo.klcoef", 0.1, ["grpo.klcoef", "unknown key", "0.1"]),
    ("grpo.kl_coef", "much", ["grpo.kl_coef", "'much'", "number"]),
    ("grpo.kl_coef", -0.5, ["grpo.kl_coef", "-0.5", "greater than or equal to 0"]),
    ("grpo.clip_low", 1.0, ["grpo.clip_low", "1.0", "less than 1"]),
    ("grpo.mini_batch_prompts", 4, ["grpo", "mini_batch_prompts 4", "prompts_per_step 6", "divisor"]),
    ("rungs.r8k.steps", 0, ["rungs.r8k.steps", "0", "greater than or equal to 1"]),
    ("rungs.r8k.steps", True, ["rungs.r8k.steps", "True", "integer"]),
    ("rungs.r16k.max_response_tokens", 7, ["r16k.max_response_tokens 7", "shorter than r8k's 8", "at least 8"]),
    ("rungs.r24k.max_rating", 2, ["rungs.r24k", "min_rating 3", "max_rating 2"]),
    ("evaluation.max_response_tokens", 4, ["evaluation.max_response_tokens 4", "at least 12"]),
    ("base.kind", "magic", ["base", "magic"]),
    ("seed", None, ["seed", "None"]),
    ("base.heads", 3, ["base", "hidden_size 16", "3 heads", "that 6 divides"]),
    ("base.heads", 16, ["base", "hidden_size 16", "16 heads", "that 32 divides"]),
    ("rungs.r8k.max_rating", float("inf"), ["rungs.r8k.max_rating", "inf", "finite"]),
    ("grpo.max_grad_norm", float("nan"), ["grpo.max_grad_norm", "nan"]),
    (
        "problems.sources",
        [{"kind": "word_arithmetic", "ratings": [2], "train_per_rating": 1, "heldout_per_rating": 1}],
        [": problems.sources.0.kind: 'word_arithmetic'", "base.kind 'miniature'", "choose another base"],
    ),
]


@pytest.mark.parametrize(("key", "value", "said"), WRONG)
def test_a_wrong_setting_is_named(tmp_path: Path, key: str, value: Any, said: list[str]) -> None:
    path = tmp_path / "params.yaml"
    params = small_params()
    *sections, last = key.split(".")
    node = params
    for section in sections:
        node = node[section]
    node[last] = value
    write_yaml(path, params)
    with pytest.raises(LadderError) as raised:
        load_params(path)
    message = str(raised.value)
    assert "\n" not in message
    for part in [str(path), *said]:
        assert part in message
    assert "the whole file" not in message


def test_a_missing_key_and_a_broken_file_are_named(tmp_path: Path) -> None:
    path = tmp_path / "params.yaml"
    params = small_params()
    del params["grpo"]["temperature"]
    write_yaml(path, params)
    with pytest.raises(LadderError, match=r"grpo\.temperature: missing"):
        load_params(path)
    path.write_text("seed: [0\n")
    with pytest.raises(LadderError, match="not YAML"):
        load_params(path)
    with pytest.raises(LadderError, match="missing; `make profile PROFILE=mini`"):
        load_params(tmp_path / "nowhere.yaml")


def test_every_profile_is_valid_and_mini_is_the_default() -> None:
    for profile in (CHECKOUT / "profiles").glob("*.yaml"):
        load_params(profile)
    assert (CHECKOUT / "params.yaml").read_bytes() == (CHECKOUT / "profiles/mini.yaml").read_bytes()


@given(st.floats(min_value=1e-12, max_value=0.1, exclude_min=True))
def test_numbers_are_read_as_dvc_writes_them(tmp_path_factory: pytest.TempPathFactory, rate: float) -> None:
    """`dvc exp run -S` writes 2e-06: no float to YAML 1.1."""
    path = tmp_path_factory.mktemp("params") / "params.yaml"
    path.write_text(f"rate: {rate!r}\n")
    assert read_yaml(path)["rate"] == rate


def test_every_setting_of_the_identity_is_in_a_stages_params() -> None:
    """A section that can change a byte, and that no stage lists, would be changed without a rerun."""
    listed = " ".join(str(stage) for stage in read_yaml(CHECKOUT / "dvc.yaml")["stages"].values())
    for section in set(Params.model_fields) - {"operations"}:
        assert section in listed, section
    assert "operations" not in listed


def test_a_stage_and_the_flow_refuse_bad_settings(project: Project) -> None:
    project.set("grpo.kl_coef", -1.0)
    for command in (("stages.prepare",), ("flows",)):
        refused = project.run(*command, check=False)
        assert refused.returncode == 2
        assert refused.stderr.strip().splitlines()[-1].startswith("error: params.yaml: grpo.kl_coef: -1.0")
        assert "Traceback" not in refused.stderr
    assert not (project.root / "data").exists()
    assert not (project.root / "dvc.lock").exists()
