"""The diff of two checkpoints: one table of features, one of surface probes, and what stands beside them.

Stored as `diffs/<hash>/` in the study, where the hash is of the two keys, the reader and the settings. Promises
that a folder holds all its files or does not exist, and that a diff knows when the answers or encodings it was
made from have changed. The arithmetic is in `measure`, `groups`, `families`, `separability` and `noise`.
"""

import dataclasses
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field
from threadpoolctl import threadpool_limits

from diffing.common import files, stats
from diffing.common.aside import Aside
from diffing.common.errors import UserError
from diffing.diff import families, groups, measure, noise, pairing, presence, separability, summary, tally
from diffing.diff.pairing import Pairing
from diffing.diff.presence import Shown
from diffing.jobs import run as jobs
from diffing.jobs.run import Progress
from diffing.labels import names as labels
from diffing.probes import near as surface
from diffing.reader.encodings import Encodings
from diffing.study import responses
from diffing.study.study import Study

VERSION = 2
"""Raised when the same settings would give other figures than before."""

TABLES = ("features", "probes", "categories", "noise")
ASIDE = 500
"""Answers that make a second process worth its start."""
OWN = 8
"""One text in so many is scanned by the first process, which would else wait for the second."""
SHOWS = "strongest activation over the answer's tokens above the bar, averaged over draws"


class DiffSettings(BaseModel):
    """Everything that a diff's figures hang on beside the answers, the reader and the study's seed."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    threshold: float = Field(default=0.0, ge=0)
    """An answer shows a feature if its strongest activation is above this."""
    share_of_peak: float = Field(default=0.0, ge=0, lt=1)
    """The same bar as a share of the feature's strongest activation in both checkpoints' answers."""
    family_overlap: float = Field(default=0.5, gt=0, le=1)
    """Jaccard overlap of token positions from which features are one family."""
    family_cosine: float = Field(default=-1.0, ge=-1, le=1)
    """Least cosine of their decoder directions; -1 asks for none (`docs/method.md` says why)."""
    details: int = Field(default=500, ge=0)
    """Features that get category rows and nearest probes: those with the smallest p in any view."""
    permutations: int = Field(default=200, ge=19)
    """Permutations behind the separability's null."""


@dataclass(frozen=True)
class Diff:
    """A stored diff; tables are read when first asked for."""

    folder: Path
    a: str
    b: str
    settings: DiffSettings
    summary: dict[str, Any]

    @cached_property
    def features(self) -> pd.DataFrame:
        """A row for each feature of the reader; `docs/method.md` explains the columns."""
        return pd.read_parquet(self.folder / "features.parquet")

    @cached_property
    def probes(self) -> pd.DataFrame:
        """The same columns for each surface probe."""
        return pd.read_parquet(self.folder / "probes.parquet")

    @cached_property
    def categories(self) -> pd.DataFrame:
        """Differences by category and tag, in long form, for the features with details."""
        return pd.read_parquet(self.folder / "categories.parquet")

    @cached_property
    def noise(self) -> pd.DataFrame:
        """The noise band by bin of frequency; empty with one draw."""
        return pd.read_parquet(self.folder / "noise.parquet")

    def top(self, number: int, by: str = "delta") -> pd.DataFrame:
        """The leads of the families with q < 0.05, largest difference first.

        `by` names the difference: `delta`, `delta_equal_length`, `delta_equal_length_tail` or `rate`.
        """
        table = self.features[self.features["feature"] == self.features["family"]]
        size = (table["rate_b"] - table["rate_a"] if by == "rate" else table[by]).abs()
        differs = table["q_rate" if by == "rate" else by.replace("delta", "q")] < measure.LEVEL
        table = table[differs].assign(size=size[differs])
        return table.sort_values(["size", "feature"], ascending=[False, True]).head(number).drop(columns="size")

    def outdated(self, study: Study) -> bool:
        """Whether prompts, answers or encodings have changed since."""
        return bool(self.summary["inputs"] != inputs_of(study, Encodings.open(study)))


def folder_of(study: Study, a: str, b: str, settings: DiffSettings) -> Path:
    content = [VERSION, a, b, study.settings.reader.model_dump(), study.settings.seed, settings.model_dump()]
    return study.folder / "diffs" / files.content_hash(content)


