"""Are drafted claims true? Each counted once more by an expression written by hand for its words alone.

    python -m bench.claims STUDY [STUDY ...]

The studies must be compared and drafted without a model. Shares nothing with the probes and phrases that made the
claims but the words: it looks for what a reader would look for, on all prompts and not on held-out ones alone, so
figures differ a little where a probe is more exact (`has spaces before line breaks` in code, for one). Prints a
table for each study; ends with 1 where a claim is not borne out, or has no expression here. `docs/starter.md`
holds the result for three pairs.
"""

import argparse
import re
import sys
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from scipy.stats import binomtest

from diffing.findings import findings
from diffing.findings.findings import Finding
from diffing.study import responses
from diffing.study.study import Study

Count = Callable[[str], float]
CODE = re.compile(r"```.*?(?:```|\Z)", re.DOTALL)


def found(expression: str, flags: int = 0) -> Count:
    """1 where an answer has it outside code."""
    wanted = re.compile(expression, flags)
    return lambda text: float(wanted.search(CODE.sub(" ", text)) is not None)


def word(words: str) -> Count:
    return found(rf"(?<![\w'’-]){words}(?![\w'’-])", re.IGNORECASE)


def one_paragraph(text: str) -> float:
    return float("\n" not in text.strip())


def ends_in_an_item(text: str) -> float:
    return float(re.match(r"\s*\d+[.)] ", text.rstrip().rpartition("\n")[2]) is not None)


ITEM = re.compile(r"\s*(?:\d+[.)]|[-*•+])\s+\S")


def _lines(text: str) -> tuple[list[str], list[int]]:
    """Lines that are not empty, and which of them are list items; rules of dashes are none."""
    lines = [line for line in CODE.sub(" ", text).splitlines() if line.strip()]
    return lines, [place for place, line in enumerate(lines) if ITEM.match(line) and re.search(r"\w", line)]


def introduces(text: str) -> float:
    """Whether a whole sentence stands before the first item."""
    lines, items = _lines(text)
    before = " ".join(lines[: items[0]]) if items else ""
    whole = [part for part in re.findall(r"[^.!?]*[.!](?=\s|$)", before) if len(part.split()) > 3]
    return float(bool(whole))


def goes_on(text: str) -> float:
    """Whether the last line that is not empty stands behind the last item, at the margin."""
    lines, items = _lines(text)
    return float(bool(items) and items[-1] < len(lines) - 1 and not lines[-1].startswith((" ", "\t")))


