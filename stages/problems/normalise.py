r"""A problem's text without what makes no other problem of it, its words, its numbers and its formulas.

`tokens` is the text as a reader sees it: HTML entities, widths and forms of characters (Unicode NFKC), invisible characters and
accents, LaTeX's delimiters, sizes, spaces and fonts, its several spellings of one thing (``\dfrac12``, ``\frac{1}{2}``, ½ and
1/2), punctuation between sentences, case, and what was put before the problem (``Problem 3.``, ``Solve the following:``) make no
difference. `canonical` is these tokens as one text; `identity` is its key: there spaces count between numbers alone.

Every expression here is linear in its input: no star within a star, each run of characters bounded or possessive.
"""

import hashlib
import html
import re
import unicodedata
from collections import Counter
from fractions import Fraction

MAX_CHARACTERS = 20_000  # what is longer is read to here, and its identity holds a hash of the rest
MAX_LABELS = 4
MAX_DIGITS = 40  # of a number that is read as one

_GREEK_NAMES = (
    "alpha beta gamma delta epsilon zeta eta theta iota kappa lambda mu nu xi omicron pi rho sigma tau upsilon phi chi psi"
    " omega"
)
_GREEK = _GREEK_NAMES.split()
_GREEK_LETTERS = "αβγδεζηθικλμνξοπρστυφχψω"
_FRACTIONS = {
    character: str(Fraction(unicodedata.numeric(character)).limit_denominator(10)) for character in "½⅓⅔¼¾⅕⅖⅗⅘⅙⅚⅛⅜⅝⅞"
}
_SCRIPT = "⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻⁼⁽⁾ⁿⁱ"
_SCRIPTS = str.maketrans(_SCRIPT + "₀₁₂₃₄₅₆₇₈₉₊₋₌₍₎", "0123456789+-=()ni" + "0123456789+-=()")
_RAISED = re.compile(f"[{_SCRIPT}]++")
_LOWERED = re.compile("[₀₁₂₃₄₅₆₇₈₉₊₋₌₍₎]++")

_CHARACTERS = str.maketrans(
    {
        **{letter: f" {name} " for letter, name in zip(_GREEK_LETTERS, _GREEK, strict=True)},
        **{character: f" {value} " for character, value in _FRACTIONS.items()},
        **dict.fromkeys("ϵɛ", " epsilon "),
        **dict.fromkeys("ϕɸ", " phi "),
        **dict.fromkeys("ϑ", " theta "),
        **dict.fromkeys("ς", " sigma "),
        **dict.fromkeys("−–—‐‑‒―﹣－", "-"),
        **dict.fromkeys("×·⋅∙•∗∘", "*"),
        **dict.fromkeys("°º˚", " deg "),
        **dict.fromkeys("≤⩽≦", "<="),
        **dict.fromkeys("≥⩾≧", ">="),
        **dict.fromkeys('“”„«»‘’‛`´"', "'"),
        **dict.fromkeys("→⟶⇒⟹", " to "),
        **dict.fromkeys("∖", " setminus "),
        "≠": "!=",
        "÷": "/",
        "∕": "/",
        "⁄": "/",
        "√": " sqrt ",
        "∛": " sqrt 3 ",
        "∞": " infty ",
        "∑": " sum ",
        "∏": " prod ",
        "∫": " int ",
        "≈": " approx ",
        "≡": " equiv ",
        "∪": " cup ",
        "∩": " cap ",
        "∅": " emptyset ",
        "∈": " in ",
        "±": " pm ",
        "∠": " angle ",
        "△": " triangle ",
        "∥": " parallel ",
        "⊥": " perp ",
        "…": " ... ",
        "⋯": " ... ",
        "′": "'",
        "⌊": " lfloor ",
        "⌋": " rfloor ",
        "⌈": " lceil ",
        "⌉": " rceil ",
    }
)

