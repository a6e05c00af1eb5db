"""How often a judge of the benchmark grades as it should: `python -m bench.judge_error --judge PROVIDER:MODEL`.

Sixty claims beside the truth, each put to it in both orders: 120 calls of some 500 tokens, or more where a reply
cannot be read. Prints agreement with the labels, which one AI engineer wrote and no person, with Wilson's 95 %
intervals, by what is hard about a pair, and every pair on which they differ. Needs `make extras`.
"""

import argparse
import asyncio

from diffing.agents.benchmark import asked, judge_error
from diffing.agents.benchmark.judge_error import Error, Said


def rows(said: list[Said]) -> list[tuple[str, Error]]:
    """All of them, then kind by kind."""
    kinds = dict.fromkeys(each.pair.kind for each in said)
    parts = [(kind, judge_error.error([each for each in said if each.pair.kind == kind])) for kind in kinds]
    return [("all", judge_error.error(said)), *parts]


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--judge", required=True, help="PROVIDER:MODEL or URL#MODEL.")
    told = options.parse_args()
    said = asyncio.run(judge_error.ask(asked.model(told.judge).model, judge_error.pairs()))
    print(f"{told.judge}. {judge_error.LABELLED}\n")
    print("| pairs | the very grade | true or not | one grade off at most | higher by | order mattered | unread |")
    print("|---|---|---|---|---|---|---|")
    for name, found in rows(said):
        shares = " | ".join(each.words for each in (found.same, found.side, found.near))
        print(f"| {name} | {shares} | {found.over:+.2f} | {found.torn.words} | {found.unjudged} |")
    print()
    for each in said:
        if each.grade != each.pair.grade and not each.judged.unjudged:
            print(f"{each.pair.grade} → {each.grade}  {each.pair.organism}: {each.pair.claim.said}")
            print(f"       {each.pair.reason}")


if __name__ == "__main__":
    main()
