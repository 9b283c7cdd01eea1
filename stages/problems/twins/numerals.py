"""Numbers as a text spells them."""

from sympy import Rational

_WORDS = [
    "zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve", "thirteen",
    "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen", "twenty",
]  # fmt: skip
_ORDINALS = [
    "zeroth",
    "first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth", "tenth", "eleventh", "twelfth",
]  # fmt: skip


def word(number: int) -> str:
    """0 to 20."""
    return _WORDS[number]


def ordinal(number: int) -> str:
    """0 to 12."""
    return _ORDINALS[number]


def article(number: int) -> str:
    """What stands before it: an 8, an 11, an 80, else a."""
    return "an" if number in (11, 18) or str(number)[0] == "8" else "a"


def suffix(number: int) -> str:
    """The letters of 1st, 2nd, 3rd, 4th, 11th."""
    if number % 100 in (11, 12, 13):
        return "th"
    return {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")


def decimal(number: Rational) -> str:
    """A fraction whose denominator divides a power of ten, to the last digit."""
    places = 0
    while (number * 10**places).q != 1:
        places += 1
    digits = str(abs(number * 10**places)).rjust(places + 1, "0")
    sign = "-" if number < 0 else ""
    return sign + (f"{digits[:-places]}.{digits[-places:]}" if places else digits)


def dollars(cents: int) -> str:
    return f"{cents // 100}.{cents % 100:02d}"


def in_base(number: int, base: int) -> str:
    """The digits of a non-negative number in a base up to ten."""
    digits = str(number % base)
    while number := number // base:
        digits = str(number % base) + digits
    return digits
