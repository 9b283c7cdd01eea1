"""A place in a row of tokens."""

from collections.abc import Sequence

from stages.grading.tokens import END, Token, Unreadable


class Cursor:
    def __init__(self, tokens: Sequence[Token]) -> None:
        self._tokens = list(tokens)
        self._position = 0

    def peek(self, ahead: int = 0) -> Token:
        place = self._position + ahead
        return self._tokens[place] if place < len(self._tokens) else END

    def take(self) -> Token:
        token = self.peek()
        self._position += 1
        return token

    def accept(self, text: str) -> bool:
        if self.peek().text == text and self.peek().kind != "text":
            self._position += 1
            return True
        return False

    def expect(self, text: str) -> None:
        if not self.accept(text):
            raise Unreadable

    def split_number(self) -> None:
        """Have the number's first digit stand alone: \\frac12 is one half."""
        token = self.peek()
        digits = [Token("number", token.text[0], token.spaced), Token("number", token.text[1:])]
        self._tokens[self._position : self._position + 1] = digits

    def subscript(self) -> str:
        """A subscript as text: it names, it is not computed."""
        if self.peek().text != "{":
            return self.take().text
        depth, parts = 0, []
        while True:
            token = self.take()
            if token is END:
                raise Unreadable
            depth += (token.text == "{") - (token.text == "}")
            parts.append(token.text)
            if depth == 0:
                return "".join(parts[1:-1])
