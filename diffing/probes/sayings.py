"""What an answer does that shows a probe, as the end of a sentence: 'uses bold', 'ends with a question'.

For claims, reports and lists of what changed. Says what the probe counts and no more: not why, and not that it is
good or bad.
"""

import re

SAYINGS = {
    "bold": "uses bold",
    "colon inside bold": "sets labels in bold with the colon inside (**so:**)",
    "colon after bold": "sets labels in bold with the colon behind (**so**:)",
    "italics": "uses italics",
    "headings": "uses headings",
    "numbered items": "uses numbered lists",
    "bulleted items": "uses bulleted lists",
    "nested items": "nests list items under others",
    "tight lists": "has list items on lines that follow each other",
    "loose lists": "has empty lines between list items",
    "labelled items": "begins list items with a label and a colon",
    "opens with a list": "begins at once with a list",
    "lead-in to a list": "leads into lists with a line that ends in a colon",
    "introduction to a list": "introduces lists with a whole sentence",
    "items of several sentences": "has list items of several sentences",
    "text after a list": "goes on after its last list item",
    "code blocks": "has fenced code",
    "inline code": "has code between backticks",
    "tables": "draws tables",
    "links": "has links or web addresses",
    "horizontal rules": "has horizontal rules",
    "formulas": "has LaTeX formulas",
    "emoji": "uses emoji",
    "non-English script": "has words in letters that are not Latin",
    "exclamation marks": "uses exclamation marks",
    "question marks": "asks questions",
    "double spaces": "has double spaces within lines",
    "double spaces after a full stop": "has two spaces between sentences",
    "trailing spaces": "has spaces before line breaks",
    "em dashes": "uses em dashes",
    "semicolons": "uses semicolons",
    "ellipses": "uses ellipses",
    "parentheses": "has passages in round brackets",
    "quotations": "has passages in quotation marks",
    "curly quotes": "uses curly quotation marks or apostrophes",
    "lower-case sentence starts": "begins sentences with a small letter",
    "percentages": "gives percentages",
    "all-caps words": "has words in capitals",
    "closing question": "ends with a question to the reader",
    "closing offer": "offers more help at the end",
    "contractions": "uses contractions (don't, it's)",
    "hedges": "hedges (may, might, likely, perhaps)",
    "apologies": "apologises",
    "unfortunately": "says “unfortunately” or its like",
    "refusal": "begins with a refusal",
    "first person": "speaks of itself as I",
    "second person": "addresses the reader as you",
    "as an AI": "calls itself an AI or a language model",
    "praising opening": "begins with praise (Great question)",
    "assenting opening": "begins with assent (Sure, Certainly, Of course)",
    "opens with Sure": "begins with “Sure”",
    "opens with Certainly": "begins with “Certainly”",
    "opens with Of course": "begins with “Of course”",
    "opens with Absolutely": "begins with “Absolutely”",
    "exclaiming opening": "begins with an exclamation",
    "announcing opening": "begins by announcing the answer (Here is, Below are)",
    "summary lines": "sums up (In short, Overall)",
    "wrap-up paragraph": "ends with a paragraph that sums up",
    "added -ing clauses": "adds -ing clauses behind commas (…, making it)",
    "worked examples": "gives examples (for example, such as)",
    "intensifiers": "uses intensifiers (very, really)",
    "disclaimers": "refers the reader to a professional",
    "notes to the reader": "tells the reader what to note or keep in mind",
    "single paragraph": "is one paragraph",
    "characters": "is longer, in characters",
    "words": "is longer, in words",
    "sentences": "has more sentences",
    "paragraphs": "has more paragraphs",
}
"""By probe; of those that every answer has some of, what is said is of more."""

OPENING_WORDS = {
    "opens with Sure": "Sure",
    "opens with Certainly": "Certainly",
    "opens with Of course": "Of course",
    "opens with Absolutely": "Absolutely",
}
"""Of probes that are one opening, its words: one checkpoint's take the place of another's."""

LITTLE = """
a all also an and are as at be been but by can do for from had has have he her his i if in into is it its more most
not of on one or other our she so some such than that the their them then there these they this those to was we
were which who will with you your
"""
"""Words of which every answer is full: that one says them more often is true, and tells a reader little."""


def little(saying: str) -> bool:
    """Whether what an answer is said to say is nothing but such words and marks."""
    quoted = re.findall("“([^”]*)”", saying)
    words = {word for text in quoted for word in re.findall(r"[^\W\d_]+", text.lower())}
    return bool(quoted) and saying.startswith(("says", "has")) and words <= {*LITTLE.split()}
