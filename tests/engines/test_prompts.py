"""A prompt is asked in the model's own tokens, or not at all."""

import pytest

from stages.engines.prompts import encode_prompts, is_unknown
from stages.engines.tiny_qwen2 import build_tokenizer
from stages.errors import LadderError
from stages.problems.problem import Problem


def problem(text: str) -> Problem:
    return Problem("id", text, ("1",), "own", 3, "", "train", None, None)


def test_a_character_without_a_token_is_named() -> None:
    sums, countdown = build_tokenizer(), build_tokenizer("countdown")
    assert len(encode_prompts([problem("1+2=")], sums, "{problem}", 32)) == 1
    assert not is_unknown(problem("12,3=9"), countdown, "{problem}") and is_unknown(
        problem("99,3=9"), countdown, "{problem}"
    )
    for text, template in (("1-2=", "{problem}"), ("1+2=", "Add {problem}")):
        with pytest.raises(
            LadderError, match=r"task\.prompt: the model has no token for some character of .* \(own 3\); mend"
        ):
            encode_prompts([problem(text)], sums, template, 32)
