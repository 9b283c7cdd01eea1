r"""One spelling for what LaTeX, Unicode and plain text write in many: ``\dfrac``, ``−``, ``\left(``, ``1{,}000``.

Every step is a regular expression without nested repetition, so the time is linear in the text.
"""

import re

_SUPERSCRIPTS = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹⁻⁺ⁿ", "0123456789-+n")
_SUBSCRIPTS = str.maketrans("₀₁₂₃₄₅₆₇₈₉", "0123456789")
_CHARACTERS = str.maketrans(
    {
        **dict.fromkeys("−–—‐‑﹣－", "-"),
        **dict.fromkeys("\u00a0\u2009\u202f\u2002\u2003\u3000", " "),
        "×": r"\times ",
        "·": r"\cdot ",
        "⋅": r"\cdot ",
        "∙": r"\cdot ",
        "÷": r"\div ",
        "√": r"\sqrt ",
        "π": r"\pi ",
        "∞": r"\infty ",
        "≤": r"\le ",
        "⩽": r"\le ",
        "≥": r"\ge ",
        "⩾": r"\ge ",
        "≠": r"\ne ",
        "≈": r"\approx ",
        "∪": r"\cup ",
        "∩": r"\cap ",
        "∖": r"\setminus ",
        "∅": r"\emptyset ",
        "∈": r"\in ",
        "ℝ": r"\mathbb{R}",
        "ℤ": r"\mathbb{Z}",
        "ℕ": r"\mathbb{N}",
        "±": r"\pm ",
        "∓": r"\mp ",
        "°": r"^\circ ",
        "º": r"^\circ ",
        "½": r"\frac{1}{2}",
        "⅓": r"\frac{1}{3}",
        "⅔": r"\frac{2}{3}",
        "¼": r"\frac{1}{4}",
        "¾": r"\frac{3}{4}",
        "θ": r"\theta ",
        "α": r"\alpha ",
        "β": r"\beta ",
        "γ": r"\gamma ",
        "λ": r"\lambda ",
        "φ": r"\phi ",
        "∠": r"\angle ",
        "′": "'",
        "’": "'",
        "％": r"\%",
        "，": ",",
        "、": ",",
        "；": ";",
        "：": ":",
        "（": "(",
        "）": ")",
        "⌊": r"\lfloor ",
        "⌋": r"\rfloor ",
        "⌈": r"\lceil ",
        "⌉": r"\rceil ",
        "⟨": r"\langle ",
        "⟩": r"\rangle ",
    }
)
_SCRIPTS = (
    (re.compile(r"[⁰¹²³⁴⁵⁶⁷⁸⁹⁻⁺ⁿ]+"), lambda match: "^{" + match[0].translate(_SUPERSCRIPTS) + "}"),
    (re.compile(r"[₀₁₂₃₄₅₆₇₈₉]+"), lambda match: "_{" + match[0].translate(_SUBSCRIPTS) + "}"),
)
_REWRITES = tuple(
    (re.compile(pattern), replacement)
    for pattern, replacement in (
        (r"(?<=[0-9]) ?\{ ?, ?\} ?(?=[0-9])|(?<=[0-9]) ?, ?\\! ?(?=[0-9])", ""),  # thousands: 1{,}000 and 1,\!000
        (r"\\(?:left|right|mleft|mright|middle|[bB]igg?[lrm]?)(?![A-Za-z])\s*\.?", ""),
        (
            r"\\[hv]?phantom\s*(?:\{[^{}]*\}|[^\\{}])|\\[hv]space\*?\s*\{[^{}]*\}|(?<!\\)\\!|\\displaystyle|\\textstyle|\\(?:no)?limits",
            "",
        ),
        (
            r"\\(?:mathbf|mathit|mathsf|mathcal|mathfrak|mathscr|boldsymbol|bm|pmb|underline|ensuremath|fbox|boxed)(?![A-Za-z])",
            "",
        ),
        (r"\\(?:text)?color\s*\{[^{}]*\}", ""),
        (r"\(\s*(?:\\(?:text|mathrm)\s*\{\s*mod\s*\}|\\b?mod|mod) ?([^()]*)\)", r"\\pmod{\1}"),
        (r"\\text\{ ?\\\$ ?\}|\\textdollar(?![A-Za-z])", r"\\$"),
        (r"(?<=[\])}]) ?U ?(?=[\[(\\{])", r"\\cup "),
        (r"\b([fgh]) ?\^ ?\{ ?-1 ?\} ?\(", r"\1_{-1}("),
        (r"^\*\*(.*)\*\*$", r"\1"),
        (r"(?<!\\)\\[,;:> ]|~|\\q?quad|\\(?:thin|en|negthin)space(?![A-Za-z])", " "),
        (r"(?<!\\)\\[()\[\]]|(?<!\\)\$", ""),
        (r"\\[dtc]frac(?![A-Za-z])", r"\\frac"),
        (r"\\[dt]binom(?![A-Za-z])", r"\\binom"),
        (r"\s+", " "),
    )
)
_DOUBLED = re.compile(r"\\\\(?=[A-Za-z])")
_TRAILING = " .,;:\\"


def normalise(text: str) -> str:
    """The answer without what does not change it: sizing commands, dollar signs, spacing, a final full stop."""
    if text.isascii() and text.isalnum():
        return text
    if r"\\begin" in text:  # escaped once too often, rows of matrices too
        text = text.replace("\\\\", "\\")
    elif r"\begin" not in text:
        text = _DOUBLED.sub(r"\\", text)
    for pattern, script in _SCRIPTS:
        text = pattern.sub(script, text)
    text = text.translate(_CHARACTERS)
    for pattern, replacement in _REWRITES:
        text = pattern.sub(replacement, text)
    return text.strip().rstrip(_TRAILING).strip()
