"""Whether the first latents of a difference dictionary show what was planted in a bundled organism.

Called by `bench.dictionary_truth --organism NAME …`, one process for each organism. Both models write the texts,
half of them each, from nothing on; dictionaries are trained on the pair with two seeds and, in the same way, on
each of its nulls (both controls, a control against the other, and the change turned at random twice); latents
are judged on texts of other seeds. A rule that was written before any latent was looked at says whether one
shows the plant: of the texts in which it fires most, at least half hold a planted word within a few tokens of
where it fires, and many more than random places of the same texts do. The first ten are those of the exclusive
ones that come first in the table of verdicts, whose order looks at no text. A control has nothing planted: there,
every latent that is called real is false, and what latents seem to show of the other plants is told by the plant
of which that is most.
"""

import argparse
import json
import re
import time
from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import torch
from scipy import stats

import bench.absent  # noqa: F401 - stands in for packages before the engine names them
from bench.inside import CONTROLS, GONE, PLANTED, SEEDS, Where, null_of, open_organism, turned
from diffing.whitebox import texts
from diffing.whitebox.activations.corpus import Corpus
from diffing.whitebox.activations.source import Passes
from diffing.whitebox.activations.stream import Options as Flowing
from diffing.whitebox.activations.stream import Stream
from diffing.whitebox.dictionaries import judge, verdict
from diffing.whitebox.dictionaries.dictionary import Dictionary
from diffing.whitebox.dictionaries.judge import PAIR, Trained
from diffing.whitebox.dictionaries.shape import Scale
from diffing.whitebox.dictionaries.training import Options, Place, train
from diffing.whitebox.pairs.pair import Pair
from diffing.whitebox.texts import Document

LAYER = 5
"""Of eight: two thirds up, where a model has settled what it will say and not yet how."""
LENGTH = 64
FIRST = 10
"""Latents that are read."""
READ, AROUND = 20, 3
"""Texts in which a latent fires most, and tokens on either side of where it does."""
HALF, CHANCE = 0.5, 1e-3
"""Share of these that hold a planted word, and how seldom random places would hold so many."""
WORDS = PLANTED | {"removal": f"{PLANTED['removal']}|{GONE['removal']}"}
"""Where something was taken out, latents fire where the base has it."""


class Asked(NamedTuple):
    """How an organism is tried."""

    tokens: int
    judged: int
    kind: str
    latents: int
    k: float
    most: int
    out: Path


