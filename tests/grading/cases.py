"""The labelled pairs: rule, known answer, response, reward. Hand-written; the benchmark grades the same."""

import json
from dataclasses import dataclass
from pathlib import Path

PATH = Path(__file__).with_name("cases.jsonl")


@dataclass(frozen=True, slots=True)
class Case:
    rule: str
    answer: str
    response: str
    reward: int


def read_cases() -> list[Case]:
    return [Case(**json.loads(line)) for line in PATH.read_text(encoding="utf-8").splitlines()]
