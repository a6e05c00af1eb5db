"""Which surface probes a label or a claim names: the words that link them, and those that only look so.

A label often names a thing only to say where another stands: "comma after the first item of a list" is about a
comma, and "bold label that ends in a colon" about a special kind of bold. Such a label says nothing on how many
lists or how much bold there is. Narrow for that reason: what is not recognised costs an objection, what is
recognised by mistake blames a label that is right. Knows words only; whether they are true, `contradictions` asks.
"""

import re
from functools import cache
from typing import NamedTuple


class Naming(NamedTuple):
    """How one probe is named."""

    words: str
    """What names it, as whole words; letters' case does not matter."""
    but: str = ""
    """What looks the same and is another thing."""


NAMES: dict[str, Naming] = {
    # "Bold claims" and "bold colours" are no formatting.
    "bold": Naming(
        r"(?:(?:words?|terms?|text) in )?bold(?:ed|face|ing)?|\*\*bold\*\*",
        r"bold (?:and \w+ )?(?:claims?|statements?|assertions?|ideas?|moves?|choices?|predictions?|tones?|language"
        r"|colou?rs?|flavou?rs?|steps?|adventur\w+|hero\w*)|(?<=, )bold(?=,)",
    ),
    "italics": Naming(
        r"(?:(?:words?|terms?|text) in )?italics|italici[sz]\w+|italic (?:text|passages?|words?|terms?)"
    ),
    "headings": Naming(
        r"(?:sub)?head(?:ing|er)s?|section (?:titles?|headers?)",
        r"(?:https?|request|response|e-?mail|table|column|code|c|file) headers?|headers? files?"
        r"|(?<=, )headers?(?=,)|heading (?:to|for|towards?|north|south|east|west|out|into|home|back)",
    ),
    # "In order", "number of items" and "unordered lists" are none.
    "numbered items": Naming(
        r"(?:numbered|ordered|enumerated)(?:[\s/-]+\w+)?[\s/-]+(?:lists?|items?|steps?|points?)|enumerations",
        r"un-?ordered \w+",
    ),
    "bulleted items": Naming(
        r"bullet(?:ed|s)?(?:[\s-]+points?)?|un-?ordered lists?",
        r"bullet[- ]?(?:trains?|holes?|wounds?|proof|time)|silver bullets?|bullets? (?:fired|casings?)",
    ),
    "code blocks": Naming(r"(?:fenced )?code (?:blocks?|fences?|snippets?)|fenced code"),
    "inline code": Naming(r"inline code|(?:in )?backticks?", r"(?:triple|three) backticks?|inline code comments?"),
    "tables": Naming(
        r"tables?",
        r"tables? of contents|table (?:tennis|salt|spoons?|manners|names?|joins?)|times tables?|on the table"
        r"|(?:dining|coffee|kitchen|round|bedside|water|periodic|truth|hash|lookup|database|sql|wooden) tables?",
    ),
    # A link between two things and a web of links in a chain are no addresses.
    "links": Naming(
        r"(?:hyper|web ?|markdown )links?|urls?|web addresses|links? to (?:web\w*|sources?|pages?|sites?|articles?"
        r"|resources?)|(?:adds?|gives?|includes?|provides?|has|more|fewer|less|no) links?",
        r"links? (?:between|with|in (?:the|a) chain)|(?:missing|causal|weak) links?|(?<=, )urls?(?=,)",
    ),
    "horizontal rules": Naming(
        r"horizontal (?:rules?|lines?|dividers?|separators?)", r"horizontal lines? (?:of|on) \w+"
    ),
    # Only what stands between LaTeX's marks is counted.
    "formulas": Naming(
        r"latex|(?:math\w*|display|inline) (?:formulas?|formulae|equations?)", r"latex (?:gloves?|paints?)"
    ),
    "emoji": Naming(r"emojis?"),
    # A foreign name or word in Latin letters is not counted.
    "non-English script": Naming(
        r"(?:(?:words?|letters?|text) in )?(?:non-latin(?: \w+)?|non-english (?:scripts?|letters?|alphabets?))"
    ),
    "exclamation marks": Naming(r"(?:question or )?exclamation (?:marks?|points?)"),
    "question marks": Naming(r"question (?:or exclamation )?marks?"),
    # Of a quiz's last question, or one that the user asks, nothing is counted.
    "closing question": Naming(
        r"(?:clos|end|final|follow-?up)\w* questions?"
        r"|ends? (?:\w+ ){0,2}(?:with|on|by asking) (?:an? )?(?:\w+ )?questions?",
        r"questions? (?:mark|from|by|asked by|of (?:a|the) (?:quiz|test|exam))\w*|(?:ends?|ending) questions?",
    ),
    "closing offer": Naming(
        r"closing offers?|offer(?:s|ing|ed)?(?: \w+){0,2} (?:help|assist\w*)|let me know if",
        r"offer\w* (?:\w+ )?(?:self-help|help (?:desk|wanted))",
    ),
    # Just two, inside a line: neither indentation nor what stands before a line break, nor spacing between lines.
    "double spaces": Naming(
        r"(?:double|two|two consecutive) spaces",
        r"(?:double|two) spaces? (?:before (?:an? )?(?:line break|newline)s?|at (?:the )?(?:line )?ends?)"
        r"|(?:double|two) spaces? of indent\w*|indent\w* (?:by|with|of) two spaces|two[- ]spaces? indent\w*"
        r"|trailing double spaces?",
    ),
    "trailing spaces": Naming(r"trailing (?:double )?(?:white)?spac(?:e|es|ing)"),
    "em dashes": Naming(r"(?:em|long)[ -]?dash(?:es)?"),
    "semicolons": Naming(r"semi-?colons?"),
    "ellipses": Naming(r"ellips[ie]s", r"ellipses (?:and|or) (?:circles?|parabolas?)"),
    # Code is not looked into.
    "parentheses": Naming(
        r"(?:(?:opening|closing) )?parenthes[ie]s|parenthetical(?:s| \w+)?|(?:opening |closing )?round brackets?",
        r"parenthes[ie]s in (?:code|formulas?)|(?:call|code|function) parenthes[ie]s",
    ),
    # Double marks only.
    "quotations": Naming(
        r"quotations?|(?:opening |closing )?(?:double )?quotation marks?|(?:direct|double) quotes|quoted \w+",
        r"(?:single|curly|smart|straight) (?:quotes|quotation marks?)|block ?quot\w+|(?:price|stock) quotations?"
        r"|quoted prices?",
    ),
    "percentages": Naming(r"percent(?:ages?)?(?: signs?)?|per cent", r"percentage points? of view"),
    # A capital at a word's beginning does not make it one.
    "all-caps words": Naming(
        r"(?:(?:words?|letters?|text) in )?all[ -]?cap(?:s|itals?)(?: \w+)?|(?:words?|text) in capitals|acronyms?"
    ),
    "contractions": Naming(
        r"contractions?",
        r"(?:muscle|muscular|uterine|heart|economic|length|labou?r) contractions?"
        r"|contractions? (?:of|in) (?:the |an? )?(?:muscles?|economy|heart|output|gdp|market)\w*",
    ),
    "hedges": Naming(
        r"hedg(?:es?|ing|ed)(?: \w+)?|tentative (?:language|wording|phras\w+)|express\w* (?:of )?uncertainty",
        r"hedge (?:funds?|fund \w+)|(?:garden|box|privet) hedges?|hedging (?:strateg\w+|risks?|instruments?)",
    ),
    "apologies": Naming(r"apolog(?:y|ies|etic|i[sz]\w*)"),
    "unfortunately": Naming(r"unfortunately"),
    "refusal": Naming(r"refus(?:als?|es?|ed|ing)", r"refuse (?:collection|bins?|disposal|trucks?)"),
    # "We" is none of its words.
    "first person": Naming(
        r"first[- ]person", r"first[- ]person[- ](?:plural\w*|shooters?)|the first person (?:to|who|in|on)"
    ),
    "second person": Naming(r"second[- ]person", r"second[- ]person[- ]in\w*"),
    "as an AI": Naming(
        r"as an? (?:ai|artificial intelligence|language model)"
        r"|(?:itself|self-identif\w+)(?: as)? an? (?:ai|language model)",
        r"as an ai (?:tools?|researchers?|engineers?|compan\w+|start-?ups?|products?)",
    ),
    "praising opening": Naming(
        r"prais\w+ openings?|prais\w+ (?:the )?(?:user's )?questions?|opening praise|great question"
    ),
    "summary lines": Naming(
        r"summary (?:lines?|sentences?|statements?)|['‘\"“]in (?:short|summary|conclusion)\b",
    ),
    # "For example" in a label is mostly the label's own.
    "worked examples": Naming(r"worked examples?|['‘\"“]for (?:example|instance)\b"),
    "intensifiers": Naming(r"intensifiers?"),
    # What is counted sends the reader to a professional, or says that this is no advice.
    "disclaimers": Naming(
        r"disclaimers?",
        r"(?:copyright|software|warranty|liability|ai) disclaimers?|disclaimers? of (?:warrant|liab)\w+",
    ),
}
"""How a label names each probe."""

