"""Outside text made harmless: answers, labels and model names are hostile until they went through here.

Promises that nothing in the text runs, is fetched, or breaks the page, the spreadsheet, the log or the terminal
that shows it.
"""

import html
import math
import re
from collections.abc import Callable
from typing import Any

from diffing.common import tables

# Direction overrides and other invisible controls would reorder or hide the text around them, and a terminal obeys
# some: ESC and its one-character twins of C1 set titles, colours and the clipboard.
INVISIBLE = re.compile(r"[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")
SURROGATE = re.compile(r"[\ud800-\udfff]")
# A bare address becomes a link even where its characters are escaped: an invisible joiner keeps its parts apart.
LINK = re.compile(r"https?:(?=//)|www(?=\.)|@(?=[-\w])", re.IGNORECASE)
# All that CommonMark, its tables and strikethrough, and Streamlit's own `:red[…]`, `$…$` and emoji give a meaning.
MARKDOWN = re.compile(r"([\\`*_{}\[\]()<>#+\-.!|~$:&])")
# What a spreadsheet would run gets an apostrophe, of which a reader takes one away; apostrophes before such a sign
# get one more, so none is lost. It passes over blanks and
# marks of no width before the sign, and some take a sign of full width for the plain one.
FORMULA = re.compile(r"^'*(?:[\t\r]|[\s\u0000\u200b\ufeff]*[=+\-@\uff1d\uff0b\uff0d\uff20])")


def visible(text: str) -> str:
    """The text with control characters shown as symbols and lone surrogates replaced."""
    return INVISIBLE.sub(lambda m: f"\u2e28U+{ord(m[0]):04X}\u2e29", tables.clean(text))


def tidy(text: str) -> str:
    """What people or models wrote, as it is stored: without control characters and lone surrogates, line breaks
    kept."""
    return INVISIBLE.sub("", tables.clean(text.replace("\r\n", "\n")))


def tidied(value: Any) -> Any:
    """The same for every text inside a value as JSON has it."""
    return throughout(tidy, value)


def throughout(change: Callable[[str], str], value: Any, deepest: float = math.inf) -> Any:
    """A value as JSON has it with every text in it changed, names too; what nests deeper is left as it is."""
    if isinstance(value, str):
        return change(value)
    if deepest < 0:
        return value
    if isinstance(value, dict):
        return {throughout(change, n, deepest): throughout(change, v, deepest - 1) for n, v in value.items()}
    if isinstance(value, list | tuple):
        return [throughout(change, inside, deepest - 1) for inside in value]
    return value


def json_text(text: str) -> str:
    """JSON that means the same and holds no character that a terminal obeys: they stand in strings alone."""
    return INVISIBLE.sub(lambda m: f"\\u{ord(m[0]):04x}", SURROGATE.sub(lambda m: f"\\u{ord(m[0]):04x}", text))


def esc(text: str) -> str:
    """For `st.html`: no tag, attribute or entity survives."""
    return html.escape(visible(text), quote=True)


def md(text: str) -> str:
    """For Streamlit elements that read Markdown: every character stands for itself, on one line; no links."""
    # One line, because a line break could begin a list, a heading or a block of code.
    line = LINK.sub("\\g<0>\u2060", " ".join(visible(text).split()))
    return MARKDOWN.sub(r"\\\1", line)


def cell(value: Any) -> Any:
    """A cell that a spreadsheet shows and does not run; numbers are left alone."""
    text = tables.clean(value) if isinstance(value, str) else value
    return f"'{text}" if isinstance(text, str) and FORMULA.match(text) else text


def uncell(text: str) -> str:
    """What a cell held before `cell` made it harmless."""
    return text[1:] if text.startswith("'") and FORMULA.match(text) else text
