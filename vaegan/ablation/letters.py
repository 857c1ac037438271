"""Text for LaTeX without further packages: special characters are escaped, other alphabets converted."""

import unicodedata
from itertools import pairwise

GREEK_NAMES = """
    alpha beta gamma delta epsilon zeta eta theta iota kappa lambda mu nu xi pi rho varsigma sigma tau upsilon
    phi chi psi omega Gamma Delta Theta Lambda Xi Pi Sigma Upsilon Phi Psi Omega
"""
GREEK = dict(zip("αβγδεζηθικλμνξπρςστυφχψωΓΔΘΛΞΠΣΥΦΨΩ", GREEK_NAMES.split(), strict=True))
LIKE_LATIN = dict(zip("οΑΒΕΖΗΙΚΜΝΟΡΤΧ", "oABEZHIKMNOPTX", strict=True))  # LaTeX has no other for these
MATHS = {
    letter: f"${sign}$"
    for letter, sign in {
        **{"±": r"\pm", "×": r"\times", "÷": r"\div", "·": r"\cdot", "−": "-", "∗": "*", "°": r"^\circ"},
        **{"←": r"\leftarrow", "↑": r"\uparrow", "→": r"\rightarrow", "↓": r"\downarrow"},
        **{"↔": r"\leftrightarrow", "⇒": r"\Rightarrow", "≤": r"\leq", "≥": r"\geq", "≠": r"\neq"},
        **{"≈": r"\approx", "∝": r"\propto", "∞": r"\infty", "∂": r"\partial", "∇": r"\nabla"},
        **{"√": r"\surd", "∑": r"\sum", "∏": r"\prod", "∫": r"\int", "∈": r"\in", "•": r"\bullet"},
    }.items()
}
SIGNS = {
    **{"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}"},
    **{letter: f"\\{letter}" for letter in "&%$#_{}"},
    **{
        "<": r"\textless{}",
        ">": r"\textgreater{}",
        "|": r"\textbar{}",
    },  # otherwise LaTeX prints ¡, ¿ and a dash
    **{'"': "''", "`": "{}`", "‘": "`", "’": "'", "“": "``", "”": "''", "–": "--", "—": "---"},
    **{"ß": r"\ss{}", "ø": r"\o{}", "Ø": r"\O{}", "æ": r"\ae{}", "Æ": r"\AE{}", "œ": r"\oe{}", "Œ": r"\OE{}"},
    **{"ł": r"\l{}", "Ł": r"\L{}", "ı": r"\i{}", "§": r"\S{}", "©": r"\copyright{}", "£": r"\pounds{}"},
    **{letter: rf"$\{name}$" for letter, name in GREEK.items()},
    **LIKE_LATIN,
    **MATHS,
}
ACCENTS = "\u0300\u0301\u0302\u0303\u0304\u0306\u0307\u0308\u030a\u030b\u030c"
ABOVE = dict(zip(ACCENTS, "`'^~=u.\"rHv", strict=True))
BELOW = dict(zip("\u0327\u0323\u0331", "cdb", strict=True))
NOT_IN_LATIN_MODERN = ("cd", "cD", "ce", "cE", "ch", "cH")  # LuaLaTeX would drop their cedilla
ABOVE_GREEK = {"\u0300": "grave", "\u0301": "acute", "\u0308": "ddot"}
RAISED = {
    "<super>": "super",
    "<sub>": "sub",
}  # by Unicode's tag for letters that are raised or lowered versions of others


def escaped(text: str) -> str:
    """Text in ASCII that LaTeX prints as it reads; letters that LaTeX cannot print are spelled in Latin."""
    parts: list[str] = []
    for before, letter in pairwise(f" {_letters(text)}"):
        known = _known(letter)
        parts += r"\/" if before == letter == "-" else ""  # otherwise LaTeX joins them to a long dash
        parts += escaped(in_ascii(letter)) if known is None else known
    return "".join(parts)


def spelled(text: str) -> dict[str, str]:
    """The letters of the text that LaTeX cannot print, and the spelling of each."""
    return {letter: in_ascii(letter) for letter in _letters(text) if _known(letter) is None}


def in_ascii(text: str) -> str:
    """Text in ASCII: other alphabets in Latin letters (中 becomes Zhong), emoji by their names."""
    if text.isascii():
        return text
    from anyascii import anyascii  # takes 0.1 s, and few tables need it

    return "".join(anyascii(letter) or _numbered(letter) for letter in text)


def _letters(text: str) -> str:
    """The text on one line, with each accented letter as one character."""
    return " ".join(unicodedata.normalize("NFC", text).split())


def _known(letter: str) -> str | None:
    """The LaTeX code of a letter; None if there is none."""
    if letter in SIGNS:
        return SIGNS[letter]
    if letter.isascii():
        return letter if letter.isprintable() else ""
    base, *marks = unicodedata.normalize("NFD", letter)
    if len(marks) == 1 and (accented := _accented(base, marks[0])):
        return accented
    same = unicodedata.normalize("NFKC", letter)
    if same == letter:
        return None
    raised = RAISED.get(unicodedata.decomposition(letter).partition(" ")[0])
    return rf"\text{raised}script{{{escaped(same)}}}" if raised else escaped(same)


def _accented(base: str, mark: str) -> str | None:
    """The LaTeX code of a letter with an accent, if plain LaTeX has both; else None."""
    if base in GREEK and mark in ABOVE_GREEK:
        return rf"$\{ABOVE_GREEK[mark]}{{\{GREEK[base]}}}$"
    if not base.isascii():
        return None
    if mark in ABOVE:
        dotless = {"i": r"\i", "j": r"\j"}.get(base, base)
        return rf"\{ABOVE[mark]}{{{dotless}}}"
    if mark not in BELOW or f"{BELOW[mark]}{base}" in NOT_IN_LATIN_MODERN:
        return None
    return rf"\{BELOW[mark]}{{{base}}}"


def _numbered(letter: str) -> str:
    """The number of a letter that has no spelling; "" for a character that only modifies others."""
    unseen = unicodedata.category(letter) in ("Mn", "Me", "Cf", "Sk")
    return "" if unseen else f"[U+{ord(letter):04X}]"