_MARKS = re.compile("[\u0300-\u036f\u20d0-\u20ff\ufe00-\ufe0f]++")
_BLANK = re.compile(r"[\s\x00-\x1f\x7f-\x9f]++")
_ALIASES = {
    **dict.fromkeys(["dfrac", "tfrac", "cfrac"], "frac"),
    **dict.fromkeys(["dbinom", "tbinom"], "binom"),
    **dict.fromkeys(["cdot", "times", "ast", "bullet", "star"], "*"),
    **dict.fromkeys(["le", "leq", "leqslant", "leqq"], "<="),
    **dict.fromkeys(["ge", "geq", "geqslant", "geqq"], ">="),
    **dict.fromkeys(["ne", "neq"], "!="),
    **dict.fromkeys(["ldots", "dots", "cdots", "dotsc", "dotsb", "dotsm", "dotso", "vdots", "ddots"], "..."),
    **dict.fromkeys(["rightarrow", "longrightarrow", "Rightarrow", "implies"], "to"),
    **dict.fromkeys(["degree", "degrees"], "deg"),
    **dict.fromkeys(["varepsilon"], "epsilon"),
    **dict.fromkeys(["varphi"], "phi"),
    **dict.fromkeys(["vartheta"], "theta"),
    **dict.fromkeys(["overline", "bar"], "bar"),
    **dict.fromkeys(["overrightarrow", "vec"], "vec"),
    **dict.fromkeys(["mid", "vert", "lvert", "rvert"], "|"),
    **dict.fromkeys(["lparen"], "("),
    **dict.fromkeys(["rparen"], ")"),
    **dict.fromkeys(["lbrack"], "["),
    **dict.fromkeys(["rbrack"], "]"),
    "lt": "<",
    "gt": ">",
    "div": "/",
    "colon": ":",
    "textdollar": "",
    "pounds": "",
}
_SILENT_COMMANDS = (
    "left right middle big Big bigg Bigg bigl bigr Bigl Bigr biggl biggr Biggl Biggr quad qquad text textrm textbf textit"
    " textsf texttt textnormal emph mbox hbox mathrm mathbf mathit mathsf mathtt mathbb mathcal mathfrak mathscr boldsymbol"
    " bm operatorname displaystyle textstyle scriptstyle limits nolimits rm bf it underline boxed fbox ensuremath hline"
    " noindent par newline medskip smallskip bigskip hfill hspace vspace lbrace rbrace thinspace nonumber notag centering"
    " mathop mathrel mathbin phantom"
)
_SILENT = frozenset(_SILENT_COMMANDS.split())
_ENVIRONMENT = re.compile(
    r"\\(?:begin|end) ?\{(?:equation|align|aligned|gather|gathered|split|center|displaymath|array)\*?\}"
)
_COMMAND = re.compile(r"\\([A-Za-z]++)\*?")
_SIZED_DOT = re.compile(r"\\(?:left|right)\s?\.")
_SPACING = re.compile(r"\\[,;:> ]|~|\\\\|\\[()\[\]]")
_SHORT_FRACTION = re.compile(r"\\frac ?([0-9a-zA-Z]) ?([0-9a-zA-Z])(?![0-9a-zA-Z])")
_HALF_FRACTION = re.compile(
    r"\\frac ?(?:([0-9a-zA-Z]) ?\{ ?([0-9a-zA-Z]{1,20}) ?\}|\{ ?([0-9a-zA-Z]{1,20}) ?\} ?([0-9a-zA-Z]))"
)
_FRACTION = re.compile(r"\\frac ?\{ ?([0-9a-zA-Z.]{1,20}) ?\} ?\{ ?([0-9a-zA-Z.]{1,20}) ?\}")
_OTHER_FRACTIONS = re.compile(r"\\[dtc]frac(?![A-Za-z])")
_CHOOSE = re.compile(r"\{ ?([0-9a-zA-Z]{1,20}) ?\\choose ?([0-9a-zA-Z]{1,20}) ?\}")
_THOUSANDS = re.compile(
    r"(?<![0-9.,])([1-9][0-9]{0,2})((?:(?:,| ?\{ ?, ?\} ?|\\[,!] ?|,\\! ?)[0-9]{3}){1,12})(?![0-9]|,[0-9])"
)
_POWER = re.compile(r"(?<=[\w)\]}])\*\*(?=[\w({-])")
_DEGREES = re.compile(r"\^ ?\{? ?\\circ(?![A-Za-z]) ?\}?|\bdegrees?\b")
_PERCENT = re.compile(r"\bper ?cent\b")
_ROOT_OF = re.compile(r"\bsqrt ?\( ?([0-9a-z]{1,20}) ?\)")
_DIAGRAM = re.compile(r"\[asy\].*?(?:\[/asy\]|\Z)", re.DOTALL | re.IGNORECASE)
_TOKEN = re.compile(r"[0-9]{1,400}+(?:\.[0-9]{1,400}+)?|\.[0-9]{1,400}+|[^\W\d_]++|[^\s]")
_PAUSES = frozenset(".,;:?'{}$\\#~&")

