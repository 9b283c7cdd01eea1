"""Whatever an endpoint sends is a reply of the protocol, or refused."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.endpoint.failure import Unreadable
from stages.endpoint.reply import Reply, read_reply
from tests.endpoint.served import completion


def test_what_a_reply_says() -> None:
    assert read_reply(completion("a", "length")) == Reply("a", None, True, 7, 5)
    assert read_reply(completion("a", "stop", reasoning_content="b")) == Reply("a", "b", False, 7, 5)
    assert read_reply(completion(None, reasoning="b")) == Reply("", "b", False, 7, 5)  # vLLM since 0.11.2
    assert read_reply(completion("a", reasoning_content=None, reasoning="b")).reasoning == "b"
    assert read_reply(completion("\ud800")).content == "?"


@pytest.mark.parametrize(
    "usage", [{}, [], "5", {"completion_tokens": -1}, {"completion_tokens": 5.0}, {"completion_tokens": True}]
)
def test_tokens_that_are_none(usage: object) -> None:
    assert read_reply(completion(usage=usage)).completion_tokens is None


def test_more_tokens_than_there_are() -> None:
    assert read_reply(completion(usage={"completion_tokens": 10**30})).completion_tokens is None
    assert read_reply(completion(usage={"completion_tokens": 10**9})).completion_tokens == 10**9


@pytest.mark.parametrize(
    "body",
    [
        b"", b"not json", b"\xff\xfe", b"[" * 100_000, b"{}", b"[]", b"null", b'{"choices": []}', b'{"choices": [null]}',
        b'{"choices": [{"message": null}]}', completion(["a"]), completion(3), completion("a", None), completion("a", "abort"),
        completion("a", "error"), completion("a", reasoning=["b"]), completion()[:-30],
    ],
)  # fmt: skip
def test_what_is_no_reply(body: bytes) -> None:
    with pytest.raises(Unreadable):
        read_reply(body)


FIELDS = st.sampled_from(["choices", "message", "content", "reasoning", "finish_reason", "usage", "completion_tokens"])
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(FIELDS | st.text(max_size=3), inner, max_size=4),
    max_leaves=20,
)


@given(json_values)
def test_any_json_is_a_reply_or_refused(value: object) -> None:
    for body in (value, {"choices": [{"message": value, "finish_reason": "stop"}], "usage": value}):
        try:
            reply = read_reply(json.dumps(body).encode())
        except Unreadable:
            continue
        assert reply.content.encode() is not None
        assert reply.completion_tokens is None or 0 <= reply.completion_tokens <= 10**9