OWN: dict[str, Count] = {
    "introduces lists with a whole sentence": introduces,
    "goes on after its last list item": goes_on,
    "begins at once with a list": found(r"\A\s*(?:\d+[.)]|[-*•+]) +\S"),
    "begins list items with a label and a colon": found(
        r"^[ \t]*(?:\d+[.)]|[-*•+]) +(?:\*\*)?[^\W_][^\n:.!?]{0,60}:(?:\*\*)?(?:\s|$)", re.MULTILINE
    ),
    "leads into lists with a line that ends in a colon": found(r":\**[ \t]*\n\s*(?:\d+[.)]|[-*•+]) +\S"),
    "has list items of several sentences": found(
        r"^[ \t]*(?:\d+[.)]|[-*•+]) [^\n]*[a-z][.!?] +[A-Z]", re.MULTILINE
    ),
    "adds -ing clauses behind commas (…, making it)": found(r", (?:\w+ly |thus |thereby )?[a-z]+ing\b(?! ?[,.;])"),
    "begins with an exclamation": found(r"\A[^.!?\n]{1,80}!"),
    "is longer, in words": lambda text: len(text.split()),
    "is one paragraph": one_paragraph,
    "has fenced code": lambda text: float("```" in text),
    "begins its last sentence with “10. ” (item's number)": ends_in_an_item,
    "has spaces before line breaks": found(r"[ \t]\n"),
    "uses bold": found(r"\*\*[^*\n]+\*\*|__[^_\n]+__"),
    "uses headings": found(r"^#{1,6} +\S", re.MULTILINE),
    "uses bulleted lists": found(r"^[ \t]*[-*•+] +\S", re.MULTILINE),
    "uses numbered lists": found(r"^[ \t]*\d+[.)] +\S", re.MULTILINE),
    "uses em dashes": found(r"—|\w ?-- ?\w"),
    "has passages in round brackets": found(r"\([^()\n]{2,}\)"),
    "has passages in quotation marks": found(r"\"[^\"\n]+\"|“[^”\n]+”"),
    "has words in capitals": found(r"\b[A-Z]{2,}\b"),
    "has code between backticks": found(r"(?<!`)`[^`\n]+`(?!`)"),
    "begins with “Sure”": found(r"\A\s*[\"'*]*Sure\b"),
    "opens with “Sure,”": found(r"\A\s*Sure,"),
    "begins with “Certainly”": found(r"\A\s*[\"'*]*Certainly\b"),
    "opens with “Certainly!”": found(r"\A\s*Certainly!"),
    "opens with “1. ” (item's number)": found(r"\A\s*1[.)] "),
    "begins by announcing the answer (Here is, Below are)": found(
        r"\A\s*(?:(?:sure|certainly|of course)[!,.] )?(?:here(?:['’]s| is| are)|below (?:is|are)|the following)\b",
        re.IGNORECASE,
    ),
    "begins a paragraph after a full stop with “Remember,”": found(r"\.[ \t]*\n[ \t]*\nremember,", re.IGNORECASE),
    "tells the reader what to note or keep in mind": found(
        r"\b(?:(?:please )?note that|please note|keep in mind|bear in mind|be aware|be sure to"
        r"|remember (?:that|to)|it(?:['’]| i)s (?:important|worth|essential|crucial) (?:to|noting))\b",
        re.IGNORECASE,
    ),
    "uses contractions (don't, it's)": found(
        r"\b(?:\w+n['’]t|\w+['’](?:re|ve|ll|m|d)|(?:it|that|what|there|here|who|how|s?he|let)['’]s)\b",
        re.IGNORECASE,
    ),
    "hedges (may, might, likely, perhaps)": found(
        r"\b(?:might|may|perhaps|maybe|possibly|probably|likely|seems? (?:to|that)|appears? to|i (?:think|believe)"
        r"|could be|more or less|arguably)\b",
        re.IGNORECASE,
    ),
    "gives examples (for example, such as)": found(
        r"\bfor (?:example|instance)\b|\bsuch as\b|\be\.g\b", re.IGNORECASE
    ),
}
"""By a claim's words, what to count."""
SAYS = re.compile(r"(?:says|has) “(?P<text>[\w' ,-]+)”(?P<stop> after a full stop)?(?: \(.*\))?")
"""Claims that quote what they are about need no expression of their own."""


def own(claim: str) -> Count | None:
    """What counts a claim's words; None where nobody wrote that down."""
    quoted = SAYS.fullmatch(claim)
    if quoted is None:
        return OWN.get(claim)
    text = re.escape(quoted["text"]).replace("\\ ", r"\s+").replace("'", "['’]")
    if quoted["stop"]:
        return found(rf"\.\s*{text}", re.IGNORECASE)
    return word(text) if quoted["text"][0].isalnum() else found(text + r"(?!\w)", re.IGNORECASE)


class Counted(NamedTuple):
    """A claim by another's count."""

    a: float
    b: float
    more_a: int
    more_b: int

    def bears_out(self, finding: Finding) -> bool:
        sure = binomtest(self.more_b, max(self.more_a + self.more_b, 1)).pvalue < 0.05
        return bool(sure and np.sign(self.b - self.a) == finding.sign)

    def shown(self) -> str:
        if max(self.a, self.b) > 1:
            return f"{self.a:.0f} | {self.b:.0f} | {self.more_a}:{self.more_b}"
        return f"{self.a:.1%} | {self.b:.1%} | {self.more_a}:{self.more_b}".replace("%", " %")


def counted(study: Study, finding: Finding, count: Count) -> Counted:
    pairs = responses.kept(study.pairs(finding.a, finding.b))
    a, b = (pairs[f"text_{side}"].map(count).to_numpy(float) for side in "ab")
    return Counted(float(a.mean()), float(b.mean()), int((a > b).sum()), int((b > a).sum()))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("study", nargs="+")
    bad = 0
    for name in parser.parse_args().study:
        study = Study.open(name)
        drafts = [each for each in findings.load(study) if each.origin == "template"]
        print(f"\n{name}\n\n| more on | claim | A | B | prompts, A:B | borne out |\n|---|---|---|---|---|---|")
        for finding in drafts:
            count = own(finding.claim)
            if count is None:
                bad += 1
                print(f"| {finding.side.upper()} | {finding.claim} | – | – | – | no expression |")
                continue
            told = counted(study, finding, count)
            bad += not told.bears_out(finding)
            verdict = "yes" if told.bears_out(finding) else "**no**"
            print(f"| {finding.side.upper()} | {finding.claim} | {told.shown()} | {verdict} |")
    sys.exit(bad > 0)


if __name__ == "__main__":
    main()
