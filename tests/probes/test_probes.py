"""Surface probes: what each counts in hand-written texts, and spans that hold on any text, however long."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from diffing.probes import rules, scan
from diffing.probes.probes import PROBES
from diffing.study import responses
from tests.fakes.markup import LETTER, MARKUP

FOUND = {
    "bold": ["**Rest**"],
    "italics": ["_Walk_"],
    "colon inside bold": [],
    "colon after bold": ["**:"],
    "tight lists": ["\n", "\n"],
    "loose lists": [],
    "nested items": [],
    "opens with a list": [],
    "single paragraph": [],
    "curly quotes": [],
    "double spaces after a full stop": [],
    "lower-case sentence starts": [],
    "opens with Sure": ["Sure"],
    "opens with Certainly": [],
    "wrap-up paragraph": ["In short"],
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
        ("tight lists", "1. a\n2. b\n   - c\n   - d\n\n3. e", 3),
        ("tight lists", "- a\n\n- b\n---\n- - -\nText\n- c\n**1. d**\n**2. e**", 0),
        ("tight lists", "```\n- a\n- b\n```", 0),
        ("loose lists", "1. a\n\n2. b\n   more\n \n\n3. c\n   - d\r\n\r\n4. e", 3),
        ("loose lists", "1. a\n\nText\n\n2. b\n3. c\n\n# Title", 0),
        ("nested items", "1. a\n   - b\n   - c\n2. d\n\t* e\n      1) f", 4),
        ("nested items", "  - a\n  - b\n - c\nText\n  - d\n1. e\n 2. f", 0),
        ("nested items", "- a\n\n  - b\n\n    text\n\nText\n\n    - c\n    ***", 1),
        ("labelled items", "1. Cost: low\n2. **Time:** long\n- **Risk**: none\n* Plain.\n- See: it\nNo: item", 4),
        ("labelled items", "- It ends. Then: so\n- at 9:30\n- http://a.b\n- : c", 0),
        ("opens with a list", "\n1. a\n2. b", 1),
        ("opens with a list", "First:\n1. a", 0),
        ("opens with a list", "1.5 is a number", 0),
        ("lead-in to a list", "Do this:\n1. a\n\n**And this:**\n\n- b\n- c:\n- d\n\nSo:\ntext", 2),
        ("lead-in to a list", "This:\n\n\n- a\n`x:`\n- b", 0),
        ("text after a list", "- a\n- b\n  more\n\nSo it is.\nYes.\n\nEnd.", 1),
        ("text after a list", "Text\n\n- a\n- b\n\n  still b\n", 0),
        ("text after a list", "- a\nText at once", 0),
        ("text after a list", "No list.\n\nText.", 0),
        ("introduction to a list", "Sure! It all depends on rain. So:\n1. a", 1),
        ("introduction to a list", "Sure! Here are three ways:\n1. a\n\nThat is all of it.", 0),
        ("introduction to a list", "It all depends on rain.", 0),
        ("items of several sentences", "1. One. Two. Three.\n- Four! Five\nSix. Seven.\n2. at 3. Street", 2),
        ("announcing opening", "Certainly! Here's a list.", 1),
        ("announcing opening", "Certainly, I will. Here's a list.", 0),
        ("exclaiming opening", "Sure! Here it is!", 1),
        ("exclaiming opening", "Here it is. Sure!", 0),
        ("added -ing clauses", "It rains, making it wet, and, slowly turning grey, ends, during spring.", 2),
        ("added -ing clauses", "Running, jumping, and swimming.", 0),
        ("colon inside bold", "**a:** b, 1. **c d:**\n**e**: f **g: h** i:** `**j:**`", 2),
        ("colon after bold", "**a**: b **c:** d **e:**: `**f**:` ** g **: h", 1),
        ("curly quotes", '“It’s,” he said, ‘not so’ — "it\'s" `“`', 5),
        ("single paragraph", "\nOne.\nTwo.\n\n", 1),
        ("single paragraph", "One.\n \nTwo.", 0),
        ("single paragraph", "Code:\n```\na\n\nb\n```", 1),
        ("single paragraph", " \n\n ", 0),
        ("double spaces after a full stop", "One.  Two!  Three?”  Four:  five.   Six. Seven\n1.  eight", 3),
        ("lower-case sentence starts", "so it is. and on! or not?  well yes. No. Yes", 4),
        (
            "lower-case sentence starts",
            'A cat, e.g. so, etc. and 3 p.m. on… one vs. two and... so. iPhones; "Why?" he asked',
            0,
        ),
        ("lower-case sentence starts", "- an item\nanother line\n`x`. Good", 0),
        ("lower-case sentence starts", '"**so** it goes', 1),
        ("opens with Sure", "**Sure thing!**", 1),
        ("opens with Sure", "Surely. Sure", 0),
        ("opens with Certainly", "Certainly! Certainly", 1),
        ("opens with Of course", "\n“Of course,” he said", 1),
        ("opens with Absolutely", "Absolutely not", 1),
        ("wrap-up paragraph", "One.\n\nTwo.\n\n**In summary**, three.\n", 1),
        ("wrap-up paragraph", "Overall, one.\n\nIn the end, two.\n\nThree overall.", 0),
        ("wrap-up paragraph", "Overall, one paragraph.", 0),
        ("wrap-up paragraph", "One.\n \nTo conclude: two.", 1),
        ("italics", "*a* _b_ 2*3*4 snake_case_name **c**", 2),
        ("horizontal rules", "a\n---\n***\n- - -\n--- x", 2),
    ],
)
def test_counts_on_borderline_texts(name: str, text: str, expected: int) -> None:
    assert (PROBES[name].count(text), marked(name, text)) == (expected, marked(name, text)[:expected])


@pytest.mark.parametrize("text", ["I cannot help.", "I'm sorry, but I can't.", "Yes.", "x" * 250 + " I cannot."])
def test_the_refusal_probe_is_the_refusal_flag(text: str) -> None:
    assert bool(PROBES["refusal"].spans(text)) == responses.looks_refused(text)


@settings(max_examples=60)
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


WORDED = [name for name, probe in PROBES.items() if isinstance(probe.find, rules.Wording) and probe.find.needs]


@pytest.mark.parametrize("name", WORDED)
@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_whatever_a_wording_matches_holds_one_of_the_strings_it_is_looked_up_by(
    name: str, data: st.DataObject
) -> None:
    found = PROBES[name].find
    assert isinstance(found, rules.Wording)
    text = data.draw(st.from_regex(found.pattern, fullmatch=True))
    assert any(need in text for need in found.needs)


def test_wordings_are_looked_up_by_strings() -> None:
    assert {"apologies", "as an AI", "disclaimers", "notes to the reader", "worked examples"} < set(WORDED)
