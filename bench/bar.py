"""Which bar of presence to take: `python -m bench.bar STUDY …`, of studies that are encoded.

Takes the features that fall on something countable (at least half of their active tokens near one surface probe,
and four times as many as chance) and asks of each bar how exactly an answer that shows the feature is an answer
that has the thing, as a label's words would promise. Beside that stands what is still found.
"""

import argparse
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

from diffing.common.arrays import Array, Bools, Ints
from diffing.diff import measure, pairing, presence
from diffing.diff.presence import Shown
from diffing.probes import near, scan
from diffing.probes.near import Nearest
from diffing.reader import firing
from diffing.reader.encodings import Encodings
from diffing.study import responses
from diffing.study.study import Study

BARS = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6)
SHARE, TIMES, TOKENS = 0.5, 4.0, 30
"""Of a feature's active tokens so many must lie near the probe, so many times chance, and it must have so many."""


def tied(nearest: Nearest) -> tuple[Ints, Ints]:
    """Features that fall on a probe, and which one."""
    share, chance, tokens = (part.to_numpy() for part in (nearest.share, nearest.chance, nearest.tokens))
    close = (share >= SHARE) & (share >= TIMES * chance) & (tokens[:, None] >= TOKENS)
    features = np.flatnonzero(close.any(axis=1))
    return features, np.where(close, share, 0)[features].argmax(axis=1)


def showing(shown: Shown, documents: Ints, features: Ints) -> Bools:
    """Documents x some features."""
    column = np.full(shown.n_features, -1)
    column[features] = np.arange(len(features))
    table = np.zeros((len(documents), len(features)), dtype=bool)
    for row, document in enumerate(documents.tolist()):
        place = column[shown.document(document).feature]
        table[row, place[place >= 0]] = True
    return table


def table(name: str) -> list[list[Any]]:
    """A row a bar; means are over probes, each of the mean over its features."""
    study = Study.open(name)
    encodings = Encodings.open(study)
    pairs = pairing.pair(study, encodings.documents, *study.sides("", ""))
    documents = np.unique(np.concatenate([pairs.a, pairs.b]))
    scanned = scan.scan(responses.texts(study.responses(), encodings.documents.loc[documents]))
    everything = list(range(encodings.n_features))
    fires = firing.active(encodings, everything, documents.tolist())
    features, probe = tied(near.compare(fires, everything, scanned))
    counted = presence.as_features(scanned, fires.tokens)
    has = showing(counted, np.arange(len(documents)), np.arange(len(scan.PRESENCE)))[:, probe]
    rows = []
    for bar in BARS:
        shown = presence.shown(encodings, documents, 0.0, bar)
        found, _ = measure.table(shown, pairs)
        shows = showing(shown, documents, features)
        both = np.sum(shows & has, axis=0)
        shares = [
            both / np.maximum(shows.sum(axis=0), 1),
            both / np.maximum(has.sum(axis=0), 1),
            2 * both / np.maximum(shows.sum(axis=0) + has.sum(axis=0), 1),
        ]
        survive = int(found["survives_equal_length"].fillna(False).sum())
        rows.append([bar, int((found["q"] < measure.LEVEL).sum()), survive, *(_mean(s, probe) for s in shares)])
    return rows


def _mean(values: Array, probe: Ints) -> float:
    return float(np.mean([values[probe == one].mean() for one in np.unique(probe)]))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("studies", nargs="+")
    print("study | bar | differ | survive | precision | recall | F1")
    print(*["---"] * 7, sep="|")
    for name in parser.parse_args().studies:
        with threadpool_limits(1):
            for bar, differ, survive, *shares in table(name):
                cells = [f"{share:.2f}" for share in shares]
                print(name, bar, f"{differ:,}", survive, *cells, sep=" | ", flush=True)


if __name__ == "__main__":
    main()
