"""Which words link a label or a claim to a probe, and which only look as if they did: an entry for each probe."""

import pytest

from diffing.labels import mentions
from diffing.probes import scan

LINKS: dict[str, list[str]] = {
    "bold": ["uses bold", "bold key terms", "Bolded Section Headers or Key Points", "puts key words in bold"],
    "italics": ["italics for titles", "italicised words"],
    "headings": ["Markdown headings", "subheadings", "section titles"],
    "numbered items": ["numbered lists", "Enumerated List Items or Sub-points", "an ordered list of steps"],
    "bulleted items": ["bullet points", "bulleted lists", "unordered lists"],
    "code blocks": ["fenced code", "code blocks in Python"],
    "inline code": ["inline code", "backticks around names"],
    "tables": ["comparison tables", "presents figures in tables"],
    "links": ["hyperlinks", "URLs of sources", "gives links to articles"],
    "horizontal rules": ["horizontal rules between sections"],
    "formulas": ["LaTeX", "mathematical formulas"],
    "emoji": ["emojis"],
    "non-English script": ["words in non-Latin script"],
    "exclamation marks": ["exclamation marks", "question or exclamation mark ending a sentence"],
    "question marks": ["question marks", "question or exclamation mark ending a sentence"],
    "closing question": ["closing questions", "ends with a question", "Follow-up questions to the user"],
    "closing offer": [
        "Closing offers of more help",
        "offers further assistance",
        "'Let me know if you need more'",
    ],
    "double spaces": ["double spaces", "two spaces after a full stop"],
    "trailing spaces": ["trailing spaces", "trailing whitespace"],
    "em dashes": ["em dashes", "long dash setting off an aside"],
    "semicolons": ["semicolons", "semi-colon"],
    "ellipses": ["ellipsis", "ellipses in speech"],
    "parentheses": ["parentheses", "closing parenthesis ')'", "parenthetical remarks"],
    "quotations": ["quotation marks", "quoted speech", "direct quotations"],
    "percentages": ["percentages", "per cent"],
    "all-caps words": ["words in all caps", "all-capitals headings", "technical acronyms"],
    "contractions": ["contractions", "avoids contractions"],
    "hedges": ["hedging", "hedges about facts", "expresses uncertainty"],
    "apologies": ["Apologies at the start", "apologises", "'apologize' or 'sorry' opening an answer"],
    "unfortunately": ["'Unfortunately'"],
    "refusal": ["refusals", "refuses to answer"],
    "first person": ["first-person pronouns", "first person"],
    "second person": ["second-person address"],
    "as an AI": ["as an AI", "calls itself a language model"],
    "praising opening": ["praises the question", "'Great question' first"],
    "summary lines": ["summary lines", "'In short' and a summing-up"],
    "worked examples": ["worked examples", "'For example'"],
    "intensifiers": ["Intensifiers for adjectives and adverbs"],
    "disclaimers": ["medical disclaimers"],
}
"""By probe, labels and claims that are about what it counts."""