def inputs_of(study: Study, encodings: Encodings) -> str:
    """A hash of all tables that a diff of the study is computed from."""
    prompts = study.prompts().astype(str)
    answers = study.responses()[[*responses.KEY, "text", "flag"]]
    documents = encodings.documents
    sums = [str(pd.util.hash_pandas_object(t, index=False).sum()) for t in (prompts, answers, documents)]
    return files.content_hash([encodings.reader_key, *sums])


def load(study: Study, a: str, b: str, settings: DiffSettings | None = None) -> Diff:
    """A stored diff, or a `UserError` that says how to make it."""
    settings = settings or DiffSettings()
    folder = folder_of(study, a, b, settings)
    if not (folder / "summary.json").exists():
        raise UserError(
            f"Study '{study.name}' has no diff of '{a}' and '{b}' with these settings yet; "
            f"run `python -m diffing diff {study.name} --a {a} --b {b}`."
        )
    return Diff(folder, a, b, settings, files.read_json(folder / "summary.json"))


def current(study: Study, a: str, b: str, settings: DiffSettings | None = None) -> Diff:
    """The stored diff, computed first where it is missing or older than what it is made from."""
    if (folder_of(study, a, b, settings or DiffSettings()) / "summary.json").exists():
        stored = load(study, a, b, settings)
        if not stored.outdated(study):
            return stored
    return compute(study, a, b, settings)


def run(study: Study, options: dict[str, Any], progress: Progress) -> dict[str, Any]:
    """The job: diff checkpoints `a` and `b` (the first two unless named); other options are settings."""
    keys = [checkpoint.key for checkpoint in study.checkpoints]
    rest = {name: value for name, value in options.items() if name not in ("a", "b")}
    settings = jobs.checked("diff", DiffSettings, rest)

    def tell(done: int, total: int, note: str) -> None:
        progress.check()
        progress.update(done, total, "steps", note=note)

    found = compute(study, options.get("a") or keys[0], options.get("b") or keys[1], settings, tell)
    kept = ("pairs", "prompts", "tested", "differing", "families", "separability", "smallest_detectable")
    return {"diff": found.folder.name, **{name: found.summary[name] for name in kept}}


def compute(
    study: Study,
    a: str,
    b: str,
    settings: DiffSettings | None = None,
    tell: Callable[[int, int, str], None] = lambda _done, _total, _note: None,
) -> Diff:
    """Compute the diff of A and B and store it in place of an earlier one of the same settings."""
    if a == b:
        raise UserError(f"'{a}' cannot be compared with itself; name two checkpoints.")
    settings = settings or DiffSettings()
    encodings = Encodings.open(study)
    inputs = inputs_of(study, encodings)
    tables, facts = measured(study, encodings, a, b, settings, tell)
    facts |= {"inputs": inputs, "created": files.now()}
    folder = folder_of(study, a, b, settings)
    folder.parent.mkdir(exist_ok=True)
    fresh = Path(tempfile.mkdtemp(dir=folder.parent, prefix=".new-"))
    try:
        for name in TABLES:
            tables[name].to_parquet(fresh / f"{name}.parquet", index=False)
        files.write_json(fresh / "summary.json", summary.plain(facts))
        fresh.chmod(0o755)
        # A folder cannot take the place of one that is not empty.
        shutil.rmtree(folder, ignore_errors=True)
        fresh.rename(folder)
    finally:
        shutil.rmtree(fresh, ignore_errors=True)
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
    tell(0, 7, "pairing answers")
    pairs = pairing.pair(study, encodings.documents, a, b)
    documents = np.unique(np.concatenate([pairs.a, pairs.b]))
    answers = study.responses().set_index(responses.KEY)["text"]
    keys = pd.MultiIndex.from_frame(encodings.documents.loc[documents, responses.KEY])
    texts = [str(text) for text in answers.reindex(keys, fill_value="")]
    own = len(texts) // OWN

    def unpaired() -> tuple[surface.Scan, families.Ties]:
        """What hangs on no pairing, and so can be done aside."""
        close = settings.family_overlap, settings.family_cosine
        return surface.scan(texts[own:]), families.ties(encodings, documents, *close, seed)

    # Two processes on two processors: more threads would only wait for each other.
    with threadpool_limits(1), Aside(unpaired, worth=len(documents) >= ASIDE) as aside:
        shown = presence.shown(encodings, documents, settings.threshold, settings.share_of_peak)
        tell(1, 7, "counting features")
        features, tallied = measure.table(shown, pairs)
        bins = noise.band(shown, pairs)
        features = features.assign(**_noise(features, bins))
        features = features.assign(**_without_truncated(shown, pairs, features["delta"].to_numpy()))
        tell(2, 7, "comparing categories")
        testable = features["testable"].to_numpy(dtype=bool)
        features = features.assign(**groups.heterogeneity(tallied.views["whole"], pairs, testable, seed))
        detailed = _detailed(features, settings.details)
        categories = groups.table(shown, pairs, detailed).merge(
            features[["feature", "q_heterogeneity"]], on="feature"
        )
        tell(3, 7, "telling the sides apart")
        apart = separability.separability(shown, pairs, seed, settings.permutations)
        tell(4, 7, "describing features")
        read = np.intersect1d(documents, labels.readable(study, encodings))
        told = labels.describe(encodings, detailed.tolist(), read.tolist())
        firing = surface.active(encodings, detailed.tolist(), documents.tolist())
        begun = surface.scan(texts[:own])
        tell(5, 7, "finding families")
        rest, ties = aside.result()
        scanned = begun.then(rest)
    features["family"] = _families(features, ties, encodings, settings)
    tell(6, 7, "comparing surface probes")
    probes, nearest = _probes(firing, pairs, documents, detailed, scanned, seed)
    features["probes"] = [nearest.get(feature, "") for feature in range(len(features))]
    features["tokens"] = [told[f].label if f in told else "" for f in range(len(features))]
    tables = {"features": features, "probes": probes, "categories": categories, "noise": bins}
    facts = {"a": a, "b": b, "seed": seed, "settings": settings.model_dump()}
    facts |= {"reader": study.settings.reader.model_dump(), "shows": SHOWS}
    flags = responses.compare_flags(study.pairs(a, b)).to_dict("records")
    return tables, facts | {"flags": flags} | summary.of(pairs, features, probes, tallied.views["whole"], apart)


