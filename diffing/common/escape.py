"""Outside text made harmless: answers, labels and model names are hostile until they went through here.

Promises that nothing in the text runs, is fetched, or breaks the page or spreadsheet that shows it.
"""

import html
import re
from typing import Any

from diffing.common import tables

# Direction overrides and other invisible controls would reorder or hide the text around them.
INVISIBLE = re.compile(r"[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u200e\u200f\u202a-\u202e\u2066-\u2069]")
# A bare address becomes a link even where its characters are escaped: an invisible joiner keeps its parts apart.
LINK = re.compile(r"https?:(?=//)|www(?=\.)|@(?=[-\w])", re.IGNORECASE)
# All that CommonMark, its tables and strikethrough, and Streamlit's own `:red[…]`, `$…$` and emoji give a meaning.
MARKDOWN = re.compile(r"([\\`*_{}\[\]()<>#+\-.!|~$:&])")
# What a spreadsheet would run gets an apostrophe, of which a reader takes one away; a tab or a carriage return is
# passed over by some, which then run what follows. Apostrophes before such a sign get one more, so none is lost.
FORMULA = re.compile(r"^'*[=+\-@\t\r]")


def visible(text: str) -> str:
    """The text with control characters shown as symbols and lone surrogates replaced."""
    return INVISIBLE.sub(lambda m: f"\u2e28U+{ord(m[0]):04X}\u2e29", tables.clean(text))


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