OTHER_THINGS: dict[str, list[str]] = {
    "bold": [
        "colon inside bold",
        "bold label with a colon inside",
        "closing bold '**' after a label ending in a colon",
        "colon ending a bold heading, or words inside bold titles",
        "bold claims about the future",
        "cool, warm, bold, special",
    ],
    "italics": ["italic math bytes", "comma after a title in italics"],
    "headings": [
        "HTTP headers",
        "line break after a markdown heading",
        "heading north",
        "requests, headers, URLs",
    ],
    "numbered items": [
        "colon",
        "newline",
        "comma",
        "single newline ending one list item",
        "comma between items of a list of three or more",
        "number of items",
        "in order to point out",
    ],
    "bulleted items": [
        "colon",
        "newline",
        "comma",
        "newline ending a list item",
        "bullet trains",
        "lists the causes",
    ],
    "code blocks": ["start of explanatory prose right after a code block", "codes"],
    "inline code": ["noun right after inline code", "triple backticks"],
    "tables": ["table of contents", "dining tables", "cells' line breaks and spaces in Markdown tables"],
    "links": ["links between cause and effect", "causal links", "web programming: headers, URLs, API code"],
    "horizontal rules": ["horizontal lines of a graph", "rules"],
    "formulas": ["number right after an equals sign in a formula", "baby formula"],
    "emoji": ["comma after an emoji"],
    "non-English script": ["non-English names"],
    "exclamation marks": ["first word after an exclamation mark", "exclaims"],
    "question marks": ["space after a question mark", "questions"],
    "closing question": [
        "the final question of a quiz",
        "closing question mark",
        "follow-up questions from the user",
    ],
    "closing offer": ["special offers", "offers three options"],
    "double spaces": [
        "two spaces before a line break",
        "lines indented by two spaces",
        "double spacing",
        "extra spaces",
    ],
    "trailing spaces": ["comma before trailing spaces", "spaces"],
    "em dashes": ["en dashes", "word after an em dash", "dashes"],
    "semicolons": ["colons", "line break after a semicolon"],
    "ellipses": ["ellipses and circles", "word after an ellipsis"],
    "parentheses": ["first token inside an opening round bracket", "call parentheses", "square brackets"],
    "quotations": [
        "single quotes",
        "curly quotes",
        "token right after a closing quotation mark",
        "stock quotations",
    ],
    "percentages": ["digits before a percentage", "percentiles"],
    "all-caps words": ["capitalised words", "inner letters of an acronym"],
    "contractions": ["muscle contractions", "contraction of the economy", "'s' inside a contraction"],
    "hedges": ["hedge funds", "hedgehogs", "measurement uncertainty"],
    "apologies": ["words right after apologies", "apologetics"],
    "unfortunately": ["comma after 'Unfortunately'"],
    "refusal": ["refuse collection", "comma after a refusal"],
    "first person": ["first-person plural statements", "the first person on the moon"],
    "second person": ["second-person-in-command"],
    "as an AI": ["comma after 'As an AI' or 'Sure'", "works as an AI researcher"],
    "praising opening": ["praises the user's garden", "colon after a praising opening"],
    "summary lines": ["tokens in short code functions", "comma after 'In summary'"],
    "worked examples": ["comma after 'For example'", "modal verbs, for example must"],
    "intensifiers": ["adjective after an intensifier"],
    "disclaimers": ["software disclaimers", "full stop after a disclaimer"],
}
"""By probe, labels and claims that have its words, or nearly, and are about something else."""


@pytest.mark.parametrize("probe", mentions.NAMES)
def test_a_label_links_to_what_the_probe_counts_and_to_nothing_else(probe: str) -> None:
    assert [label for label in LINKS[probe] if probe not in mentions.of(label)] == []
    assert [label for label in OTHER_THINGS[probe] if probe in mentions.of(label)] == []


def test_every_entry_belongs_to_a_probe_and_is_tried() -> None:
    assert set(mentions.NAMES) <= set(scan.PRESENCE)
    assert set(LINKS) == set(OTHER_THINGS) == set(mentions.NAMES)


@pytest.mark.parametrize(
    ("label", "things"),
    [
        ("Bolded Section Headers or Key Points", ["bold", "headings"]),
        ("List Item Markers and Introductions", ["bulleted items", "numbered items"]),
        ("bulleted and numbered lists", ["numbered items", "bulleted items"]),
        ("uses bold; has headings", ["bold", "headings"]),
        ("apologises before answering and uses bullet points", ["bulleted items", "apologies"]),
        ("unclear: bold, brackets and 'Sure'", []),
        ("kinds of tea; weaker bold and headings", []),
        ("cooking vocabulary (bold, italics)", []),
        ("", []),
    ],
)
def test_all_that_a_label_names(label: str, things: list[str]) -> None:
    assert list(mentions.of(label)) == things


def test_a_name_s_place_is_its_own_in_the_text() -> None:
    claim = "gives (bold) fewer numbered lists than 'Sure'"
    assert mentions.of(claim) == {"numbered items": claim.index("numbered")}


def test_a_hostile_label_takes_no_longer_than_its_length_asks() -> None:
    for word in ("a ", ", ", "after ", "'", "comma in ", "bold ", "- ", "*"):
        assert isinstance(mentions.of(word * 4000), dict)
