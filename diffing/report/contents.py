"""The tables and records of a report's folder: what its notebook reads, and the same for other tools.

Promises that of a finding the status stands before the claim, and figures only where they are of its very words.
"""

import re
import urllib.parse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from diffing import labels
from diffing.common import files
from diffing.common.errors import UserError
from diffing.diff import pairing, summary
from diffing.findings import verification, votes
from diffing.findings.evidence import Standing
from diffing.labels import sources
from diffing.report import comparator, exports, inside, listing
from diffing.report import tables as report_tables
from diffing.report.bundle import Bundle
from diffing.report.cards import Card
from diffing.report.facts import Facts, own_features, sure

QUICK = 20
"""Features in the link to Neuronpedia: as many as the tables show, and an address that every server takes."""
FOLDERS = re.compile(r"(?<![\w.:/])(?:/[\w.@+~-]+){2,}/?")
"""Absolute paths in the words of an error, of two parts at least: /v1 or 3/4 is none. Addresses stay, by what
stands before their slashes."""


def write(facts: Facts, shown: Sequence[Card], bundle: Bundle) -> None:
    """Everything that the notebook reads, and the same for other tools; `shown` are the facts' cards."""
    bundle.csv("prompts.csv", facts.prompts)
    answers = facts.answers.assign(error=[FOLDERS.sub(_last, text) for text in facts.answers["error"]])
    bundle.csv("responses.csv", answers)
    # Most features of a large SAE show in no answer, and their rows say nothing.
    present = facts.table[facts.table[["frequency_a", "frequency_b"]].max(axis=1) > 0]
    bundle.csv("features.csv", present)
    bundle.csv("probes.csv", facts.probes)
    bundle.csv("phrases.csv", facts.diff.phrases)
    bundle.csv("pairs.csv", pairs(facts))
    bundle.csv("findings.csv", listing.of(facts, shown))
    exports.write_encodings(facts.encodings, bundle.folder / "encodings.npz")
    exports.write_encodings(facts.encodings, bundle.folder / "encodings.pkl")
    bundle.json("labels.json", exports.label_records(labels.dossiers(facts.study), facts.named))
    if facts.verification.judge:
        bundle.csv("verdicts.csv", verification.table(facts.study, facts.a.key, facts.b.key))
        bundle.csv("people.csv", verification.said(facts.study, facts.a.key, facts.b.key))
    if facts.votes.rows:
        bundle.csv("votes.csv", votes.table(facts.study, facts.a.key, facts.b.key))
    if len(facts.measures):
        bundle.csv("measures.csv", facts.measures)
    for name, table in inside.tables(facts).items():
        bundle.csv(f"{name}.csv", table)
    bundle.json("findings.json", {"a": facts.a.key, "b": facts.b.key, "findings": recorded(facts)})
    bundle.json("llm_comparator.json", comparator.build(facts))


def pairs(facts: Facts) -> pd.DataFrame:
    """The pairs that were compared, with the rows of the encodings that hold them."""
    documents = facts.encodings.documents
    paired = pairing.pair(facts.study, documents, facts.a.key, facts.b.key)
    table = paired.prompts.iloc[paired.row][["id", "split", "category"]].rename(columns={"id": "prompt_id"})
    table = table.assign(draw=documents["draw"].to_numpy()[paired.a], row_a=paired.a, row_b=paired.b)
    return table.assign(tokens_a=paired.tokens_a, tokens_b=paired.tokens_b).reset_index(drop=True)


def recorded(facts: Facts) -> list[dict[str, Any]]:
    """All findings with their standing, as plain values."""
    out = []
    for standing in [*facts.put_forward, *_others(facts)]:
        own = own_features(standing, facts.study, facts.diff)
        # Without the date of its report: the first report of a finding would else differ from the second.
        record = standing.finding.model_dump(mode="json", exclude={"reported"})
        record["reader"] = report_tables.plain_path(record["reader"])
        # Status first: nobody reads the claim without it.
        record = {"status": sure(standing), **record}
        record |= {
            "counted": summary.plain(standing.counted._asdict()) if standing.counted else None,
            "why": standing.why,
            "claimed": standing in facts.claimed,
            "same_as": standing.same_as,
            "rungs": [rung._asdict() for rung in standing.rungs],
            "objections": [objection._asdict() for objection in standing.objections],
            "open": [objection.key for objection in standing.open],
            "check": vars(standing.check) if standing.check else None,
            "figures": facts.table.loc[own, FIGURES].to_dict("records"),
        }
        out.append(summary.plain(record))
    return out


def _others(facts: Facts) -> list[Standing]:
    """Findings that are not put forward: set aside, or other wordings of one that is."""
    return [standing for standing in facts.standings if standing not in facts.claimed]


FIGURES = ["feature", "label", "named_by", "frequency_a", "frequency_b", "delta", "ci_low", "ci_high", "p", "q"]


def quick_list(facts: Facts) -> str:
    """A page of Neuronpedia with the strongest features; empty where the reader's SAE is not there."""
    try:
        place = sources.neuronpedia_id(facts.study.settings.reader)
    except UserError:
        # No fault: most readers are not there, and the report simply has no such link.
        return ""
    model, _, source = place.partition("/")
    wanted = [{"modelId": model, "layer": source, "index": str(feature)} for feature in facts.top[:QUICK]]
    query = {"name": f"{facts.study.name}: {facts.a.key} and {facts.b.key}", "features": files.canonical(wanted)}
    return f"https://www.neuronpedia.org/quick-list/?{urllib.parse.urlencode(query)}" if wanted else ""


def _last(match: "re.Match[str]") -> str:
    return Path(match[0]).name
