"""The diff of two checkpoints: tables of features, surface probes and phrases, and what stands beside them.

Stored as `diffs/<hash>/` in the study, where the hash is of the two keys, the reader and the settings. Promises
that a folder holds all its files or does not exist, and that a diff knows when the answers or encodings it was
made from have changed. The arithmetic is in `measure`, `groups`, `families`, `separability`, `noise`, `shrinkage`,
`anything` and `evalues`; `stored` opens what is written here.
"""

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from threadpoolctl import threadpool_limits

from diffing.common import files, stats, who
from diffing.common.arrays import Floats, Ints
from diffing.common.aside import Aside
from diffing.common.errors import UserError
from diffing.common.step import Progress, Result
from diffing.diff import (
    anything,
    behaviours,
    changes,
    evalues,
    families,
    groups,
    measure,
    noise,
    pairing,
    phrases,
    presence,
    sampling,
    separability,
    shrinkage,
    summary,
    tally,
)
from diffing.diff.pairing import Pairing
from diffing.diff.presence import Flat, Shown
from diffing.diff.stored import METHOD, Diff, DiffSettings, folder_of, inputs_now, load, up_to_date
from diffing.probes import near, scan
from diffing.reader import firing
from diffing.reader.encodings import Encodings
from diffing.study import channels, responses
from diffing.study.channels import Channel
from diffing.study.settings import ReaderChoice
from diffing.study.study import Study

TABLES = ("features", "probes", "phrases", "habits", "behaviours", "changes", "categories", "noise")
BLOCK = 2000
"""Answers whose probes are counted at a time, where not all texts are in memory at once."""
ASIDE = 500
"""Answers that make a second process worth its start, and the copying of its result. Chosen by eye."""


def current(study: Study, a: str, b: str, settings: DiffSettings | None = None) -> Diff:
    """The stored diff, computed first where it is missing or older than what it is made from."""
    return up_to_date(study, a, b, settings) or compute(study, a, b, settings)


class Unseen(NamedTuple):
    """What needs none of the features' counts, and so can be made beside them."""

    scanned: scan.Scan
    probes: pd.DataFrame
    said: phrases.Tested
    ties: families.Ties


class Options(DiffSettings):
    """What one run of `diff` is told: whom to compare, and the settings."""

    a: str = ""
    b: str = ""
    """Checkpoints; the study's first two unless named."""
    reader: ReaderChoice | None = None
    """Whose encodings; None takes the study's own reader. Another one's diff is stored beside."""
    channel: Channel | None = None
    """What of the answers is compared; None is their text."""


def run(study: Study, options: Options, progress: Progress) -> Result:
    """The job: compute the diff and store it."""
    study = study.read_by(options.reader or study.settings.reader).through(options.channel or study.channel)
    settings = DiffSettings(**options.model_dump(exclude={"a", "b", "reader", "channel"}))

    def tell(done: int, total: int, note: str) -> None:
        progress.check()
        progress.update(done, total, "steps", note=note)

    computed = compute(study, *study.sides(options.a, options.b), settings, tell)
    kept = ("pairs", "prompts", "tested", "differing", "families", "separability", "smallest_detectable")
    return {"diff": computed.folder.name, **{name: computed.summary[name] for name in kept}}


def compute(
    study: Study,
    a: str,
    b: str,
    settings: DiffSettings | None = None,
    tell: Callable[[int, int, str], None] = lambda _done, _total, _note: None,
) -> Diff:
    """Compute the diff of A and B and store it in place of an earlier one of the same settings."""
    who.needs_editor()
    if a == b:
        raise UserError(f"'{a}' cannot be compared with itself; name two checkpoints.")
    settings = settings or DiffSettings()
    # Before anything is read: what changes meanwhile makes the diff outdated, and not falsely current. Kept, so
    # that whoever looks at the diff need not read all answers to know that it is true.
    inputs = inputs_now(study)
    encodings = Encodings.open(study)
    shared = None
    if study.channel != "text":
        shared = channels.shared(study.pairs(a, b), study.channel, study.name)
    tables, facts = measured(study, encodings, a, b, settings, tell)
    facts |= {"inputs": inputs, "created": files.now()}
    if shared is not None:
        facts["channel"] = shared._asdict()
    folder = folder_of(study, a, b, settings)
    with files.fresh_folder(folder.parent, ".new-") as fresh:
        for name in TABLES:
            files.write_parquet(fresh / f"{name}.parquet", tables[name])
        files.write_json(fresh / "summary.json", summary.plain(facts), seal=True)
        files.put_folder(fresh, folder)
    return load(study, a, b, settings)