def _noise(features: pd.DataFrame, bins: pd.DataFrame) -> dict[str, Any]:
    band = noise.of_features(bins, ((features["frequency_a"] + features["frequency_b"]) / 2).to_numpy())
    outside = pd.array(features["delta"].abs() > band, dtype="boolean")
    outside[np.isnan(band)] = pd.NA
    return {"noise_band": band, "outside_noise": outside}


def _without_truncated(shown: Shown, pairs: Pairing, delta: NDArray[np.float64]) -> dict[str, Any]:
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


def _detailed(features: pd.DataFrame, number: int) -> NDArray[np.int64]:
    """The features with the smallest p in any view, ascending."""
    columns = ["p", "p_equal_length", "p_equal_length_tail", "p_rate", "p_heterogeneity"]
    least = features[columns].min(axis=1)
    order = features.assign(least=least).dropna(subset="least").sort_values(["least", "feature"])
    return np.asarray(np.sort(order["feature"].to_numpy(dtype=np.int64)[:number]))


def _families(
    features: pd.DataFrame, ties: families.Ties, encodings: Encodings, settings: DiffSettings
) -> NDArray[np.int64]:
    """Each feature's family: its lead's number, its own where it is not tested."""
    family: NDArray[np.int64] = features["feature"].to_numpy(dtype=np.int64).copy()
    tested = features[features["testable"]]
    order = np.lexsort([tested["feature"], tested["p_discovery"].fillna(np.inf)])
    close = settings.family_overlap, settings.family_cosine
    named = tested["feature"].to_numpy()
    family[named] = families.leads(ties, encodings.decoder(), named, order, *close)
    return family


def _probes(
    firing: surface.Active,
    pairs: Pairing,
    documents: NDArray[np.int64],
    detailed: NDArray[np.int64],
    scanned: surface.Scan,
    seed: int,
) -> tuple[pd.DataFrame, dict[int, str]]:
    """The probes' own table, and the nearest probes of the detailed features."""
    nearest = surface.compare(firing, detailed.tolist(), scanned)
    words = {feature: nearest.words(feature) for feature in detailed.tolist()}
    renumbered = dataclasses.replace(
        pairs, a=np.searchsorted(documents, pairs.a), b=np.searchsorted(documents, pairs.b)
    )
    table, tallied = measure.table(surface.as_features(scanned, firing.tokens), renumbered)
    testable = table["testable"].to_numpy(dtype=bool)
    table = table.assign(**groups.heterogeneity(tallied.views["whole"], renumbered, testable, seed))
    table.insert(0, "probe", list(surface.NAMES))
    return table.drop(columns="feature"), words
