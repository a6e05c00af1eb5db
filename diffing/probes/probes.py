"""Surface probes: what can be counted in an answer without a reader, by name.

Holds each probe's name, a line for people and its rule. The rules are markup, punctuation and wordings, in
English where they are words: they count forms and do not know what was meant. What stands in code counts neither
as prose nor as markup, except where a description says otherwise.
"""

from dataclasses import dataclass
from typing import Literal

from diffing.probes.rules import (
    TAIL,
    Answer,
    Finder,
    Span,
    last_question,
    offers,
    opening,
    refusals,
    rule,
    scripted,
    whole,
    wording,
)


@dataclass(frozen=True)
class Probe:
    """Something countable."""

    name: str
    description: str
    find: Finder
    kind: Literal["presence", "count"] = "presence"
    """Whether an answer shows it or not, or every answer has some and only the amount tells."""
    by_length: bool = False
    """Whether the characters inside the spans are counted, and not the spans."""

    @property
    def counted_only(self) -> bool:
        return self.kind == "count"

    def spans(self, text: str) -> list[Span]:
        return self.find(Answer(text))

    def count(self, text: str) -> int:
        return sum(end - start if self.by_length else 1 for start, end in self.spans(text))


ITEM = r"^[ \t>]*(?:#{1,6}[ \t]+)?(?:[-*+•][ \t]+)?(?:\*\*|__)?"
"""What may stand before an item's number: quotation, heading, bullet and bold marks."""

CELLS = r"[^\n|]*+\|[^\n]*+"
"""A line with a | in it, as every row of a table is."""