def measured(
    study: Study,
    encodings: Encodings,
    a: str,
    b: str,
    settings: DiffSettings,
    tell: Callable[[int, int, str], None],
) -> tuple[dict[str, pd.DataFrame], dict[str, Any]]:
    """All tables and the summary, in memory."""
    seed = study.settings.seed
    tell(0, 8, "pairing answers")
    pairs = pairing.pair(study, encodings.documents, a, b)
    documents = pairs.documents
    # What is looked at word by word: all of it, or a sample.
    some = sampling.of(pairs, encodings.held, settings.memory, seed)
    read, renumbered = some.documents, some.renumbered
    whole = documents[encodings.held[documents]]
    answers = responses.Texts(study.responses(), encodings.documents.loc[documents])
    texts = answers.of(np.searchsorted(documents, read))

    def unseen() -> Unseen:
        """Done aside; as long as the counting of features at 1,000 prompts (`docs/performance.md`)."""
        scanned, sayings = scan.scan(texts), phrases.learn(texts, renumbered)
        # Where the tokens stand, of which no feature is asked.
        tokens = firing.tokens(encodings, read.tolist())
        probed = presence.as_features(scanned, tokens)
        if some is not pairs:
            probed = presence.joined(_probed(encodings, documents, answers))
        return Unseen(
            scanned,
            probe_table(probed, pairs.renumbered, seed),
            phrases.table(sayings, tokens, renumbered, texts, seed),
            families.ties(encodings, whole, settings.family_overlap, settings.family_cosine, seed),
        )

    # Two processes on two processors: more threads would only wait for each other.
    with threadpool_limits(1), Aside(unseen, worth=len(documents) >= ASIDE) as aside:
        # The second process was forked before this: what is gathered here it would only carry along.
        room = int(presence.SHARE * settings.memory * 2**30)
        shown = presence.shown(encodings, documents, settings.threshold, settings.share_of_peak, room)
        tell(1, 8, "counting features")
        features, tallied = measure.table(shown, pairs)
        bins = noise.band(shown, pairs)
        features = features.assign(**_noise(features, bins))
        features = features.assign(**_without_truncated(shown, pairs, features["delta"].to_numpy()))
        tell(2, 8, "comparing categories")
        testable = features["testable"].to_numpy(dtype=bool)
        features = features.assign(**groups.heterogeneity(tallied.views["whole"], pairs, testable, seed))
        detailed = _detailed(features, settings.details)
        categories = groups.table(shown, pairs, detailed).merge(
            features[["feature", "q_heterogeneity"]], on="feature"
        )
        tell(3, 8, "telling the sides apart")
        apart = separability.apart(shown, some, seed, settings.permutations)
        tell(4, 8, "describing features")
        # Descriptions read discovery prompts only, ties to probes all: words may end up in a label.
        known = np.intersect1d(read, firing.readable(study, encodings))
        fires = firing.active(encodings, detailed.tolist(), read.tolist(), shown.bar)
        described = firing.described(encodings, detailed.tolist(), fires, known)
        tell(5, 8, "finding families")
        scanned, probes, said, ties = aside.result()
    features["family"] = _families(features, ties, encodings, settings)
    tell(6, 8, "comparing surface probes and phrases")
    nearest = near.compare(fires, detailed.tolist(), scanned)
    words = {feature: nearest.words(feature) for feature in detailed.tolist()}
    features["probes"] = [words.get(feature, "") for feature in range(len(features))]
    features["tokens"] = [described[f].in_words() if f in described else "" for f in range(len(features))]
    features, probes = (t.assign(**shrinkage.columns(t), **evalues.columns(t)) for t in (features, probes))
    tell(7, 8, "telling habits apart")
    tables = {"features": features, "probes": probes, "phrases": said.rows}
    tables |= {"categories": categories, "noise": bins}
    changed = behaviours.of(tables, fires, detailed.tolist(), scanned, said, renumbered)
    draws = encodings.documents["draw"].to_numpy()[read]
    tables |= {"habits": changed.habits, "behaviours": changed.behaviours}
    tables |= {"changes": changes.table(changed.values, changed.marks, renumbered, draws, texts)}
    counted = summary.of(pairs, features, probes, tallied.views["whole"], apart.figures._asdict())
    carried = separability.carried(apart, behaviours.columns(changed), renumbered)
    counted["separability"] |= {"carried": carried._asdict()}
    facts = _told(study, a, b, settings) | {"tested_phrases": said.tested, "anything": anything.of(tables)}
    facts |= {"raised": shown.raised} if shown.raised else {}
    return tables, facts | counted | sampling.told(pairs, some)


