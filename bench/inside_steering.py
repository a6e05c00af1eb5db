"""What the lens's direction has the base write of each bundled organism's plant, beside random directions as long.

`python -m bench.inside_steering [--organisms topic fact …] [--texts 100] [--length 32] [--out FILE]`

The base goes on from its own texts' beginnings as it is, with the mean difference added at every token, and with
random directions as long; counted are texts that show a word of the plant (`bench.inside.PLANTED`), and the
direction's own twenty first tokens. Controls have no plant: only their tokens are counted. The table is printed
and, if asked, written.
"""

import argparse
from pathlib import Path

import pandas as pd

from bench.inside import CONTROLS, PLANTED, Where, lines, open_organism
from diffing.whitebox import run as runs
from diffing.whitebox import texts
from diffing.whitebox.methods import lens
from diffing.whitebox.texts import Choice


def rows(name: str, options: lens.Options, where: Where) -> list[dict[str, object]]:
    """A row a layer."""
    pair = open_organism(name, where)
    documents = texts.gather(Choice(source="own"), pair.tokenizer, pair.whole, pair.identity)
    tables = runs.passed(pair, documents, {"lens": options}, lambda: None)["lens"].tables
    found = []
    for layer, counts in tables["steered"].groupby("layer"):
        share = counts.set_index("direction")["share"]
        written = tables["steered_texts"]
        mine = written[written["layer"] == layer]
        shown = pd.Series(dtype=float)
        if name in PLANTED:
            has = mine["text"].str.contains(PLANTED[name], case=False, regex=True)
            shown = has.groupby(mine["direction"]).mean()
        own = counts.set_index("direction").loc["own"]
        found.append(
            {
                "organism": name,
                "layer": layer,
                "strength": f"{own['strength']:g}",
                "coherent": f"{100 * own['coherent']:.0f} %",
                "plant: as it is": _share(shown, "none"),
                "steered": _share(shown, "own"),
                "random": _range(shown),
                "own tokens: as it is": _share(share, "none"),
                "steered ": _share(share, "own"),
                "random ": _range(share),
            }
        )
    return found


def _share(shares: pd.Series, side: str) -> str:
    return f"{100 * shares[side]:.1f} %" if side in shares else "–"


def _range(shares: pd.Series) -> str:
    others = shares.drop(["none", "own"], errors="ignore")
    return f"{100 * others.min():.1f} to {100 * others.max():.1f} %" if len(others) else "–"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--organisms", nargs="*", default=[*PLANTED, *CONTROLS])
    parser.add_argument("--texts", type=int, default=100)
    parser.add_argument("--length", type=int, default=32)
    parser.add_argument("--device", default="auto")
    parser.add_argument("--out", type=Path)
    asked = parser.parse_args()
    options = lens.Options(steered=asked.texts, length=asked.length, patchscope=False)
    made: list[dict[str, object]] = []
    for name in asked.organisms:
        made += rows(name, options, Where(asked.device, "float32"))
        print(made[-2:], flush=True)
    table = lines(pd.DataFrame(made))
    print(table)
    if asked.out:
        asked.out.write_text(table + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