# Some rules match more than they count: what stands beside `(?P<it>…)` is matched only to be passed over, as a
# list item's number ends no sentence and the spaces behind a bullet are no double spaces.
ALL = (
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
        "italics",
        "*italic* passages",
        rule(
            r"(?<![*\\\w])\*(?=[^\s*])[^\n*]{1,400}(?<=[^\s*])\*(?![*\w])"
            r"|(?<![_\\\w])_(?=[^\s_])[^\n_]{1,400}(?<=[^\s_])_(?![_\w])",
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
    Probe("closing question", "the last sentence asks the reader, outside lists and quotations", last_question),
    Probe("closing offer", f"an offer of more help in the last {TAIL} characters", offers),
    Probe(
        "double spaces",
        "exactly two spaces within a line, but not after a bullet and not beside |",
        rule(r"^[ \t>]*[-*+•][ \t]+|(?<=[^\s|])(?P<it>  )(?=[^\s|])", "  "),
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
    Probe(
        "percentages",
        "numbers with % or 'percent'",
        rule(r"(?<!\d)(?<!\d[.,])\d[\d.,]*+[ \u00a0]?(?:%|per ?cent\b)", "%", "cent"),
    ),
    Probe("all-caps words", "words of two and more capitals, acronyms too", rule(r"\b[A-ZÀ-ÖØ-Þ]{2,}\b")),
    Probe(
        "contractions",
        "don't, it's, you're, …",
        wording(
            r"(?:\w{1,12}n't|\w{1,12}'(?:re|ve|ll|m|d)|(?:it|that|what|there|here|who|how|he|she|let)'s)",
        ),
    ),
    Probe(
        "hedges",
        "might, perhaps, probably, it seems, I think, …",
        wording(
            r"might|may|perhaps|maybe|possibly|probably|likely|presumably|seemingly|arguably|supposedly",
            r"(?:seems?|appears?) (?:to|that|like)|i (?:think|believe|suspect|guess)|i would (?:say|guess)",
            r"i'm not (?:\w+ )?(?:sure|certain)|as far as i (?:know|can tell)|(?:it is|it's) possible that",
            r"it depends|could be|to some extent|more or less|roughly speaking",
            # The month, and rarely a sentence's first word.
            but="May",
        ),
    ),
    Probe(
        "apologies",
        "sorry, I apologize, my apologies, …",
        wording(r"sorry", r"apolog(?:y|ies|i[sz]e[sd]?|i[sz]ing)", r"(?:forgive|pardon) me", r"i regret"),
    ),
    Probe("unfortunately", "unfortunately, sadly, regrettably", wording("unfortunately", "regrettably", "sadly")),
    Probe("refusal", "the first 200 characters read as a refusal", refusals),
    Probe(
        "first person",
        "I, me, my, mine, myself",
        # Before a small word, as "I" is also a numeral ("Part I of") and a list's letter.
        rule(r"\bI(?=['’](?:m|ve|ll|d)\b| (?!of\b)[a-z])|\b(?:[Mm]e|[Mm]y|[Mm]ine|[Mm]yself)\b"),
    ),
    Probe("second person", "you, your, yours, yourself", wording(r"you(?:rs?|rself|rselves)?")),
    Probe(
        "as an AI",
        "the answer calls itself an AI or a language model",
        wording(
            r"(?:as|i'm|i am)(?: only| just)? an? (?:\w+ ){0,2}?(?:ai|artificial intelligence|language model"
            r"|chatbot|(?:virtual|digital) assistant)"
        ),
    ),
    Probe(
        "praising opening",
        "begins with praise: Great question, …",
        opening(
            r"(?:(?:that's|that is|what|this is) (?:such )?an? )?(?:\w+ly )?(?:great|good|excellent|fantastic"
            r"|wonderful|interesting|fascinating|thoughtful|amazing|brilliant|lovely|insightful|important)"
            r" (?:question|choice|idea|point|topic|thought|request|observation)",
            # "Great" alone only where it is an exclamation: else it may open any sentence.
            r"i love (?:this|that|your)|(?:well|good) (?:done|job)|great(?=[!,.])",
        ),
    ),
    Probe(
        "assenting opening",
        "begins with assent: Sure, Certainly, Of course, …",
        opening("sure", "certainly", "of course", "absolutely", "definitely", "gladly", "no problem", "ok(?:ay)?"),
    ),
    Probe(
        "announcing opening",
        "begins by announcing the answer: Here is, Below are, …",
        opening(r"here(?:'s| is| are)", r"below (?:is|are)", r"the following (?:is|are)", r"i've (?:written|put)"),
    ),
    Probe(
        "summary lines",
        "lines or sentences that begin with In short, In summary, Overall, …",
        rule(
            r"(?:^[ \t#*_>-]*|[.!?][\"”’')*_]{0,3} {1,2})(?P<it>"
            r"[Ii]n (?:short|summary|conclusion|brief|essence|a nutshell|sum)"
            r"|(?:[Oo]verall|[Uu]ltimately|[Aa]ll in all|TL;DR|[Tt]o (?:sum up|summari[sz]e|conclude)"
            r"|(?:The )?[Bb]ottom line|[Ss]ummary|[Cc]onclusion|(?:[Kk]ey )?[Tt]akeaways?))\b"
        ),
    ),
    Probe(
        "worked examples",
        "for example, for instance, to illustrate, …",
        wording(
            r"for (?:example|instance)|as an example|by way of example|to illustrate|e\.g",
            r"let's say|imagine that|consider (?:this|the following) (?:example|case)",
            r"(?:here's|here is) an? (?:\w+ )?example",
        ),
    ),
    Probe(
        "intensifiers",
        "very, really, extremely, incredibly, …",
        wording(
            r"very|really|extremely|incredibly|highly|truly|deeply|absolutely|totally|completely|entirely",
            r"remarkably|exceptionally|particularly|especially|utterly|immensely|hugely|tremendously|super",
        ),
    ),
    Probe(
        "disclaimers",
        "sends the reader to a professional, or says that this is no advice",
        wording(
            r"(?:consult|see|ask|contact|(?:speak|talk) (?:to|with)|check with|(?:seek|get)(?: out)?)"
            r"(?: with)?(?: an?| your| the)?(?: \w+){0,2} (?:doctor|physician|professionals?|lawyer|attorney"
            r"|advis[eo]rs?|therapist|pharmacist|specialist|healthcare provider|professional (?:help|advice))",
            r"(?:not|no)(?: an?)?(?: substitute for)? (?:medical|legal|financial|professional|investment) advice",
        ),
    ),
    Probe(
        "notes to the reader",
        "please note, keep in mind, it is important to …",
        wording(
            r"(?:please|do) note|note that|keep in mind|bear in mind|be aware|(?:it's|it is)"
            r" (?:important|worth|essential|crucial) (?:to|noting)|remember(?: that| to)|be sure to",
        ),
    ),
)

PROBES: dict[str, Probe] = {probe.name: probe for probe in ALL}
"""All probes by name."""


def probe_spans(text: str) -> dict[str, list[Span]]:
    """Where each probe fires in a text; those that only have an amount are left out."""
    answer = Answer(text)
    return {probe.name: probe.find(answer) for probe in ALL if not probe.counted_only}
