"""What came of a gate, as a person reads it: plain text, and a block of Markdown for a pull request.

Promises that both say the verdict first, and that no name or answer from outside becomes markup. JSON, JUnit and
SARIF are for programs and stand in `forms`.
"""

import shlex
from collections.abc import Sequence

from diffing.common.escape import md, visible
from diffing.common.words import ab, count, interval, points, small
from diffing.gate import power
from diffing.gate.allowed import Absent
from diffing.gate.check import Checked, Judged
from diffing.gate.expression import USUAL
from diffing.gate.items import Item
from diffing.study.channels import CALLED

FILES = ("gate.sarif", "gate.xml", "gate.json")
"""What the command of a pipeline writes besides what it prints."""
SHOWN = 20
"""Rows of a table in a comment: what is read at one sitting. The text and the files have all."""


def sentence(found: Checked) -> str:
    """The verdict in one sentence."""
    named = f"from {found.names[0]} (A) to {found.names[-1]} (B)"
    if found.series:
        named = f"along {count(len(found.series), 'checkpoint')}, from {found.names[0]} to {found.names[-1]}"
    if (channel := found.options.channel) and channel != "text":
        named = f"in the {CALLED[channel]} {named}"
    on = f"on {count(found.prompts, 'prompt')}"
    if found.changed:
        return f"Changed {named}: {count(len(found.changed), 'change')} that nothing allows, {on}."
    if found.verdict == "changed":
        return f"Changed {named}: {count(len(found.absent), 'expected change')} did not come, {on}."
    if found.verdict == "passed":
        let = len(found.by("expected")) + len(found.by("as before"))
        but = f" but {count(let, 'change')} that was expected or there before" if let == 1 else ""
        but = f" but {let:,} changes that were expected or there before" if let > 1 else but
        return f"Passed {named}: nothing changed{but}, {on}."
    return f"Cannot tell {named}: {on} {why_not(found)}"


def why_not(found: Checked) -> str:
    """Why one cannot tell, as the end of a sentence, with how many prompts it would take."""
    asked = f"a change of {100 * found.size:g} points"
    lacking = [each for each in found.powers if not each.enough]
    if found.by("unsure") and power.enough(found.powers):
        many = count(len(found.by("unsure")), "change")
        return f"{many} may be more than the baseline's or just that; ask more prompts of both studies."
    known = [each.needed for each in lacking if each.needed is not None]
    own = [each.needed for each in lacking if each.what in power.ASKED]
    if not known or None in own:
        return f"{asked} would mostly have gone unseen, and more than 20 times as many would be needed."
    # Any built-in table will do, and each own probe and measure.
    enough = max([need for need in own if need is not None] or [min(known)])
    return f"{asked} would mostly have gone unseen; it takes about {enough:,} prompts."


def figures(item: Item) -> str:
    """Both sides' figures, short."""
    if item.share_a != item.share_a:
        return "–"
    if item.kind == "amount":
        return f"{item.share_a:,.1f} → {item.share_b:,.1f}"
    if item.kind == "place":
        return f"at {ab(item.share_a, item.share_b)} of the answer"
    return ab(item.share_a, item.share_b)


def who(found: Checked, item: Item) -> str:
    """Who has more of a thing; in a series from where on."""
    if not found.series:
        return f"{item.direction} more"
    way = "more" if item.direction == "B" else "less"
    return f"from {found.called(item.at)} on {way}" if item.at else f"steadily {way}"


def kind(item: Item) -> str:
    return f"{item.what} by the reader's features alone" if item.by == "feature" else item.what


def difference(item: Item) -> str:
    """Their difference with its interval."""
    if item.kind == "amount":
        # Kept as shares of the mean of both sides; people think in the thing itself.
        mean = (item.share_a + item.share_b) / 2
        middle, low, high = (
            f"{mean * end:+,.1f}".replace("-", "−") for end in (item.delta, item.ci_low, item.ci_high)
        )
        return f"{middle} [{low} to {high}]"
    return f"{points(item.delta)} points [{interval(item.ci_low, item.ci_high)}]"


