"""What changed, as every command says it: whom it is about, the sentence, and the list."""

from typing import TYPE_CHECKING

from diffing.cli.terminal import paragraph, say, show

if TYPE_CHECKING:
    from diffing.diff.answer import Behaviour
    from diffing.diff.stored import Diff
    from diffing.study.study import Study


def answer(study: "Study", stored: "Diff", every: bool = False) -> None:
    """The sentence and the list; with `every` what only features tell of, and the figures behind each row too."""
    from diffing.common import words
    from diffing.diff import agreement, blocks
    from diffing.diff import answer as answers
    from diffing.labels import called
    from diffing.study import plain

    say(f"A is {study.checkpoint(stored.a).name}, B is {study.checkpoint(stored.b).name}.")
    if made := plain.note(study, stored.a, stored.b):
        paragraph(made)
    paragraph(answers.sentence(stored))
    if stored.older:
        return
    found = called.behaviours(study, stored)
    parted = blocks.of(found)
    others = agreement.beside(study, stored)
    readers = [agreement.name(each) for each in (stored, *others)] if others else []
    sure = [*parted.confirmed, *parted.by_features] if every else parted.confirmed
    doubtful = parted.rest if every else parted.told
    row = _whole if every else _short
    if sure:
        say("Confirmed on new prompts, by which nothing had been chosen:")
        show([row(each) | _seen(each, readers) for each in sure])
    if doubtful:
        say("Not confirmed on new prompts, or may be length alone:")
        show([row(each) | {"why not": blocks.WHY[each.confirmed]} | _seen(each, readers) for each in doubtful])
    if not sure and not doubtful:
        return
    last = " q is of an exact test on new prompts, corrected." if every else ""
    paragraph(f"Shares of answers to new prompts, with 95 % intervals; of words their mean.{last}")
    if others:
        paragraph(
            f"Read by {' and '.join(readers)}. A reader sees what moves features of its own on the same pairs of "
            "answers; “–” is what is counted in the text alone."
        )
    left = len(parted.by_features)
    if left and not every:
        told = words.count(left, "more difference")
        paragraph(f"{told} that only features tell of: 'answer {study.name} --all' lists all there is.")


def _short(each: "Behaviour") -> dict[str, str]:
    beside = "".join(f"\n  with it: {other.told}" for other in each.beside)
    return {
        "more": _side(each),
        "what": f"{_name(each)}{beside}",
        "A → B": each.figures,
        "B − A": each.told,
    }


def _side(each: "Behaviour") -> str:
    """Who shows more of it; of a length that is about the same, nobody."""
    return "–" if each.kind == "amount" and each.confirmed != "yes" else each.direction


def _name(each: "Behaviour") -> str:
    if each.kind == "amount":
        return f"is {each.rest}, in words" if each.confirmed == "yes" else "length in words"
    return each.rest if each.author else each.name


def _whole(each: "Behaviour") -> dict[str, str]:
    from diffing.common import words

    return {
        "more": _side(each),
        "what": _name(each),
        "A → B": each.figures,
        "B − A": each.told,
        "q": "–" if each.q != each.q else words.small(each.q),
        "at equal length": "–" if each.survives_length is None else words.yes(each.survives_length),
    }


def _seen(each: "Behaviour", readers: list[str]) -> dict[str, str]:
    """Which readers' features see it, where there are several."""
    if not readers:
        return {}
    column = "both readers" if len(readers) == 2 else "readers"
    whose = "yes" if len(each.readers) == len(readers) else ", ".join(each.readers) or "–"
    return {column: whose}
