"""Where one part of an answer ends and the next begins, and where a comma does not separate: in 1,234."""

from collections.abc import Sequence

from stages.grading.tokens import Token

Tokens = Sequence[Token]


def is_decimal_comma(whole: Token, rest: Token) -> bool:
    """1000,99 and 0,111 can be decimals; 1,234 is a thousand and 1,2 a list."""
    digits = whole.text.isdigit() and rest.text.isdigit() and not rest.spaced
    return digits and len(rest.text) > 1 and (len(rest.text) != 3 or whole.text == "0") and len(rest.text) < 20


def merge_thousands(tokens: list[Token]) -> list[Token]:
    """1,234 and 1 234 as one number, outside of brackets that would make the first a pair."""
    merged: list[Token] = []
    depth = 0
    running = False  # the last token is a number that may go on with three more digits
    for token in tokens:
        depth += (token.text in ("(", "[", "set(")) - (token.text in (")", "]", "set)"))
        three = token.kind == "number" and len(token.text.partition(".")[0]) == 3 and "e" not in token.text.lower()
        if three and running and token.spaced and merged[-1].kind == "number":
            merged[-1] = Token("number", merged[-1].text + token.text, merged[-1].spaced)
        elif three and running and not token.spaced and merged[-1].text == "," and not merged[-1].spaced and not depth:
            merged.pop()
            merged[-1] = Token("number", merged[-1].text + token.text, merged[-1].spaced)
        else:
            if token.text != "," or not merged or merged[-1].kind != "number":
                running = (
                    token.kind == "number" and token.text.isdigit() and len(token.text) <= 3 and token.text[0] != "0"
                )
            merged.append(token)
            continue
        running = token.text.isdigit()
    return merged


def split(tokens: Tokens, separators: frozenset[str]) -> list[Tokens]:
    """The parts between separators that stand outside of brackets."""
    parts: list[Tokens] = []
    depth = start = 0
    for place, token in enumerate(tokens):
        depth += (token.kind == "open") - (token.kind == "close")
        if depth == 0 and token.kind == "op" and token.text in separators:
            parts.append(tokens[start:place])
            start = place + 1
    parts.append(tokens[start:])
    return parts
