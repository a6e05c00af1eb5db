"""A study whose held-out pairs a judge has judged, and a person who counts."""

from collections.abc import Callable, Sequence

from diffing.common import files, jsonl
from diffing.findings import findings, judging
from diffing.findings.people import Question, Said
from diffing.study.study import Study
from tests.fakes import kept
from tests.fakes.answers import study_of

NAME = "s"
CLAIMS = ("mentions cake", "mentions tea")


def make(prompts: int = 60, claims: Sequence[str] = CLAIMS, wrong: int = 5, draws: int = 1) -> Study:
    """Each word turns up on either side by number; the judge is wrong about every so manyth pair, 0 for never."""

    def made() -> None:
        texts = {
            side: [[text(side, number + 7 * draw) for draw in range(draws)] for number in range(prompts)]
            for side in "ab"
        }
        study = study_of(texts, NAME)
        for claim in claims:
            findings.add(study, claim, "b", author="test")
        judge(study, claims, lambda number, truth: erring(number, truth, wrong))

    kept.copied(made, "judged", prompts, *claims, wrong, draws)
    return Study.open(NAME)


def erring(number: int, truth: int, wrong: int) -> int:
    return (truth + 2) % 3 - 1 if wrong and number % wrong == 0 else truth


def text(side: str, number: int) -> str:
    """Cake is in two of five answers of B and one of five of A, tea in one of three of A and one of six of B."""
    cake, tea = (number % 5 in (0, 1), number % 6 == 0) if side == "b" else (number % 5 in (1,), number % 3 == 0)
    return " ".join(["plain"] + ["cake"] * cake + ["tea"] * tea) + f" {side}{number}"


def judge(
    study: Study, claims: Sequence[str], said: Callable[[int, int], int], name: str = "judge", within: bool = False
) -> None:
    """Verdicts in both orders on all pairs, from the pair's number and the truth."""
    for number, pair in enumerate(judging.pairs(study, "a", "b", within=within)):
        verdicts = [
            {
                "claim": findings.wording(claim),
                "pick": said(number, count(claim, pair.right) - count(claim, pair.left)),
                "left": count(claim, pair.left) > 0,
                "right": count(claim, pair.right) > 0,
            }
            for claim in claims
        ]
        for order in (0, 1):
            line = {"version": judging.VERSION, "judge": name, "date": files.now(), "pair": pair.key}
            line |= {"kind": pair.kind, "prompt_id": pair.prompt_id, "draw": pair.draw, "order": order}
            line |= {"verdicts": verdicts, "error": "", "cost": 0.0, "tokens_in": 1, "tokens_out": 1}
            jsonl.append(judging.path_of(study), line)


def count(claim: str, answer: str) -> int:
    return answer.split().count(claim.split()[-1])


def seen(question: Question) -> Said:
    """What a person says who counts the word."""
    left, right = count(question.claim, question.left), count(question.claim, question.right)
    if left == right:
        return "both" if left else "neither"
    return "left" if left > right else "right"
