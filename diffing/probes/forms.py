"""Probes of form: amounts, markup, lists, punctuation and white space, in any language.

What stands in code counts neither as prose nor as markup, except where a description says otherwise.
"""

from diffing.probes.probe import Probe
from diffing.probes.rules import after_list, before_list, nested, one_block, rule, scripted, whole

ITEM = r"^[ \t>]*(?:#{1,6}[ \t]+)?(?:[-*+•][ \t]+)?(?:\*\*|__)?"
"""What may stand before an item's number: quotation, heading, bullet and bold marks."""

LISTED = r"[ \t>]*(?:[-*+•‣◦▪●]|\(?\d{1,3}\\?[.)])[ \t]+(?![-*_ \t\r]*$)"
"""An item's line up to its text; a line of nothing but bullets is a horizontal rule."""

CELLS = r"[^\n|]*+\|[^\n]*+"
"""A line with a | in it, as every row of a table is."""

# Some rules match more than they count: what stands beside `(?P<it>…)` is matched only to be passed over, as a
# list item's number ends no sentence and the spaces behind a bullet are no double spaces.
FORMS = (
    Probe("characters", "all characters, code too", whole, "count", by_length=True),
    Probe("words", "what stands between spaces, code too", rule(r"\S+", code=True), "count"),
    Probe(
        "sentences",
        "sentences, and lines that end without a full stop",
        rule(
            r"^[ \t>#*_-]*\d{1,3}[.)](?=[ \t])"
            r"|(?P<it>(?<![.!?])[.!?]++[\"”’')*_]*+(?=\s|\Z)|[^\W_][\"”’')*_:;,]*+(?=[ \t\r]*$))"
        ),
        "count",
    ),
    Probe(
        "paragraphs", "blocks of lines with empty lines between them", rule(r"(?:^[^\n]*\S[^\n]*\n?)++"), "count"
    ),
    Probe(
        "single paragraph",
        "the whole answer is one block of lines with no empty line in it",
        one_block,
        whole=True,
    ),
    Probe(
        "bold",
        "**bold** passages",
        rule(
            r"(?<![*\\])\*\*\*?(?=[^\s*])[^\n]{1,400}?(?<=[^\s*])\*\*\*?(?!\*)"
            r"|(?<!\w)__(?=[^\s_])[^\n]{1,400}?(?<=[^\s_])__(?!\w)"
            r"|<(?P<tag>b|strong)>[^\n]{1,400}?</(?P=tag)>",
            "**",
            "__",
            "<",
        ),
    ),
    Probe(
        "colon inside bold",
        "bold passages that end in a colon: **so:**",
        rule(r"(?<![*\\])\*\*(?=[^\s*])[^\n*]{1,400}?(?P<it>:\*\*)(?!\*)", ":**"),
    ),
    Probe(
        "colon after bold",
        "bold passages with a colon behind them: **so**:",
        rule(r"(?<![*\\])\*\*(?=[^\s*])[^\n*]{0,400}?[^\n*\s:](?P<it>\*\*:)", "**:"),
    ),
    Probe(
        "italics",
        "*italic* passages",
        rule(
            r"(?<![*\\\w])\*(?=[^\s*])[^\n*]{1,400}(?<=[^\s*])\*(?![*\w])"
            r"|(?<![_\\\w])_(?=[^\s_])[^\n_]{1,400}(?<=[^\s_])_(?![_\w])",
            "*",
            "_",
        ),
    ),
    Probe("headings", "lines that begin with # signs", rule(r"^ {0,3}#{1,6}[ \t]+[^\s#][^\n]*")),
    Probe(
        "numbered items",
        "lines that begin with a number and a full stop or bracket, in headings and bold too",
        # Something must follow on the line; a backslash is how Markdown keeps "1." from becoming a list.
        rule(ITEM + r"(?P<it>\(?\d{1,3}\\?[.)])(?=(?:\*\*|__)?[ \t]+[^ \t\r\n])"),
    ),
    Probe(
        "bulleted items",
        "lines that begin with a bullet",
        # A line of nothing but bullets is a horizontal rule.
        rule(
            r"^[ \t>]*(?P<it>[-*+](?=[ \t])|[•‣◦▪●])[ \t]*+(?![-*_ \t\r]*$)",
        ),
    ),
    Probe(
        "nested items",
        "list items set in by two spaces or more under another item",
        nested,
    ),
    Probe(
        "tight lists",
        "two list items on lines that follow each other",
        rule(rf"^{LISTED}[^\n]*(?P<it>\n)(?={LISTED})"),
    ),
    Probe(
        "loose lists",
        "an empty line between two list items, or between what is set in under the first one and the second",
        rule(rf"^(?:{LISTED}|[ \t]{{2,}}(?=\S))[^\n]*(?P<it>\n(?:[ \t]*\r?\n)+)(?={LISTED})"),
    ),
    Probe(
        "labelled items",
        "list items that begin with a few words and a colon, in bold too",
        rule(rf"^{LISTED}(?:\*\*|__)?[^\s:*_][^\n:.!?]{{0,60}}(?P<it>:)(?=[*_\s]|\Z)"),
    ),
    Probe(
        "opens with a list",
        "the answer's first line is a list item",
        rule(rf"\A\s{{0,20}}(?P<it>{LISTED})"),
    ),
    Probe(
        "lead-in to a list",
        "a line that ends in a colon, with a list item on the next line that is not empty",
        rule(rf"^(?!{LISTED})[^\n]*(?P<it>:)[*_ \t\r]*\n(?:[ \t\r]*\n)?(?={LISTED})"),
    ),
    Probe(
        "introduction to a list",
        "a whole sentence in front of the first list item",
        before_list,
    ),
    Probe(
        "items of several sentences",
        "list items with two sentences or more on their line",
        rule(rf"^{LISTED}[^\n]{{0,400}}?[a-z)][.!?](?P<it>[ ]{{1,2}}[A-Z])"),
    ),
    Probe("text after a list", "a paragraph behind the last list item", after_list),
    Probe("code blocks", "fenced code", lambda answer: answer.blocks),
    Probe("inline code", "code between backticks", lambda answer: answer.inline),
    Probe(
        "tables",
        "tables drawn with | and -",
        rule(rf"^{CELLS}\n(?=[ \t|:]*-)(?=[^\n|]*\|)[ \t\r|:-]*+$(?:\n{CELLS})*+", "|"),
    ),
    Probe(
        "links",
        "links and web addresses",
        rule(
            r"!?\[[^\[\]\n]{0,300}\]\([^()\s]{1,600}[^()\n]{0,200}\)|(?:https?://|\bwww\.)[^\s<>()\]\"]*[^\s<>()\]\".,;:]",
            "](",
            "http",
            "www.",
        ),
    ),
    Probe(
        "horizontal rules",
        "lines of nothing but dashes or stars",
        rule(r"^ {0,3}(?:-{3,}|\*{3,}|_{3,})(?=[ \t]*$)"),
    ),
    Probe(
        "formulas",
        "LaTeX formulas",
        rule(r"\$\$[^$]{1,600}\$\$|\\\([^\n]{1,400}?\\\)|\\\[[^$]{1,600}?\\\]", "$$", "\\(", "\\["),
    ),
    Probe(
        "emoji",
        "emoji, a joined sequence as one",
        scripted(
            r"(?:\p{Emoji_Presentation}|\p{Extended_Pictographic}\uFE0F|[0-9#*]\uFE0F\u20E3)"
            r"(?:\p{Emoji_Modifier}|\uFE0F|\u200D\p{Extended_Pictographic})*+"
        ),
    ),
    Probe(
        "non-English script",
        "words in letters that are not Latin; single ones, as in formulas, do not count",
        scripted(r"[\p{L}--[\p{Latin}\p{Common}]][\p{L}\p{M}--\p{Latin}]+"),
    ),
    # Not "!=" nor the "![" of an image.
    Probe("exclamation marks", "exclamation marks in prose", rule(r"!(?![=\[])")),
    Probe("question marks", "question marks in prose", rule(r"\?")),
    Probe(
        "double spaces",
        "exactly two spaces within a line, but not after a bullet and not beside |",
        rule(r"^[ \t>]*[-*+•][ \t]+|(?<=[^\s|])(?P<it>  )(?=[^\s|])", "  "),
    ),
    Probe(
        "double spaces after a full stop",
        "exactly two spaces between sentences",
        rule(r"^[ \t>]*\(?\d{1,3}[.)]|(?<=\S)[.!?][\"”’')*_]{0,4}(?P<it>  )(?=[^\s|])", "  "),
    ),
    Probe(
        "trailing spaces",
        "spaces before a line break, in code too",
        rule(r"(?<![ \t])[ \t]++(?=\r?\n)", " \n", "\t", " \r", code=True),
    ),
    Probe("em dashes", "— or -- between words", rule(r"—|(?<=[\w\"”]) ?--(?= ?[\w\"“])", "—", "--")),
    # HTML entities end in one that nobody reads.
    Probe("semicolons", "semicolons", rule(r"&#?\w{2,8};|(?P<it>;)", ";")),
    Probe("ellipses", "... or …", rule(r"\.{3,}|…", "...", "…")),
    # Behind "]" stands a link's address.
    Probe("parentheses", "passages in round brackets", rule(r"(?<!\])\([^()\n]{1,400}\)", "(")),
    Probe(
        "quotations",
        "passages in double quotation marks",
        rule(r"\"[^\"\n]{1,400}\"|“[^”\n]{1,400}”|«[^»\n]{1,400}»|「[^」\n]{1,400}」"),
    ),
    Probe("curly quotes", "quotation marks and apostrophes that are curly: “ ” ‘ ’", rule("[“”‘’]", *"“”‘’")),
    Probe(
        "lower-case sentence starts",
        "the answer, or a sentence behind a full stop, ? or !, begins with a small letter",
        # Two small letters before the stop, so that neither "e.g. so" nor "a.m. on" nor "U.S. and" ends a
        # sentence; of longer abbreviations the common ones. Behind a closing quotation mark it is told who speaks.
        rule(
            r"(?:\A[\s\"“'‘*_>]{0,20}|[.!?](?<=[a-z]{2}.)(?<!\bvs.)(?<!\bcf.)(?<!\bca.)(?<!\bal.)(?<!\betc.)"
            r"(?<!\b[JS]r.)(?<!\bInc.)(?<!\bLtd.)(?<!\bCorp.)(?<!\bincl.)(?<!\bapprox.)[)*_]{0,4} {1,2})"
            r"(?P<it>(?!https?:|www\.)[a-z])(?=[a-z' ])"
        ),
    ),
    Probe(
        "percentages",
        "numbers with % or 'percent'",
        rule(r"(?<!\d)(?<!\d[.,])\d[\d.,]*+[ \u00a0]?(?:%|per ?cent\b)", "%", "cent"),
    ),
    Probe("all-caps words", "words of two and more capitals, acronyms too", rule(r"\b[A-ZÀ-ÖØ-Þ]{2,}\b")),
)
