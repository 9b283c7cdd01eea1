"""Settings that differ mean exactly what `dvc exp run -S` makes of them, and are refused in one line."""

import re
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flows.overrides import Overrides, hydra_value, with_overrides
from stages.errors import LadderError
from stages.params import parse_yaml, read_yaml
from tests.conftest import CHECKOUT, Project, git, write_yaml

MINI = CHECKOUT / "profiles/mini.yaml"
CHANGED: Overrides = {
    "grpo.kl_coef": 0.002,
    "grpo.learning_rate": 2e-6,
    "grpo.kl_target": None,
    "grpo.scale_advantages": False,
    "task.prompt": '{problem}: say "\\boxed{}", then: stop, $x\\',
    "rungs.r8k.difficulty": [{"low": 3, "high": 4, "share": 1.0}],
    "evaluation.at_k": [2],
}


def test_they_are_those_of_dvc_exp_run(tmp_path: Path) -> None:
    write_yaml(tmp_path / "dvc.yaml", {"stages": {"look": {"cmd": "echo", "params": ["seed"]}}})
    (tmp_path / "params.yaml").write_bytes(MINI.read_bytes())
    git(tmp_path, "init", "-q")
    project = Project(tmp_path)
    project.run("dvc", "init", "-q")
    git(tmp_path, "add", "-A")
    git(tmp_path, "commit", "-qm", "Start")
    set_params = [word for path, value in CHANGED.items() for word in ("-S", f"{path}={hydra_value(value)}")]
    project.run("dvc", "exp", "run", *set_params)
    assert with_overrides(MINI, CHANGED) == (tmp_path / "params.yaml").read_bytes()
    read = parse_yaml(with_overrides(MINI, CHANGED).decode())
    assert [read["grpo"]["learning_rate"], read["task"]["prompt"]] == [2e-6, CHANGED["task.prompt"]]
    assert (read["grpo"]["kl_target"], read["rungs"]["r8k"]["difficulty"]) == (None, CHANGED["rungs.r8k.difficulty"])


@settings(max_examples=30, deadline=None)
@given(st.text(st.characters(codec="ascii", exclude_characters="\x00${"), max_size=30))
def test_any_text_arrives_as_it_is(text: str) -> None:
    changed = with_overrides(MINI, {"task.prompt": f"{text}{{problem}}{text}"})
    assert parse_yaml(changed.decode())["task"]["prompt"] == f"{text}{{problem}}{text}"


def test_no_override_changes_no_byte() -> None:
    assert with_overrides(MINI, {}) == MINI.read_bytes()


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        ({"grpo.klcoef": 1}, "set: grpo.klcoef: .*mini.yaml has no such setting; did you mean grpo.kl_coef"),
        ({"nothing.like.it": 1}, "no such setting; profiles/mini.yaml shows every key"),
        ({"grpo.kl_coef": 5}, "params.yaml: grpo.kl_coef: 5 is refused: input should be less than or equal to 1"),
        ({"grpo.kl_coef": "0.1"}, "grpo.kl_coef: '0.1' is refused"),
        ({"grpo.kl_coef": 0, "grpo.kl_target": 0.1}, "kl_target 0.1 adapts a kl_coef of 0"),
    ],
)
def test_what_is_wrong_is_said_in_one_line(overrides: Overrides, said: str) -> None:
    with pytest.raises(LadderError, match=said) as refused:
        with_overrides(MINI, overrides)
    assert not re.search(r"\n", str(refused.value))


def test_the_file_itself_stays_as_it_is(tmp_path: Path) -> None:
    source = tmp_path / "params.yaml"
    source.write_bytes(MINI.read_bytes())
    with_overrides(source, {"seed": 7})
    assert source.read_bytes() == MINI.read_bytes()
    assert read_yaml(source)["seed"] == 0
