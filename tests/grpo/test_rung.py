"""A rung on a real tiny Qwen2: what it learns from."""

from typing import Any

from stages.engines.checkpoint import Checkpoint
from stages.engines.device import prepare_device
from stages.engines.tiny_qwen2 import build_model, build_tokenizer
from stages.grading import Grader
from stages.grpo.rung import GrpoRung, RungSettings
from stages.params import MiniatureBase, Params
from stages.problems import digit_sums
from stages.problems.problem import Problem
from tests.conftest import small_params

PARAMS = Params.model_validate(small_params())


def test_problems_over_the_limit_are_set_aside_and_the_others_keep_their_answers(capsys: Any, monkeypatch: Any) -> None:
    """Every sampled prompt is graded by its own problem's answer, whatever stood between the two in the table."""
    prepare_device(PARAMS.engine)
    assert isinstance(PARAMS.base, MiniatureBase)
    tokenizer = build_tokenizer()
    start = Checkpoint(build_model(PARAMS.base, tokenizer, seed=3), tokenizer)
    digits = [[1] * 20, [1, 2], [2] * 20, [3, 4], [5, 6, 7]]
    problems = [
        Problem(digit_sums.text(one), digit_sums.text(one), (str(digit_sums.answer(one)),), "", "", "train", None)
        for one in digits
    ]
    rung = PARAMS.rungs.r8k.model_copy(update={"steps": 1, "rollouts_per_prompt": 2})
    graded: list[tuple[str, str]] = []
    rewards = GrpoRung._rewards

    def noted(self: GrpoRung, asked: Any, rollouts: Any) -> Any:
        graded.extend((rollout.prompt.problem_id, asked[row // 2].id) for row, rollout in enumerate(rollouts))
        return rewards(self, asked, rollouts)

    monkeypatch.setattr(GrpoRung, "_rewards", noted)
    with Grader(timeout_s=2.0, require_closed_thinking=True) as grader:
        GrpoRung(RungSettings("8k", 0, "", PARAMS.engine, PARAMS.grpo, rung), start, problems, grader).climb(None, 1)
    assert {prompted for prompted, _ in graded} == {"1+2=", "3+4=", "5+6+7="}
    assert all(prompted == answered for prompted, answered in graded)
    said = "train@8k: 2 of 5 problems are set aside, their prompts are longer than grpo.max_prompt_tokens (32)"
    assert capsys.readouterr().err.splitlines().count(said) == 1