_TASK = "problem|question|exercise|example|task|puzzle|challenge"
_MATHS = r"math(?:ematics|s|ematical)?"
_LABEL = re.compile(
    rf"""\s*+(?:
        \*\*|__|\#{{1,6}}\s|>\s(?=[a-z])|[-*]\s(?=[a-z])
        | (?:{_TASK}|q|prob|ex|no|item)\ ?\#?\.?\ ?[0-9]{{0,5}}\ ?(?:\*\*|__)?[.:)\]](?:\*\*|__)?
        | (?:{_TASK}|prob)\ \#?[0-9]{{1,5}}\b(?!\ ?[+*/=^<>-])
        | [(\[]?[0-9]{{1,3}}[.)\]](?=\s)
        | [(\[](?:[0-9]{{4}}\ )?(?:aime|amc|hmmt|imo|math|usamo|putnam)[^()\[\]]{{0,40}}[)\]]
        | here\ is\ (?:a|the|your)\ (?:{_MATHS}\ )?(?:{_TASK})\ ?[.:]
        | (?:please\ |now\ |kindly\ )?(?:solve|answer|consider|work\ out|do|attempt)\ (?:the|this)
          (?:\ (?:following|next|given|below))?(?:\ (?:{_MATHS}|competition|word))?(?:\ (?:{_TASK}))?
          (?:\ (?:carefully|below|step\ by\ step|and\ show\ your\ work))?\ ?[.:]
    )""",
    re.VERBOSE,
)
_INSTRUCTION = re.compile(
    r"(?:please |let's |let us )?(?:reason|think) step by step[^\n]{0,160}\Z"
    r"|(?:please )?put your (?:final )?answer (?:within|inside|in) \\?boxed[^\n]{0,40}\Z",
)

_UNITS = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen"
    " eighteen nineteen"
)
_TENS = "twenty thirty forty fifty sixty seventy eighty ninety"
_NUMBER_WORDS = {
    **{word: value for value, word in enumerate(_UNITS.split())},
    **{word: 10 * value for value, word in enumerate(_TENS.split(), 2)},
    "dozen": 12,
    "hundred": 100,
    "thousand": 1000,
    "million": 1_000_000,
    "twice": 2,
    "double": 2,
    "doubles": 2,
    "triple": 3,
    "triples": 3,
    "thrice": 3,
}
_FUNCTIONS = (
    "frac sqrt sin cos tan cot sec csc log ln exp lim sum prod int binom choose pmatrix cup cap infty pm mod pmod gcd lcm"
    " lfloor rfloor lceil rceil begin end deg arcsin arccos arctan vec bar angle triangle equiv min max det"
)
FORMULA_WORDS = frozenset(_FUNCTIONS.split()) | frozenset(_GREEK)


def tokens(text: str, *, diagrams: bool = True) -> list[str]:
    """Words, numbers and signs, in order; without what is drawn where `diagrams` is false."""
    text = _characters(text[:MAX_CHARACTERS])
    if not diagrams:
        text = _DIAGRAM.sub(" ", text)
    return _split(_without_labels(_formulas(text)))


def _split(text: str) -> list[str]:
    return [token for token in _TOKEN.findall(text) if token not in _PAUSES]


def canonical(text: str) -> str:
    """The text of `tokens`: two problems with the same are one."""
    return " ".join(tokens(text))


def identity(text: str) -> str:
    """A hash of the canonical text; spaces count between numbers alone (``x y`` is ``xy``, 1 2 is not 12)."""
    return identity_of(tokens(text), text)


def identity_of(words: list[str], text: str) -> str:
    """The identity of a text whose tokens are known."""
    joined: list[str] = []
    for token in words:
        if joined and joined[-1][-1].isdigit() and (token[0].isdigit() or token[0] == "."):
            joined.append(" ")
        joined.append(token)
    key = "".join(joined) + "\0" + text[MAX_CHARACTERS:]
    return hashlib.sha256(key.encode("utf-8", "surrogatepass")).hexdigest()[:32]


def numbers(words: list[str]) -> Counter[str]:
    """The numbers among the tokens of a problem, as often as they stand there: 12, 12.0 and twelve are one, 1/2 is 0.5."""
    found: list[str] = []
    values = [_value(word) for word in words]
    place = 0
    while place < len(words):
        value, step = values[place], 1
        if value is not None:
            follows = words[place + 1 : place + 3]
            below = values[place + 2] if len(follows) == 2 and follows[0] == "/" else None
            word, after = words[place], values[place + 1] if place + 1 < len(words) else None
            if below and words[place + 2][0].isdigit():
                value, step = value / below, 3
            elif word.isalpha() and 20 <= value < 100 and value % 10 == 0:
                next_word = follows[1] if len(follows) == 2 and follows[0] == "-" else follows[0] if follows else ""
                if next_word.isalpha() and (unit := _NUMBER_WORDS.get(next_word, 10)) < 10:  # twenty-one
                    value, step = value + unit, 3 if follows[0] == "-" else 2
            elif after and follows[0] in ("hundred", "thousand", "million", "dozen"):
                value, step = value * after, 2
            found.append(str(value))
        place += step
    return Counter(found)


def formula_tokens(words: list[str]) -> list[str]:
    """What stands in formulas, whatever the language around them: numbers and signs, letters as one placeholder."""
    kept = []
    for word in words:
        if not word.isalpha() or word in FORMULA_WORDS:
            kept.append(word)
        elif len(word) == 1 and word.isascii():
            kept.append("v")
    return kept