def headings(found: Checked) -> list[tuple[str, Sequence[Judged]]]:
    """What is told, in order: what failed, what is not sure, what was let pass."""
    return [
        ("Changed", found.changed),
        ("Changed, and perhaps no more than in the baseline", found.by("unsure")),
        ("Expected, and came", found.by("expected")),
        ("As in the baseline", found.by("as before")),
    ]


def text(found: Checked) -> str:
    """For a terminal or a log."""
    lines = [sentence(found)]
    for title, some in headings(found):
        lines += [f"\n{title}:"] * bool(some)
        for each in some:
            item = each.item
            row = f"  {who(found, item)}: {item.name} ({kind(item)}), {figures(item)}, {difference(item)}"
            lines.append(f"{row}, q = {small(item.q)}{f'; {each.why}' if each.why else ''}")
            # The probe that a behaviour is measured by says the same once more.
            parts = [part.item.name for part in found.parts(each) if part.item.name != item.name]
            lines += [f"      with it: {', '.join(parts)}"] * bool(parts)
    lines += ["\nExpected, and did not come:"] * bool(found.absent)
    lines += [f"  {absent(each)}" for each in found.absent]
    lines += [f"  {change.called}: expected until {change.expires} only; take it out." for change in found.expired]
    lines += ["", f"Rule: {found.options.fail_on}", f"Looked for changes of {100 * found.size:g} points:"]
    lines += [f"  {each.sentence}" for each in found.powers]
    return "".join(f"{visible(line)}\n" for part in lines for line in part.split("\n"))


def absent(each: Absent) -> str:
    note = f" ({each.change.note})" if each.change.note else ""
    return f"{each.change.called}, more on {each.change.direction}, {each.change.range}{note}: {each.why}"


MARK = {"passed": "✅", "changed": "❌", "cannot tell": "⚠️"}


def markdown(found: Checked) -> str:
    """For a pull request."""
    lines = [f"### {MARK[found.verdict]} Checkpoint diff: {found.verdict}", "", md(sentence(found)), ""]
    for title, some in headings(found):
        if some:
            head = "where | what | before → after | change" if found.series else "more on | what | A → B | B − A"
            lines += [f"#### {title}", "", f"| {head} | q |", "|---|---|---|---|---|"]
            lines += [_cells(found, each) for each in some[:SHOWN]]
            lines += [f"\nand {len(some) - SHOWN:,} more"] * (len(some) > SHOWN) + [""]
    if found.absent:
        lines += ["#### Expected, and did not come", "", *(f"- {md(absent(each))}" for each in found.absent), ""]
    if found.expired:
        lines += [f"- {md(each.called)}: expected until {each.expires} only" for each in found.expired] + [""]
    rule = visible(found.options.fail_on).replace("`", "'")
    lines += ["<details><summary>Rule, and what would have been seen</summary>", "", f"`{rule}`", ""]
    lines += [f"- {md(each.sentence)}" for each in found.powers]
    lines += ["", f"Reader {md(found.reader)}, seed {found.seed}.", "", "</details>", ""]
    return "\n".join(lines)


def _cells(found: Checked, each: Judged) -> str:
    item = each.item
    parts = sum(part.item.name != item.name for part in found.parts(each))
    what = item.name + (f" (and {count(parts, 'part')} of it)" if parts else "")
    what += f"; {each.why}" if each.why else ""
    cells = (
        who(found, item) if found.series else item.direction,
        what,
        figures(item),
        difference(item),
        small(item.q),
    )
    return f"| {' | '.join(md(cell) for cell in cells)} |"


def command(found: Checked, allow: str = "") -> str:
    """The command line that holds the same against the same rule; `allow` is what the file of expected changes is
    called."""
    told = found.options
    words = ["python", "-m", "diffing", "check", found.study]
    if found.series:
        words += ["--series"] if not told.checkpoints else ["--checkpoints", told.checkpoints]
    else:
        words += ["--a", found.a, "--b", found.b]
    words += ["--fail-on", told.fail_on] if told.fail_on != USUAL else []
    words += ["--size", f"{told.size:g}"] if told.size else []
    words += ["--baseline", told.baseline] if told.baseline else []
    words += ["--allow", allow or told.allow] if allow or told.allow else []
    words += ["--strict"] if told.strict else []
    words += [word for name in FILES for word in ("--output", name)]
    return shlex.join(words)
