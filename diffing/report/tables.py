"""The report's tables: what was compared, what differs, what was counted, what it took, every setting.

Cells are plain text, and escaped by what lays them out. Promises that no absolute path stands in a setting.
"""

import platform
import tomllib
from collections import Counter
from collections.abc import Callable, Iterable
from importlib import metadata
from math import nan
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

from diffing.common import files, words
from diffing.common.words import interval, points, share, shares, small, yes
from diffing.diff import measure, selection
from diffing.diff.answer import Behaviour
from diffing.findings import arms
from diffing.jobs.run import STEPS
from diffing.labels import contradictions
from diffing.models import local, made
from diffing.models.providers import Checkpoint
from diffing.report import behaviours as report_behaviours
from diffing.report.facts import Facts, members
from diffing.study import responses

PACKAGES = (
    *("numpy", "pandas", "scipy", "scikit-learn", "torch", "transformers", "tokenizers"),
    *("sae-lens", "safetensors", "matplotlib"),
)
"""Those that the figures could hang on."""
PLACES = (".source", ".model", ".sae")
"""Settings that may be a folder."""

PHRASES = 30
"""Phrases shown: about a page of them. The folder's table has all that were kept."""


class Table(NamedTuple):
    head: list[str]
    rows: list[list[str]]


def compared(facts: Facts) -> Table:
    """Both checkpoints side by side."""
    sides = [(facts.a, _side(facts, facts.a)), (facts.b, _side(facts, facts.b))]
    summary = facts.diff.summary
    rows = {
        "name": [checkpoint.name for checkpoint, _ in sides],
        "key": [checkpoint.key for checkpoint, _ in sides],
        "source": [plain_path(checkpoint.source) for checkpoint, _ in sides],
        "model as served": [_served(table) for _, table in sides],
        "answers from": [_dates(table) for _, table in sides],
        "answers": [f"{len(table):,}" for _, table in sides],
        "reader's tokens an answer": [f"{summary[f'tokens_{s}'] or 0:,.0f}" for s in "ab"],
        "cost of the answers": [_cost(table) for _, table in sides],
    }
    return Table(["", "A", "B"], [[name, *values] for name, values in rows.items()])


def _side(facts: Facts, checkpoint: Checkpoint) -> pd.DataFrame:
    return facts.answers[facts.answers["checkpoint"] == checkpoint.key]


def _served(table: pd.DataFrame) -> str:
    # More than one where a provider changed the model under its name in the midst of collecting.
    names = Counter(name for name in table["model_served"] if name)
    return ", ".join(f"{name} ({number:,})" for name, number in sorted(names.items())) or "not recorded"


def _dates(table: pd.DataFrame) -> str:
    days = sorted({day[:10] for day in table["created"] if day})
    return "not recorded" if not days else days[0] if len(days) == 1 else f"{days[0]} to {days[-1]}"


def _cost(table: pd.DataFrame) -> str:
    known = table["cost"].dropna()
    if known.empty:
        return "not recorded"
    left = len(table) - len(known)
    return words.dollars(float(known.sum())) + (f", {left:,} answers of unknown cost" if left else "")


def setup(facts: Facts) -> list[tuple[str, str]]:
    """How they were compared."""
    summary, settings = facts.diff.summary, facts.study.settings
    sampling = settings.sampling
    asked = [
        f"temperature {sampling.temperature}" if sampling.temperature is not None else "provider's temperature"
    ]
    asked.append(f"at most {sampling.max_tokens:,} tokens" if sampling.max_tokens else "no token limit")
    imported = all(one.source == "import" for one in (facts.a, facts.b))
    return [
        (
            "Prompts compared",
            f"{summary['prompts']:,}: {summary['discovery']:,} for discovery, the rest held out: the new prompts",
        ),
        ("Draws of an answer", f"{summary['draws']}"),
        ("Pairs of answers", f"{summary['pairs']:,} compared, {sum(summary['excluded'].values()):,} left out"),
        ("Sampling", "unknown, answers were imported" if imported else ", ".join(asked)),
        ("System prompt", sampling.system or "none"),
        *[
            (f"Planted in {side}", each.planted.shown)
            for side, each in zip("AB", (facts.a, facts.b), strict=True)
            if each.planted
        ],
        *([("Reasoning", f"what stands in <{sampling.reasoning_tag}>")] if sampling.reasoning_tag else []),
        ("Reader", f"{reader(facts)}, {facts.encodings.n_features:,} features"),
        ("Reader sees", "the prompt too" if settings.reader.context == "prompt+answer" else "the answer alone"),
        ("Whether a prompt shows a feature", str(summary["shows"])),
    ]


def reader(facts: Facts) -> str:
    choice = facts.study.settings.reader
    if choice.preset and not (choice.sae or choice.release):
        return choice.preset
    return f"{choice.release}/{choice.sae_id}" if choice.release else plain_path(choice.sae or "unnamed")


