from collections.abc import Iterator

import pytest

from stages.grading import Grader


@pytest.fixture(scope="session")
def grader() -> Iterator[Grader]:
    """One grader for all tests that don't harm its workers."""
    with Grader(timeout_s=2.0, require_closed_thinking=False, workers=1) as grader:
        yield grader