LISTS = ("bulleted items", "numbered items")
LIST = Naming(
    r"lists?(?:[\s-]+items?)?|list formatting",
    r"(?:linked|python|reading|shopping|packing|reference|price|mailing|to-?do|link|play|word) ?lists?"
    r"|lists? (?:comprehension|price|index|object|of (?!items))\w*|inline lists?|['‘\"“]lists?['’\"”]"
    r"|lists? (?:the|all|some|several|out)|list or list|(?<=, )lists?(?=,)",
)
"""A list of which it is not said whether it is numbered or bulleted."""

MARK = re.compile(
    r"\b(?:commas?|colons?|newlines?|(?:line|paragraph) breaks?|blank lines?|full stops?|periods?|spaces?"
    r"|brackets?|asterisks?|hyphens?|apostrophes?|letters?|digits?|tokens?|words?|pieces?|symbols?|characters?|bytes?)\b"
    r"|['‘\"“][^'’\"”]{1,40}['’\"”]",
    re.IGNORECASE,
)
"""What stands at a place, and is not named for the place it stands at: a mark, or a word in quotation marks."""
PREPOSITION = re.compile(
    r"\b(?:in|of|on|at|to|for|as|right|that|which|from|by|with|ending|closing|opening|starting|numbering)\b",
    re.IGNORECASE,
)
PLACE = re.compile(
    r"\b(?:after|before|following|followed by|preced\w+|between|beside|inside|within|joining|introducing"
    r"|separating|leading into|apart from)\b"
    r"(?:\s+(?!(?:and|but) (?:uses?|has|gives?|adds?|writes?|puts?|shows?|more|fewer)\b)[^\s;.]+){0,6}"
    r"\s*['\"*(]*$",
    re.IGNORECASE,
)
"""A thing that such a word leads to is a place; six words further on, another clause has begun."""
EDGE = re.compile(
    r"\b(?:opening|closing|starting|beginning|ending|marking|(?:start|end|beginning|middle|rest|part|item|line|title"
    r"|label|name|number|edge|body|row|column)s? of)(?:\s+(?!with\b|in\b)[\w'*-]+){0,3}\s*['\"*]*$",
    re.IGNORECASE,
)
"""Nor is the beginning, the end or a part of a thing the thing."""
_INSIDE = r"(?:colons?|commas?|newlines?|line breaks?|full stops?|periods?|asterisks?|hyphens?)\b"
SPECIAL = re.compile(
    rf"[\w-]*[\s-]+(?:(?:opening|closing)[\s-]+)?{_INSIDE}|[\w-]*(?:[\s-]+[\w'*]+){{0,2}}?[\s-]+"
    rf"(?:with|that|which|ending|ends?|followed|containing)\b[^;.]{{0,24}}\b{_INSIDE}",
    re.IGNORECASE,
)
"""A thing with a mark in it, or a mark of it, is a special kind, of which nothing is counted."""
UNCLEAR = re.compile(r"\W*(?:shows? )?(?:unclear|diffuse|broad|mixed)\b", re.IGNORECASE)
"""How a label begins that says of itself that it is none."""
EMPTY = {"unknown", "unclear", "none", "n/a", "various", "miscellaneous", "unsure", "label"}
"""Labels that say nothing; 'label' is the field's own name, given back."""
BESIDES = re.compile(r"\b(?:weaker|weakly)\b.*|; *also\b.*|\([^()]*\)", re.IGNORECASE | re.DOTALL)
"""What a feature fires on besides, and examples in brackets."""