def written(pair: Pair, tokens: int, seed: int) -> list[Document]:
    """Texts of both models, half of the tokens each."""
    first = pair.tokenizer.bos_token_id
    count = -(-tokens // (2 * LENGTH))
    rows: list[list[int]] = []
    with pair.base() as whole:
        rows += texts.sampled(whole, [[first]], count, LENGTH, seed)
    with pair.variant() as whole:
        rows += texts.sampled(whole, [[first]], count, LENGTH, seed + 1)
    special = set(pair.tokenizer.all_special_ids)
    parts = [(row, *texts.between(row, special)) for row in rows]
    return [
        Document(f"{seed} {n}", tuple(row[:stop]), start, stop, "own", False)
        for n, (row, start, stop) in enumerate(parts)
        if start < stop
    ]


def learnt(pair: Pair, documents: Sequence[Document], seed: int, place: Path, asked: Asked) -> Dictionary:
    """A dictionary of a pair, on the pair's device."""
    options = Options.model_validate(
        {"kind": asked.kind, "latents": asked.latents, "k": asked.k, "seed": seed, "minutes": 60}
    )
    source = Passes(pair, Corpus(documents), [LAYER])
    # A tiny trial takes some steps too.
    flowing = Flowing(batch=min(2048, max(64, asked.tokens // 200)), buffer=131_072, seed=seed)
    stream = Stream(source, flowing, pair.device)
    shape = options.shape(source.width)
    norms = stream.norms["text"]
    if shape.sides == 2:
        scale = Scale(norms.mean[0], 1 / norms.rms[0])
    else:
        mean = (norms.mean[0, 1] - norms.mean[0, 0])[None]
        scale = Scale(mean, 1 / norms.difference[0][None])
    steps = -(-stream.rows // flowing.batch)
    return train(stream, steps, scale, options, Place(place), pair.device)


def opened(name: str, documents: Sequence[Document]) -> dict[str, Any]:
    """The nulls of an organism: both controls, of a control the other, and its change turned at random."""
    found = [null_of(control) for control in CONTROLS if control != name]
    found += [turned(seed, documents) for seed in SEEDS]
    return {null.name: null.open for null in found}


def shows(
    latent: int, fired: pd.DataFrame, documents: Sequence[Document], pair: Pair, words: str, usual: float
) -> dict[str, Any]:
    """Whether the texts in which a latent fires most hold planted words where it fires."""
    mine = fired[fired["latent"] == latent].sort_values("value", ascending=False, kind="stable")
    top = mine.drop_duplicates("document").head(READ)
    said = [window(documents[d].ids, p, pair) for d, p in zip(top["document"], top["position"], strict=True)]
    hits = sum(re.search(words, text, re.IGNORECASE) is not None for text in said)
    p = float(stats.binomtest(hits, len(said), usual, "greater").pvalue) if said else 1.0
    planted = bool(said) and hits >= HALF * len(said) and p < CHANCE
    return {"planted": planted, "holds": hits, "texts": len(said), "passages": said[:4]}


def window(ids: Sequence[int], position: int, pair: Pair) -> str:
    return str(pair.tokenizer.decode(list(ids[max(1, position - AROUND) : position + AROUND + 1])))


def usual_share(documents: Sequence[Document], pair: Pair, words: str) -> float:
    """Share of random places around which planted words stand."""
    draws = np.random.default_rng(0)
    places = [(document, int(draws.integers(1, len(document.ids)))) for document in documents for _ in range(2)]
    hits = [re.search(words, window(d.ids, p, pair), re.IGNORECASE) is not None for d, p in places]
    return float(np.mean(hits))


def firings(dictionary: Dictionary, pair: Pair, documents: Sequence[Document]) -> pd.DataFrame:
    source = Passes(pair, Corpus(documents), [LAYER])
    parts = []
    for block in source.read(range(len(documents)), lambda: None):
        found = dictionary.encode(block.values[:, 0])
        row = found.row.cpu()
        columns = {"document": block.document[row], "position": block.position[row], "latent": found.latent.cpu()}
        parts.append(pd.DataFrame({name: column.numpy() for name, column in columns.items()}))
        parts[-1]["value"] = found.value.float().cpu().numpy()
    table = pd.concat(parts)
    return table[table["position"] > 0]


def organism(name: str, asked: Asked) -> dict[str, Any]:
    """One organism from its texts to its first latents."""
    began = time.perf_counter()
    device = "cuda" if torch.cuda.is_available() else "cpu"
    # A larger batch writes other texts, and a GPU writes a thousand as fast as one.
    texts.BATCH = 2048 if device == "cuda" else 256
    pair = open_organism(name, Where(device, "float32"))
    documents, fresh = written(pair, asked.tokens, 0), written(pair, asked.judged, 1000)
    took = {"texts": time.perf_counter() - began}
    nulls = opened(name, fresh[:512])
    folder, trained = asked.out / name, {}
    for null, enter in {PAIR: nullcontext, **nulls}.items():
        with enter(pair) as other:
            seeds = (0, 1) if null == PAIR else (0,)
            found = [learnt(other, documents, seed, folder / f"{null}-{seed}", asked) for seed in seeds]
        trained[null] = Trained(*found)
        took[f"train {null}"] = time.perf_counter() - began - sum(took.values())
    options = judge.Options(most=asked.most)

    def tell(line: str) -> None:
        print(f"{name}, {time.perf_counter() - began:.0f} s: {line}", flush=True)

    told = judge.judge(pair, nulls, fresh, LAYER, trained, options, tell=tell)
    verdict.save(folder / f"{PAIR}-0", told.judged)
    took["judge"] = time.perf_counter() - began - sum(took.values())
    plants = {name: WORDS[name]} if name in WORDS else WORDS
    usual = {plant: usual_share(fresh, pair, words) for plant, words in plants.items()}
    fired = firings(trained[PAIR].first, pair, fresh)
    found = told.judged
    first = found[found["exclusive"] != ""].head(FIRST)
    real = found[found["verdict"] == verdict.REAL]
    keep = ["latent", "exclusive", "verdict", "frequency", "nu", "amount", "shown", "cosine", "together"]
    keep += ["effect", "effect_low", "null_effect", "null_apart", "strength", "p_latents", "p_directions"]
    keep += ["raises"]

    def read(table: pd.DataFrame) -> list[dict[str, Any]]:
        seen = {
            plant: [shows(int(n), fired, fresh, pair, words, usual[plant]) for n in table["latent"]]
            for plant, words in plants.items()
        }
        most = max(seen.values(), key=lambda rows: sum(row["planted"] for row in rows))
        told = [{column: plain(row[column]) for column in keep} for _, row in table.iterrows()]
        return [one | shown for one, shown in zip(told, most, strict=True)]

    result = {
        "organism": name,
        "asked": {name: value for name, value in asked._asdict().items() if name != "out"},
        "device": torch.cuda.get_device_name() if device == "cuda" else "cpu",
        "usual": usual,
        "verdicts": dict(verdict.said(found)),
        "counts": told.counts.to_dict("records"),
        "exclusive_stable": int(((found["exclusive"] != "") & found["stable"]).sum()),
        "real": len(real),
        "real_exclusive": int((real["exclusive"] != "").sum()),
        "first_exclusive": read(first),
        "first_real": read(real.head(FIRST)),
        "null_effects": {null: verdict.strongest(table) for null, table in told.nulls.items()},
        "seconds": took | {"all": time.perf_counter() - began},
    }
    asked.out.mkdir(parents=True, exist_ok=True)
    (asked.out / f"{name}.json").write_text(json.dumps(result, indent=1, ensure_ascii=False, default=str))
    return result


def plain(value: Any) -> Any:
    return round(float(value), 4) if isinstance(value, float | np.floating) else str(value)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("organism")
    parser.add_argument("--tokens", type=int, default=2_000_000)
    parser.add_argument("--judged", type=int, default=65_536, help="tokens that latents are judged on")
    parser.add_argument("--kind", default="difference", choices=["difference", "crosscoder"])
    parser.add_argument("--latents", type=int, default=2048)
    parser.add_argument("--k", type=float, default=16)
    parser.add_argument(
        "--most", type=int, default=40, help="latents of a dictionary that are tried in the models"
    )
    parser.add_argument("--out", type=Path, default=Path("bench-dictionaries"))
    told = parser.parse_args()
    organism(told.organism, Asked(told.tokens, told.judged, told.kind, told.latents, told.k, told.most, told.out))


if __name__ == "__main__":
    main()
