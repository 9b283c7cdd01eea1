"""Numbers on a command line: what is none of its kind, or out of bounds, is refused by name."""

import argparse
import re
from collections.abc import Callable
from decimal import Decimal, InvalidOperation


def whole(least: int, most: int) -> Callable[[str], int]:
    """A whole number from `least` to `most`."""

    def read(text: str) -> int:
        if not re.fullmatch(r"[0-9]{1,10}", text) or not least <= int(text) <= most:
            raise argparse.ArgumentTypeError(f"{text!r} is no whole number from {least} to {most}")
        return int(text)

    return read


def decimal(most: int) -> Callable[[str], Decimal]:
    """A number from 0 to `most`, exact."""

    def read(text: str) -> Decimal:
        try:
            value = Decimal(text)
        except InvalidOperation:
            value = Decimal("NaN")
        if not value.is_finite() or not 0 <= value <= most:
            raise argparse.ArgumentTypeError(f"{text!r} is no number from 0 to {most}")
        return value

    return read