def categories(facts: Facts) -> Table:
    """Prompts that were compared, by category."""
    good = set(responses.kept(facts.pairs)["prompt_id"])
    table = facts.prompts[facts.prompts["id"].isin(good)]
    counts = table.groupby(["category", "split"]).size().unstack(fill_value=0)
    counts = counts.reindex(columns=["discovery", "held-out"], fill_value=0)
    rows = [
        [str(name) or "no category", *(f"{n:,}" for n in row)]
        for name, row in zip(counts.index, counts.to_numpy(), strict=True)
    ]
    return Table(["category", "discovery prompts", "new prompts"], rows)


def excluded(facts: Facts) -> Table:
    """Pairs that were left out, and troubles of answers on each side."""
    rows = [[reason, f"{number:,}"] for reason, number in facts.diff.summary["excluded"].items()]
    return Table(["pairs left out because", "pairs"], rows)


def flags(facts: Facts) -> Table:
    counts = responses.compare_flags(facts.pairs)
    seen = [row for row in counts.itertuples() if row.a or row.b]
    rows = [[str(row.flag), f"{row.a:,}", f"{row.b:,}", small(row.p)] for row in seen]
    return Table(["answers that were", "A", "B", "exact p of the difference"], rows)


def top(facts: Facts) -> Table:
    """The strongest families of each side."""
    rows = []
    for feature in facts.top:
        row, size = facts.table.loc[feature], members(facts.diff, feature)
        side = "B" if row["delta"] > 0 else "A"
        # Not the held-out difference: the order came from all prompts, so it too is larger than the truth.
        shrunk = points(row["delta_shrunk"]) if "delta_shrunk" in row else "–"
        who = [side, str(feature), facts.named[feature], _author(facts, feature), f"{size:,}"]
        checks = [yes(row["survives_equal_length"]), yes(row["outside_noise"]), words.replicated(row)]
        rows.append([*who, *_shares(row), shrunk, *checks, _near(str(row["probes"]))])
    head = ["more on", "feature", "what it is called", "by, score", "family of", *SHARES]
    head += ["shrunk, points", "at equal length", "outside noise", "replicated", "share of its tokens at"]
    return Table(head, rows)


def _near(probes: str) -> str:
    """The two countable things that most of a feature's tokens lie at."""
    nearest = [*contradictions.nearest(probes).items()][:2]
    # A number and its unit stay on one line.
    return ", ".join(f"{name} {share(part)}".replace(" %", "\u00a0%") for name, part in nearest) or "–"


def _author(facts: Facts, feature: int) -> str:
    """Who named the feature, and how the name did on the side that has more when it was scored blind."""
    row = facts.table.loc[feature]
    if feature in facts.flagged or row["named_by"] == "rule":
        return "rule"
    score = f", {row['score']:.2f}" if pd.notna(row["score"]) else ", –"
    return f"{'model' if row['named_by'] == 'llm' else 'person'}{score}"


def doubted(facts: Facts) -> list[tuple[str, str]]:
    """Labels of shown features that counting contradicts."""
    return [
        (f"Feature {feature}, labelled “{flags[0].label}”", "; ".join(flag.words for flag in flags))
        for feature, flags in facts.flagged.items()
    ]


def probes(facts: Facts) -> Table:
    """Every surface probe, what differs first."""
    rows = []
    for _, row in selection.judged(facts.probes).iterrows():
        amounts = [f"{row['mean_a']:,.2f}", f"{row['mean_b']:,.2f}", words.change(row.get("change", nan))]
        checks = [yes(row["survives_equal_length"]), words.replicated(row), str(row["verdict"])]
        rows.append([str(row["probe"]), *_shares(row), *amounts, small(row["q_mean"]), *checks])
    head = ["counted", *SHARES, "an answer, A", "an answer, B", "change", "q of amount"]
    return Table([*head, "at equal length", "replicated", "verdict"], rows)


def phrases(facts: Facts) -> Table:
    """The phrases that differ, the best founded first."""
    table = facts.diff.phrases
    rows = []
    for _, row in table[table["q"] < measure.LEVEL].head(PHRASES).iterrows():
        checks = [yes(row["survives_equal_length"]), str(row["replicated"]) or "–"]
        rows.append([str(row["phrase"]), *_shares(row), *checks, str(row["also"]) or "–"])
    return Table(["phrase", *SHARES, "at equal length", "replicated", "and with it"], rows)


SHARES = ("A", "B", "B − A, points", "95 % interval", "q")
"""What stands over the cells of `_shares`."""


def _shares(row: "pd.Series[Any]") -> list[str]:
    """Both sides' shares, their difference, its interval and its q."""
    sides = shares(row["frequency_a"], row["frequency_b"])
    return [*sides, points(row["delta"]), interval(row["ci_low"], row["ci_high"]), small(row["q"])]


def behaviours(facts: Facts) -> Table:
    """What changed and can be counted, length first."""
    return _changes([each for each in facts.behaviours if each.said and _sure(each)])


