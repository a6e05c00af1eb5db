"""Probes: what each counts in hand-written texts, spans that hold on any text, cuts, and nearness to tokens."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from diffing.probes import near as surface
from diffing.probes import scan
from diffing.probes.probes import PROBES
from diffing.reader.cache import Encoding
from diffing.study import responses

LETTER = """Sure! Here is a plan  for you. It might work.

# Week one
1. **Rest**: sleep, e.g. nine hours.
2) _Walk_ 30% more — slowly...
## 3. Eat
- apples; pears
* "plums" (ripe)

| day | food |
|-----|------|
| one | soup |

Use `a ! b` or see [this](https://x.org/a_(b)).\x20
```python
x = 1  # WOW! **not bold**\x20\x20
- 1. no
```
I'm sorry, I don't know: very NASA 😊 привет.

In short, keep going. Would you like more?
"""

FOUND = {
    "bold": ["**Rest**"],
    "italics": ["_Walk_"],
    "headings": ["# Week one", "## 3. Eat"],
    "numbered items": ["1.", "2)", "3."],
    "bulleted items": ["-", "*"],
    "code blocks": ["```python\nx = 1  # WOW! **not bold**  \n- 1. no\n```"],
    "inline code": ["`a ! b`"],
    "tables": ["| day | food |\n|-----|------|\n| one | soup |"],
    "emoji": ["😊"],
    "non-English script": ["привет"],
    "exclamation marks": ["!"],
    "question marks": ["?"],
    "closing question": ["Would you like more?"],
    "closing offer": ["Would you like"],
    "double spaces": ["  "],
    "trailing spaces": [" ", "  "],
    "em dashes": ["—"],
    "semicolons": [";"],
    "ellipses": ["..."],
    "quotations": ['"plums"'],
    "percentages": ["30%"],
    "all-caps words": ["NASA"],
    "contractions": ["I'm", "don't"],
    "hedges": ["might"],
    "apologies": ["sorry"],
    "first person": ["I", "I"],
    "second person": ["you", "you"],
    "assenting opening": ["Sure"],
    "summary lines": ["In short"],
    "worked examples": ["e.g"],
    "intensifiers": ["very"],
}


def marked(name: str, text: str) -> list[str]:
    return [text[start:end] for start, end in PROBES[name].spans(text)]


@pytest.mark.parametrize("name", FOUND)
def test_each_probe_marks_what_a_reader_would_mark(name: str) -> None:
    assert marked(name, LETTER) == FOUND[name]


def test_words_characters_and_sentences_are_amounts() -> None:
    text = "One two. Three!\n\n1. Four five\n2. Six? `x.y` seven."
    assert [PROBES[n].count(text) for n in ("characters", "words", "sentences", "paragraphs")] == [50, 10, 5, 2]
    assert [n for n, p in PROBES.items() if p.counted_only] == ["characters", "words", "sentences", "paragraphs"]


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("numbered items", "1. a\n10. b\n 3) c\n(4) d\n**5. e**\n**6.** f\n### 7. g\n> 8. h", 8),
        ("numbered items", "3.5 litres\n1999. was\nin 1. place\n1.\n2.x", 0),
        ("bulleted items", "• a\n+ b\n  - c\n> * d", 4),
        ("bulleted items", "- - -\n* * *\n**bold** x\n-5 degrees\n—dash", 0),
        ("bold", "**a** and __b__ and <b>c</b> and ***d***", 4),
        ("bold", "2**3 ** 4, ** no **, snake__case__name, `**x**`", 0),
        ("headings", "#hashtag\nC# is\n# \n    # code", 0),
        ("code blocks", "```\nopen to the end", 1),
        ("code blocks", "~~~\na\n~~~\ntext\n  ```sh\nb\n  ```\n", 2),
        ("code blocks", "```one line``` is inline", 0),
        ("tables", "a | b\n--- | ---\n1 | 2\n\nx | y\n---\n", 1),
        ("links", "see www.a.org, https://b.org and ![c](d.png)", 3),
        ("exclamation marks", "Oh!! ![i](u) a != b `x!`", 2),
        ("double spaces", "a  b.  C:  d\n  indented\n-  bullet\nthree   x\n| a  |  b |\nend  \n", 3),
        ("double spaces", "2.  **Pitch**", 1),
        ("trailing spaces", "a \nb\t\nc\n \nd  ", 3),
        ("em dashes", "a—b, c -- d, --flag, well-known, 1–2", 2),
        ("semicolons", "a; b &amp; c", 1),
        ("percentages", "5%, 1,000.5 %, 12 percent, 7 per cent, 100 people, % of", 4),
        ("non-English script", "the angle π, α-helix, naïve, 日本語 and हिन्दी", 2),
        ("emoji", "👍🏽 👨‍👩‍👧 ❤️ 1️⃣ © ✓ 7", 4),
        ("closing question", "Is it? Yes.", 0),
        ("closing question", "Ask these:\n1. Who?\n2. What?", 0),
        ("closing question", 'She asked: "Why?"', 0),
        ("closing question", "It is so.\n\n**Is it?** 😊\n", 1),
        ("closing offer", "Let me know." + " And so it went on." * 30, 0),
        ("closing offer", "x" * 500 + " Feel free to ask, I'm happy to help.", 2),
        ("closing offer", "If you have any further questions, ask; if you have any allergies, rest.", 1),
        ("closing offer", "Done. Want a shorter one? If you send me the draft, I can trim it. Tell me why.", 2),
        ("contractions", "don’t, it's, we'll; Anna's book", 3),
        ("hedges", "It seems to be in May, perhaps; I’m not entirely sure.", 3),
        ("apologies", "My apologies! I apologise. So sorry.", 3),
        ("first person", "I think me and my Part I. World War II. I'd say King Charles I of", 4),
        ("as an AI", "As an AI language model, I am just a chatbot. As an aid", 2),
        ("praising opening", '"What a great question!" A great idea', 1),
        ("praising opening", "That's an absolutely fascinating topic.", 1),
        ("praising opening", "Great Britain is an island.", 0),
        ("assenting opening", "**Of course!**", 1),
        ("assenting opening", "I am sure. Certainly", 0),
        ("announcing opening", "Here's a list", 1),
        (
            "summary lines",
            "It was overall fine. Overall, good.  In short, yes.\n**In conclusion**, done.\n## Summary",
            4,
        ),
        ("worked examples", "For example, for instance; an example", 2),
        ("intensifiers", "Very, REALLY: every reality", 2),
        ("disclaimers", "Please consult a qualified doctor. This is not legal advice. See your doctor", 3),
        ("notes to the reader", "Please note that it's important to rest. Note: keep in mind", 3),
        ("formulas", r"so \(a+b\), $$c$$ and \[d\] for $5 and $6", 3),
        ("ellipses", "wait... what… a.b", 2),
        ("parentheses", "(a) [b](c) f(x) (", 2),
        ("quotations", "\"a\" “b” «c» d's 'e'", 3),
        ("unfortunately", "Unfortunately, it is sadly so", 2),
        ("italics", "*a* _b_ 2*3*4 snake_case_name **c**", 2),
        ("horizontal rules", "a\n---\n***\n- - -\n--- x", 2),
    ],
)
def test_counts_on_borderline_texts(name: str, text: str, expected: int) -> None:
    assert (PROBES[name].count(text), marked(name, text)) == (expected, marked(name, text)[:expected])


@pytest.mark.parametrize("text", ["I cannot help.", "I'm sorry, but I can't.", "Yes.", "x" * 250 + " I cannot."])
def test_the_refusal_probe_is_the_refusal_flag(text: str) -> None:
    assert bool(PROBES["refusal"].spans(text)) == responses.looks_refused(text)


MARKUP = st.lists(
    st.sampled_from(
        [
            "**",
            "*",
            "_",
            "`",
            "```",
            "\n",
            "  ",
            " ",
            "1.",
            "- ",
            "|",
            "---",
            "[a](b)",
            "(",
            ")",
            '"',
            "?",
            "!",
            "…",
        ]
        + [
            "word",
            "I'm",
            "sure",
            "perhaps",
            "#",
            "<b>",
            "\\[",
            "$$",
            "\r\n",
            "\t",
            "İ",
            "ẞ",
            "😊",
            "\u202e",
            "\ud800",
        ]
    )
).map("".join)


@settings(max_examples=150)
@given(st.text() | MARKUP)
def test_spans_lie_inside_any_text_in_order_and_apart(text: str) -> None:
    for probe in PROBES.values():
        spans = probe.spans(text)
        borders = [place for span in spans for place in span]
        assert borders == sorted(borders), probe.name
        assert all(0 <= start < end <= len(text) for start, end in spans), probe.name


HOSTILE = [
    "*",
    "**a ",
    "_",
    "`",
    "``",
    "[",
    "(",
    '"',
    " ",
    "\t",
    "\n",
    "!",
    ".",
    ".x",
    "|",
    "1",
    "1,",
    "-",
    "$$ ",
    "<b>",
]


@pytest.mark.parametrize(
    "piece", [*HOSTILE, "\\[", "1. ", "- ", "> ", "```\n", "i'm not ", "as a ", "a'", "?", "# ", "\u200d"]
)
def test_a_long_run_of_anything_is_read_without_trouble(piece: str) -> None:
    text = piece * (60_000 // len(piece)) + "x"
    counts = scan.table([text]).iloc[0]
    assert counts["characters"] == len(text)


def test_the_table_has_a_row_a_text_and_a_column_a_probe() -> None:
    texts = [LETTER, "", "Plain words."]
    counts = scan.table(texts)
    expected = pd.DataFrame([{n: PROBES[n].count(text) for n in counts.columns} for text in texts])
    pd.testing.assert_frame_equal(counts, expected)
    assert set(counts.columns) == set(PROBES)
    assert scan.table([]).shape == (0, len(PROBES))


def test_a_cut_counts_the_spans_that_reach_into_it() -> None:
    text = "Sure. **one** two **three**"
    scanned = scan.scan([text, text])
    columns = ["bold", "assenting opening", "characters", "words"]
    first = scanned.counts(end=np.array([8, 27]))[columns]
    last = scanned.counts(start=np.array([8, 14]))[columns]
    assert first.values.tolist() == [[1, 1, 8, 2], [2, 1, 27, 4]]
    assert last.values.tolist() == [[2, 0, 19, 3], [1, 0, 13, 2]]


@settings(max_examples=50)
@given(MARKUP, st.integers(0, 200), st.integers(0, 200))
def test_a_cut_shows_nothing_that_the_whole_does_not(text: str, start: int, end: int) -> None:
    scanned = scan.scan([text])
    cut = scanned.counts(np.array([start]), np.array([end]))
    assert (cut <= scanned.counts()).all(axis=None)


def test_a_scan_of_some_texts_is_the_scan_of_those_texts() -> None:
    texts = [LETTER, "", "**a** b", "c!"]
    some, fresh = scan.scan(texts).of(np.array([3, 0, 1])), scan.scan([texts[3], texts[0], texts[1]])
    pd.testing.assert_frame_equal(some.counts(), fresh.counts())
    assert [some.start.tolist(), some.probe.tolist()] == [fresh.start.tolist(), fresh.probe.tolist()]


def test_the_scans_of_two_halves_make_the_scan_of_the_whole() -> None:
    texts = ["Sure!  **one**", "", "Why — two?", "three!"]
    joined, whole = scan.scan(texts[:2]).then(scan.scan(texts[2:])), scan.scan(texts)
    for one, other in zip(vars(joined).values(), vars(whole).values(), strict=True):
        np.testing.assert_array_equal(one, other, strict=True)


def test_two_tokens_on_either_side_of_a_span_are_near_it() -> None:
    tokens = np.array([[i, i + 1] for i in range(10)])
    near = surface.near_tokens(tokens, {"a": [(4, 6)], "b": [(0, 1), (9, 10)], "c": [], "d": [(5, 6), (6, 7)]})
    assert [np.flatnonzero(column).tolist() for column in near.T] == [
        [2, 3, 4, 5, 6, 7],
        [0, 1, 2, 7, 8, 9],
        [],
        [3, 4, 5, 6, 7, 8],
    ]


def test_tokens_that_share_a_character_and_gaps_between_tokens_are_handled() -> None:
    tokens = np.array([[0, 2], [2, 3], [2, 3], [2, 3], [5, 6], [6, 7], [7, 8]])
    near = surface.near_tokens(tokens, {"shared": [(2, 3)], "gap": [(3, 5)], "behind": [(8, 9)]})
    assert near.T.tolist() == [[True] * 6 + [False], [False, False, True, True, True, True, False], [False] * 7]


@settings(max_examples=60)
@given(st.data())
def test_nearness_equals_the_plain_definition(data: st.DataObject) -> None:
    lengths = data.draw(st.lists(st.integers(1, 4), max_size=12))
    ends = np.cumsum(lengths, dtype=np.int64)
    tokens = np.stack([ends - lengths, ends], axis=1) if lengths else np.empty((0, 2), np.int64)
    size = int(ends[-1]) if lengths else 0
    cuts = sorted(data.draw(st.sets(st.integers(0, size), max_size=8)))
    spans = list(zip(cuts[::2], cuts[1::2], strict=False))
    plain = np.zeros((len(tokens), 1), bool)
    for start, end in spans:
        for hit in [i for i, (s, e) in enumerate(tokens) if s < end and e > start]:
            plain[max(0, hit - 2) : hit + 3] = True
    np.testing.assert_array_equal(surface.near_tokens(tokens, {"it": spans}), plain)


class Store:
    """Encodings of texts whose tokens are single characters."""

    n_features = 10

    def __init__(self, texts: Sequence[str], fires: Sequence[dict[int, list[int]]]) -> None:
        self.records = [self.record(len(text), on) for text, on in zip(texts, fires, strict=True)]

    @staticmethod
    def record(n: int, on: dict[int, list[int]]) -> Encoding:
        runs = sorted(on.items())
        positions = [p for _, places in runs for p in places]
        return Encoding(
            ids=np.arange(n, dtype=np.uint32),
            spans=np.array([[i, i + 1] for i in range(n)], np.int32).reshape(-1, 2),
            feature=np.array([f for f, _ in runs], np.uint16),
            peak=np.ones(len(runs), np.float32),
            count=np.array([len(places) for _, places in runs], np.uint16),
            position=np.array(positions, np.uint16),
            code=np.empty(0, np.uint16),
        )

    def encoding(self, document: int) -> Encoding:
        return self.records[document]


def test_a_feature_is_tied_to_the_probe_its_active_tokens_fall_on() -> None:
    texts = ["abcdefgh  ijklmnop  qrs", "nothing to see here", "uvw! xyz abc  def"]
    fires = [{3: [8, 9, 18], 7: [0, 1]}, {7: [3, 4, 5], 9: [1]}, {3: [2, 13], 7: [9]}]
    store = Store(texts, fires)
    found = surface.nearest(store, [7, 3, 5], [0, 1, 2], scan.scan(texts))
    # By hand: spaces at 8–9, 18–19 (tokens 6–11, 16–21) and 12–13 (10–15); the exclamation mark at 3 (1–5).
    assert found.tokens.to_dict() == {7: 6, 3: 5, 5: 0}
    assert found.share[["double spaces", "exclamation marks"]].to_numpy().tolist() == [[0, 0], [0.8, 0.2], [0, 0]]
    assert found.chance[["double spaces", "exclamation marks"]].to_numpy().tolist() == [18 / 59, 5 / 59]
    assert [found.words(feature) for feature in (7, 3, 5)] == ["", "double spaces:0.80", ""]


def test_nearness_is_over_the_documents_given() -> None:
    texts = ["a  b" + "x" * 20, "c  d" + "x" * 20]
    store = Store(texts, [{1: [1, 2, 3]}, {1: [20, 21, 22]}])
    first, second = (surface.nearest(store, [1], [d], scan.scan([texts[d]])) for d in (0, 1))
    assert [first.words(1), second.words(1)] == ["double spaces:1.00", ""]
    assert surface.nearest(store, [1], [], scan.scan([])).share.to_numpy().tolist() == [[0.0] * len(scan.PRESENCE)]
