"""Text for LaTeX: special characters, other alphabets, and letters that LaTeX cannot print."""

import re
import sys
import unicodedata

import pytest

from vaegan.ablation.letters import escaped, in_ascii, spelled


@pytest.mark.parametrize(
    ("text", "tex"),
    [
        ("w 10, é", r"w 10, \'{e}"),
        (r"\&%$#_{}~^", r"\textbackslash{}\&\%\$\#\_\{\}\textasciitilde{}\textasciicircum{}"),
        ("<a> | b", r"\textless{}a\textgreater{} \textbar{} b"),
        ("--lr, a---b", r"-\/-lr, a-\/-\/-b"),
        ("β = 0.5, ΔΩ", r"$\beta$ = 0.5, $\Delta$$\Omega$"),
        ("ΑΒοά", r"ABo$\acute{\alpha}$"),
        ("± × → ≤ ∞ −1", r"$\pm$ $\times$ $\rightarrow$ $\leq$ $\infty$ $-$1"),
        ("x₁² z⁻³", r"x\textsubscript{1}\textsuperscript{2} z\textsuperscript{$-$}\textsuperscript{3}"),
        ("ßøł ő č ḍ í", r"\ss{}\o{}\l{} \H{o} \v{c} \d{d} \'{\i}"),
        ("e\u0301", r"\'{e}"),
        ("ﬁ 𝛽 ½ …", r"fi $\beta$ 1/2 ..."),
        ("two\n\nlines\u00a0here\t", "two lines here"),
        ("\u200bno\x07thing", "nothing"),
        ("", ""),
    ],
)
def test_what_latex_has_a_sign_for(text, tex):
    assert escaped(text) == tex


@pytest.mark.parametrize(
    ("text", "tex", "letters"),
    [
        ("中文", "ZhongWen", {"中": "Zhong", "文": "Wen"}),
        ("Привет", "Privet", {"П": "P", "р": "r", "и": "i", "в": "v", "е": "e", "т": "t"}),
        ("a 🚀", "a :rocket:", {"🚀": ":rocket:"}),
        ("ą þ ậ ḑ", "a th a d", {"ą": "a", "þ": "th", "ậ": "a", "ḑ": "d"}),
        ("\ue000", "[U+E000]", {"\ue000": "[U+E000]"}),
    ],
)
def test_what_it_has_none_for_is_spelled(text, tex, letters):
    assert (escaped(text), spelled(text)) == (tex, letters)


def test_what_has_a_sign_is_not_spelled():
    assert spelled("β é ± x₁ 𝛽 <%> --") == {}
    assert in_ascii("β-abl") == "v-abl"


# the only commands that may come out: plain LaTeX knows them in its first encoding
PLAIN = """
    textbackslash textasciitilde textasciicircum textless textgreater textbar textsuperscript textsubscript
    grave acute ddot beta alpha gamma delta epsilon zeta eta theta iota kappa lambda mu nu xi pi rho varsigma
    sigma tau upsilon phi chi psi omega Gamma Delta Theta Lambda Xi Pi Sigma Upsilon Phi Psi Omega pm times
    div cdot circ leftarrow uparrow rightarrow downarrow leftrightarrow Rightarrow leq geq neq approx propto
    infty partial nabla surd sum prod int in bullet ss o O ae AE oe OE l L i j S copyright pounds u
    r H v c d b
"""


def test_every_letter_there_is_comes_out_in_ascii_and_plain_commands():
    """All that Unicode names, but for scripts of which each letter is like the others."""
    alike = range(0x3400, 0x1F000)
    for code in (*range(0x20, 0x3400), *range(0xF900, 0x10000), *range(0x1F000, 0x1F800), *alike[::97]):
        if unicodedata.category(chr(code)) in ("Cs", "Cn") or code > sys.maxunicode:
            continue
        tex = escaped(chr(code))
        assert tex.isascii() and tex.isprintable(), hex(code)
        assert set(re.findall(r"\\([A-Za-z]+)", tex)) <= set(PLAIN.split()), (hex(code), tex)
        own = re.sub(r"\\[{}$]", "", tex)
        assert own.count("{") == own.count("}") and own.count("$") % 2 == 0, (hex(code), tex)