def by_features(facts: Facts) -> Table:
    """What changed and only features tell of."""
    return _changes([each for each in facts.behaviours if not each.said and _sure(each)])


def _sure(each: Behaviour) -> bool:
    # Length is told whatever became of it.
    return each.confirmed == "yes" or each.kind == "amount"


def _changes(chosen: Iterable[Behaviour]) -> Table:
    rows = []
    for each in chosen:
        line = report_behaviours.line(each)
        difference, _, rest = line.told.partition(" [")
        equal = "–" if each.survives_length is None else yes(each.survives_length)
        rows.append([line.title, line.figures, difference, rest.removesuffix("]"), small(each.q), equal])
    return Table(["what changed", "A → B", "B − A", "95 % interval", "q", "at equal length"], rows)


def work(facts: Facts) -> Table:
    """What every step took."""
    rows = []
    for kind in STEPS:
        runs = [job for job in facts.work if job.kind == kind]
        if runs:
            known = [job.cost for job in runs if job.cost is not None]
            spent = words.dollars(sum(known)) if known else "none recorded"
            rows.append([kind, f"{len(runs)}", words.duration(sum(job.seconds for job in runs)), spent])
    return Table(["step", "runs", "time", "paid to providers"], rows)


def arms_compared(facts: Facts) -> Table:
    """Finding with features against finding by reading alone; empty where only one of them was done."""
    both = arms.compare(facts.study, facts.a.key, facts.b.key)
    if not all(arm.claims for arm in both):
        return Table([], [])
    rows = [[name, *(measured(arm) for arm in both)] for name, measured in MEASURES.items()]
    return Table(["", *(arm.arm for arm in both)], rows)


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.2f}"


MEASURES: dict[str, Callable[[arms.Arm], str]] = {
    "claims": lambda arm: str(arm.claims),
    "put before the judge": lambda arm: str(arm.judged),
    "verified": lambda arm: str(arm.verified),
    "verified, each meaning once": lambda arm: str(arm.distinct),
    "of these, verified by both": lambda arm: str(arm.shared),
    "how often a claim applies": lambda arm: _number(arm.frequency),
    "then on the claimed side": lambda arm: _number(arm.accuracy),
    "how abstract, 1 to 5": lambda arm: _number(arm.abstraction),
    "how interesting, 1 to 5": lambda arm: _number(arm.interestingness),
    "tokens in and out": lambda arm: f"{arm.tokens_in:,} and {arm.tokens_out:,}",
    "paid for calls": lambda arm: words.dollars(arm.dollars),
    f"GPU time at ${arms.GPU_HOUR:.2f} an hour": lambda arm: words.dollars(arm.gpu_dollars),
}
"""What each way of finding is compared by."""


def settings(facts: Facts) -> list[tuple[str, str]]:
    """Everything that the figures hang on, by dotted name."""
    chosen = facts.study.settings.model_dump(mode="json")
    chosen["checkpoints"] = {one["key"]: one for one in chosen["checkpoints"]}
    entries: dict[str, Any] = {"study": chosen, "diff": facts.diff.settings.model_dump(mode="json")}
    entries["level of the false discovery rate"] = measure.LEVEL
    entries["no change within"] = measure.EQUIVALENT
    entries["no change within, of the share itself"] = measure.OF_BASE
    entries["no change within, of an amount's mean"] = measure.OF_AMOUNT
    # What is empty was not chosen, and says nothing.
    kept = [(name, str(value)) for name, value in _flat("", entries) if value not in ("", None, {})]
    return [(name, plain_path(value) if name.endswith(PLACES) else value) for name, value in kept]


def _flat(name: str, value: Any) -> Iterable[tuple[str, Any]]:
    if isinstance(value, dict) and value:
        for key, inner in value.items():
            yield from _flat(f"{name}.{key}" if name else str(key), inner)
    else:
        yield name, value


def hashes(facts: Facts) -> list[tuple[str, str]]:
    summary = facts.diff.summary
    return [
        ("diff", facts.diff.folder.name),
        ("diff computed", summary["created"]),
        ("answers, prompts and encodings", summary["inputs"]),
        ("reader, model and SAE", facts.encodings.reader_key),
    ]


def versions() -> list[tuple[str, str]]:
    python = [("Checkpoint Diffing", program()), ("Python", platform.python_version())]
    return python + [(name, metadata.version(name)) for name in PACKAGES]


def program() -> str:
    """The version of this program, which runs from its own folder."""
    with (files.PROJECT / "pyproject.toml").open("rb") as file:
        return str(tomllib.load(file)["project"]["version"])


def plain_path(text: str) -> str:
    """A path by its last part alone: where it lies is nobody's business."""
    if local.is_weights(text):
        return local.parse(text).short
    if made.is_made(text):
        return made.parse(text).short
    return Path(text).name if text.startswith(("/", "~")) and "\n" not in text else text