def answer_key(answer: str) -> str:
    """One key for the answers that are plainly the same: 080 and 80, 144.0 and 144, ``\\dfrac12`` and 0.5, $5 and 5."""
    words = [word for word in _split(_formulas(_characters(answer[:MAX_CHARACTERS]))) if word not in ("deg", "%")]
    if len(words) > 2 and words[1] == "=" and words[0].isalpha():  # x = 5
        words = words[2:]
    sign, rest = ("-", words[1:]) if words[:1] == ["-"] else ("", words)
    if len(rest) == 1 and (value := _value(rest[0])) is not None and rest[0][0] in ".0123456789":
        return f"{sign if value else ''}{value}"
    if len(rest) == 3 and rest[1] == "/":
        above, below = _value(rest[0]), _value(rest[2])
        if above is not None and below:
            return f"{sign if above else ''}{above / below}"
    return "".join(f" {word}" if word[0].isdigit() else word for word in words)


def _value(word: str) -> Fraction | None:
    if word[0].isdigit() or word[0] == ".":
        if not word.isascii() or len(word) > MAX_DIGITS:
            return None
        return Fraction(word)
    known = _NUMBER_WORDS.get(word)
    return None if known is None else Fraction(known)


def _characters(text: str) -> str:
    for _ in range(3):  # &amp;lt;
        if "&" not in text:
            break
        text = html.unescape(text)
    if text.isascii():
        return text
    text = _RAISED.sub(lambda match: "^{" + match[0].translate(_SCRIPTS) + "}", text)
    text = _LOWERED.sub(lambda match: "_{" + match[0].translate(_SCRIPTS) + "}", text)
    text = unicodedata.normalize("NFKC", text.translate(_CHARACTERS)).translate(_CHARACTERS)
    text = _MARKS.sub("", unicodedata.normalize("NFD", text))
    text = "".join(character for character in text if unicodedata.category(character) != "Cf")
    return unicodedata.normalize("NFKC", text)


def _formulas(text: str) -> str:
    """LaTeX in one spelling, in lower case and without its backslashes."""
    text = _THOUSANDS.sub(lambda match: match[1] + re.sub("[^0-9]", "", match[2]), text)
    text = _BLANK.sub(" ", text).replace("\\$", " ").replace("\\%", "%").replace("\\!", "").replace("$", " ")
    text = _ENVIRONMENT.sub(" ", text)
    text = _SPACING.sub(" ", _SIZED_DOT.sub(" ", text))
    text = _OTHER_FRACTIONS.sub(r"\\frac", text)
    text = _SHORT_FRACTION.sub(r" \1/\2 ", text)
    text = _HALF_FRACTION.sub(lambda match: f" {match[1] or match[3]}/{match[2] or match[4]} ", text)
    text = _FRACTION.sub(r" \1/\2 ", text)
    text = _CHOOSE.sub(r" \\binom{\1}{\2} ", text)
    text = _DEGREES.sub(" deg ", _POWER.sub("^", text))
    text = _COMMAND.sub(lambda match: " " if match[1] in _SILENT else f" {_ALIASES.get(match[1], match[1])} ", text)
    text = unicodedata.normalize("NFKC", text.casefold()).translate(_CHARACTERS)
    text = _PERCENT.sub("%", text)
    text = _BLANK.sub(" ", _ROOT_OF.sub(r"sqrt \1", text.replace("{", " ").replace("}", " ")))
    return _DEGREES.sub(" deg ", text)


def _without_labels(text: str) -> str:
    """What stands before and after a problem and is none of it; never the whole text."""
    bare = _INSTRUCTION.sub("", text)
    for _ in range(MAX_LABELS):
        match = _LABEL.match(bare)
        if match is None:
            break
        bare = bare[match.end() :]
    return bare if any(character.isalnum() for character in bare) else text


def is_number(word: str) -> bool:
    return word[0].isdigit() or (word[0] == "." and len(word) > 1) or word in _NUMBER_WORDS


def number_value(word: str) -> Fraction | None:
    return _value(word)


def readable(text: str) -> str:
    """The text as it is, without entities, invisible characters, widths and drawings: what a model is to read."""
    text = text[:MAX_CHARACTERS]
    for _ in range(3):
        if "&" not in text:
            break
        text = html.unescape(text)
    if not text.isascii():
        text = "".join(
            letter for letter in text if unicodedata.category(letter) not in ("Cf", "Cs")
        )  # half a surrogate
        text = unicodedata.normalize("NFKC", text)
    return _BLANK.sub(" ", _DIAGRAM.sub(" ", text)).strip()


def has_diagram(text: str) -> bool:
    return "[asy]" in text.casefold()