def _probed(encodings: Encodings, documents: Ints, answers: responses.Texts) -> Iterator[Flat]:
    """Surface probes in all answers, some at a time: a text and its tokens are asked for once."""
    for start in range(0, len(documents), BLOCK):
        places = np.arange(start, min(start + BLOCK, len(documents)))
        tokens = firing.tokens(encodings, documents[places].tolist())
        yield presence.as_features(scan.scan(answers.of(places)), tokens)


def _told(study: Study, a: str, b: str, settings: DiffSettings) -> dict[str, Any]:
    """What was compared, and under which settings."""
    told = {"a": a, "b": b, "seed": study.settings.seed, "settings": settings.model_dump(), "method": METHOD}
    told |= {"reader": study.settings.reader.model_dump(), "shows": summary.shows(settings)}
    return told | {"flags": responses.compare_flags(study.pairs(a, b, texts=False)).to_dict("records")}


def _noise(features: pd.DataFrame, bins: pd.DataFrame) -> dict[str, Any]:
    band = noise.of_features(bins, ((features["frequency_a"] + features["frequency_b"]) / 2).to_numpy())
    outside = pd.array(features["delta"].abs() > band, dtype="boolean")
    # A comparison with no band is False, which would read as "inside it".
    outside[np.isnan(band)] = pd.NA
    return {"noise_band": band, "outside_noise": outside}


def _without_truncated(shown: Shown, pairs: Pairing, delta: Floats) -> dict[str, Any]:
    """The plain difference and its q without the pairs that a token limit cut."""
    if not pairs.truncated.any():
        return {"delta_untruncated": delta}
    whole = pairs.only(~pairs.truncated)
    leads = tally.count(shown, whole, ["whole"], amounts=False).views["whole"]
    p = measure.presence_p(leads, measure.LEAST)
    return {
        "delta_untruncated": measure.difference(leads, len(whole.prompts)),
        "q_untruncated": stats.benjamini_hochberg(p),
    }


def _detailed(features: pd.DataFrame, number: int) -> Ints:
    """The features with the smallest p in any view, ascending."""
    columns = ["p", "p_rarefied", "p_equal_length", "p_equal_length_tail", "p_rate", "p_heterogeneity"]
    least = features[columns].min(axis=1)
    order = features.assign(least=least).dropna(subset="least").sort_values(["least", "feature"])
    return np.asarray(np.sort(order["feature"].to_numpy(dtype=np.int64)[:number]))


def _families(features: pd.DataFrame, ties: families.Ties, encodings: Encodings, settings: DiffSettings) -> Ints:
    """Each feature's family: its lead's number, its own where it is not tested."""
    family: Ints = features["feature"].to_numpy(dtype=np.int64).copy()
    tested = features[features["testable"]]
    # By discovery prompts, so that held-out ones choose no lead; what was not tested there comes last.
    order = np.lexsort([tested["feature"], tested["p_discovery"].fillna(np.inf)])
    close = settings.family_overlap, settings.family_cosine
    named = tested["feature"].to_numpy()
    family[named] = families.leads(ties, encodings.decoder(), named, order, *close)
    return family


def probe_table(probed: Flat, renumbered: Pairing, seed: int) -> pd.DataFrame:
    """The probes' own table."""
    counted = np.array([near.PROBES[name].counted_only for name in scan.NAMES])
    table, tallied = measure.table(probed, renumbered, counted)
    testable = table["testable"].to_numpy(dtype=bool)
    table = table.assign(**groups.heterogeneity(tallied.views["whole"], renumbered, testable, seed))
    table.insert(0, "probe", list(scan.NAMES))
    return table.drop(columns="feature")