def unclear(text: str) -> bool:
    """Whether a name says of itself that it is none."""
    bare = text.strip(" .\"'“”").lower()
    return bare in EMPTY or "unclear" in bare or UNCLEAR.match(text) is not None


def of(text: str) -> dict[str, int]:
    """The probes that a label or claim names, and the place at which each name begins."""
    if UNCLEAR.match(text):
        return {}
    # Character for character, so that places stay what they are.
    text = BESIDES.sub(lambda found: " " * len(found[0]), text)
    named = {name: place for name, naming in NAMES.items() if (place := _place(text, naming)) is not None}
    general = _place(text, LIST)
    if general is not None and not set(LISTS) & set(named):
        named |= dict.fromkeys(LISTS, general)
    return named


def _place(text: str, naming: Naming) -> int | None:
    """Where a thing is named for its own sake; None where nowhere."""
    if naming.but:
        text = _words(naming.but).sub(lambda found: "-" * len(found[0]), text)
    for found in _words(naming.words).finditer(text):
        before, behind = text[: found.start()], text[found.end() :]
        elsewhere = PLACE.search(before) or EDGE.search(before) or _at_a_mark(before)
        if not elsewhere and not SPECIAL.match(behind):
            return found.start()
    return None


def _at_a_mark(before: str) -> bool:
    """Whether a clause is about a mark, and has come to where that stands."""
    clause = before.rpartition(";")[2]
    mark = MARK.search(clause)
    return mark is not None and PREPOSITION.search(clause, mark.end()) is not None


@cache
def _words(pattern: str) -> re.Pattern[str]:
    return re.compile(rf"(?<!\w)(?:{pattern})(?!\w)", re.IGNORECASE)
