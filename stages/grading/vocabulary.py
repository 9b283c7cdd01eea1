"""What commands, words and signs mean to the reader: `meaning: the names it goes by`."""

_COMMAND_MEANINGS = r"""
*: cdot times ast
/: div
<=: le leq leqslant
>=: ge geq geqslant
<: lt
>: gt
!=: ne neq
=: iff equiv
~: approx simeq
|: mid vert lvert rvert
::: colon
': prime
minus: setminus backslash
inf: infty
deg: circ degree
empty: emptyset varnothing
and: land wedge
or: lor vee
e: exponentialE
i: imath
overline: overline bar dot
mod: bmod mod
set(: lbrace {
set): rbrace }
floor(: lfloor
floor): rfloor
ceil(: lceil
ceil): rceil
<(: langle
>): rangle
[: lbrack
]: rbrack
row: \
"""
_WORD_MEANINGS = """
inf: inf infinity infty oo
deg: deg degree degrees
:: to
%: percent percentage pct
"""
_SAME_NAME = "in cup cap pm mp pi frac sqrt binom over choose sum prod pmod % $"
_FUNCTION_NAMES = (
    "sin cos tan cot sec csc arcsin arccos arctan arccot arcsec arccsc asin acos atan sinh cosh tanh coth sech csch"
    " arcsinh arccosh arctanh asinh acosh atanh ln log lg exp sqrt cbrt gcd lcm max min abs floor ceil"
    " factorial binom sgn sign"
)
_GREEK_NAMES = (
    "alpha beta gamma delta epsilon varepsilon zeta eta theta vartheta iota kappa lambda mu nu xi rho sigma tau"
    " upsilon phi varphi chi psi omega Gamma Delta Theta Lambda Xi Sigma Phi Psi Omega ell hbar angle triangle Pr"
)
_TEXT_NAMES = "text textbf textit textrm textnormal textsf texttt mbox hbox mathrm operatorname emph"


def _meanings(table: str) -> dict[str, str]:
    lines = (line.rsplit(": ", 1) for line in table.strip().split("\n"))
    return {name: meaning for meaning, names in lines for name in names.split()}


COMMANDS = _meanings(_COMMAND_MEANINGS) | {name: name for name in _SAME_NAME.split()}
WORDS = _meanings(_WORD_MEANINGS) | {name: name for name in ("pi", "and", "or", "in")}
SIGNS = {"**": "^", "==": "=", "=<": "<="}
FUNCTIONS = frozenset(_FUNCTION_NAMES.split())
GREEK = frozenset(_GREEK_NAMES.split())
TEXT_COMMANDS = frozenset(_TEXT_NAMES.split())
NUMBER_SETS = {"R": "reals", "Z": "integers", "N": "naturals", "Q": "rationals", "C": "complexes"}
