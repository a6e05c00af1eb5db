"""What is done and what is missing in a study, step by step, and what to do next.

Reads the other steps' files and computes nothing heavy. Promises the same answer to all who ask: the command line
and the pages word what they get here, and work nothing out for themselves.
"""

import math
from pathlib import Path
from typing import Any

from diffing import diff, jobs, labels
from diffing.common import columns, damage, files
from diffing.common.errors import UserError
from diffing.common.kept import Rests, kept
from diffing.diff import measure, summary
from diffing.diff.smallest import Smallest
from diffing.diff.stored import OF_OLDER
from diffing.findings import judged
from diffing.labels import history, names
from diffing.models import hosts, providers
from diffing.models.providers import Checkpoint
from diffing.reader import presets
from diffing.reader.encodings import own_table
from diffing.reader.places import table_path
from diffing.reader.unread import summed, unread
from diffing.study import responses, sample, spendings
from diffing.study.settings import ReaderChoice
from diffing.study.study import Study
from diffing.whitebox.dictionaries import readers
from diffing.whitebox.sight import seen

USUAL_DISCORDANCE = 0.05
"""Share of prompts on which two draws of one checkpoint differ on a feature, assumed until a diff says better. No
measurement stands behind it."""
LABELLED = 20
"""Families that ought to have a label before findings are written: as many as the command `diff` shows."""
USUAL_FEATURES = 65_536
"""Features of a reader whose SAE is not on this machine yet: what the larger bundled readers have, most often."""


def of(study: Study) -> dict[str, Any]:
    """The whole status as plain data; `next` names the step to take and how.

    Whatever is wrong with a file of the study is a `UserError` that names it, so that the others can go on.
    """
    with damage.told():
        return _of(study)


def _of(study: Study) -> dict[str, Any]:
    there = counted(study)
    status: dict[str, Any] = {
        "study": study.name,
        "checkpoints": [c.model_dump(include={"key", "name", "source"}) | asked_at(c) for c in study.checkpoints],
        "prompts": dict(there["prompts"]),
        "draws": study.settings.sampling.draws,
        "responses": {key: dict(counts) for key, counts in there["responses"].items()},
        "cost": there["cost"],
        "detectable": None if study.one_sided else foreseen(study, there["prompts"]["active"]),
        "running": [job.spec["kind"] for job in jobs.recent(study) if job.status().state == "running"],
    }
    # Not a step that everybody takes: only weights can be looked into.
    status["inside"] = seen.of(study).sentence if seen.there(study) else ""
    status["steps"] = steps(study, status)
    status["next"] = next(
        ({"step": s["step"], "how": s["how"]} for s in status["steps"] if s["state"] in ("to do", "partial")), None
    )
    return status


def _asked(study: Study) -> Rests:
    told = [study.settings.sampling.draws, [checkpoint.key for checkpoint in study.checkpoints]]
    read = ("prompts.csv", *responses.FILES, "spendings.jsonl")
    return Rests(study.folder, told, [study.folder / name for name in read])


@kept(1, _asked)
def counted(study: Study) -> dict[str, Any]:
    """Prompts, answers and dollars of a study, whose files can then be read."""
    table, stored = study.prompts(), study.told_of_responses(*responses.KEY, "flag", "cost")
    active = table[table["active"]]
    expected = len(active) * study.settings.sampling.draws
    answers = stored.loc[columns.among(stored["prompt_id"], active["id"]), [*responses.KEY, "flag"]]
    by_checkpoint = {}
    for checkpoint in study.checkpoints:
        rows = answers[answers["checkpoint"] == checkpoint.key]
        # Imported answers may hold more draws than the study would ask for.
        due = max(expected, len(active) * responses.draws(rows))
        by_checkpoint[checkpoint.key] = responses.counts(answers, checkpoint.key, due)
    return {
        "prompts": {
            "total": len(table),
            "active": len(active),
            "discovery": int((active["split"] == "discovery").sum()),
            "held_out": int((active["split"] == "held-out").sum()),
            "categories": {str(k): int(v) for k, v in active["category"].value_counts(sort=False).items()},
        },
        "responses": by_checkpoint,
        "cost": spendings.total(study, stored),
    }


def asked_at(checkpoint: Checkpoint) -> dict[str, str]:
    """The host that a checkpoint's prompts go to, the variable of the key that goes along, and whether it may."""
    try:
        points = providers.endpoints([checkpoint])
    except UserError as error:
        return {"host": "", "key_env": "", "key_state": str(error)}
    if not points:
        return {"host": "", "key_env": "", "key_state": "none needed"}
    point = points[0]
    host = hosts.host_of(point.base_url)
    return {"host": host, "key_env": point.key_env, "key_state": providers.key_state(point)}


def detectable(prompts: int, tests: int, discordance: float = USUAL_DISCORDANCE) -> dict[str, Any]:
    """The smallest difference in shares found with 80 % power after correction, and what that assumes."""
    return _plain(Smallest.of(prompts, tests, discordance))


def _plain(found: Smallest) -> dict[str, Any]:
    return {
        "delta": None if math.isinf(found.size) else round(found.size, 4),
        "prompts": found.prompts,
        "tests": found.tests,
        "discordance": found.discordance,
        "power": measure.POWER,
        "alpha": measure.LEVEL,
    }


def foreseen(study: Study, prompts: int) -> dict[str, Any]:
    """The smallest difference of the study: what its diff could find, else by what is usual.

    Of a diff that is no longer true what it tested and measured is taken for the prompts that there are now.
    """
    try:
        stored = diff.load(study, *study.sides())
        facts, true = stored.summary, not stored.older and not stored.outdated(study)
    except UserError:
        # There is no diff yet, or one that cannot be read: the step itself says so.
        facts, true = {}, False
    if true and facts["tested"]:
        return _plain(Smallest.of_diff(facts))
    if facts.get("tested"):
        return _detectable(study, prompts, facts["tested"], facts["background_discordance"])
    return _detectable(study, prompts, features(study), USUAL_DISCORDANCE)


def _tested(study: Study, /, prompts: int, tests: int, discordance: float) -> Rests:
    return Rests(study.folder, [prompts, tests, discordance], [])


@kept(1, _tested)
def _detectable(_study: Study, /, prompts: int, tests: int, discordance: float) -> dict[str, Any]:
    return detectable(prompts, tests, discordance)


def features(study: Study) -> int:
    """How many features the study's reader has: the number of tests until a diff says better."""
    return reader_features(presets.within(study.settings.reader, study.name))


def reader_features(choice: ReaderChoice) -> int:
    """A reader's features as its SAE's configuration on this machine says, else as most large readers have."""
    if presets.trained(choice):
        return readers.features(choice) or USUAL_FEATURES
    config = Path(presets.resolve(choice).sae) / "cfg.json"
    return int(files.read_json(config)["d_sae"]) if config.is_file() else USUAL_FEATURES


def steps(study: Study, status: dict[str, Any]) -> list[dict[str, str]]:
    """Each step with its state, a few words, and the command that takes it on.

    States are done, partial and to do; `optional` of what costs money and need not be, and `open` of findings that
    were written and that no judge was asked about.
    """
    name, counts = status["study"], status["responses"]
    prompts = status["prompts"]["active"]
    missing = sum(c["missing"] + c["failed"] for c in counts.values())
    stored = sum(c["stored"] for c in counts.values())
    # What another tool could not answer cannot be asked for here.
    asked = [checkpoint["key"] for checkpoint in status["checkpoints"] if checkpoint["source"] != "import"]
    due = sum(counts[key]["missing"] + counts[key]["failed"] for key in asked) if asked else not stored
    done = [
        {
            "step": "prompts",
            "job": "",
            "state": "done" if prompts else "to do",
            "detail": f"{prompts} active",
            "how": f"python -m diffing prompts {name} --add FILE",
        },
        {
            "step": "answers",
            "job": "collect",
            "state": "done" if prompts and not due else "partial" if stored else "to do",
            "detail": f"{stored} stored, {missing} missing or failed",
            "how": f"python -m diffing collect {name}" if asked else f"python -m diffing import {name} FILE",
        },
    ]
    later = later_steps(study, bool(stored))
    # What is compared with nothing has no diff, and no finding of what changed.
    return done + [step for step in later if not study.one_sided or step["step"] in ("encoding", "labels")]


def _found(current: diff.Diff | None) -> str:
    """What a diff found, or that it is of an older method."""
    if current is None:
        return "not computed"
    return OF_OLDER if current.older else summary.answer(current.summary)


def _read(study: Study) -> str:
    """That all answers are read, and of how many it is kept where in them features fire."""
    without = summed(study)
    if not without:
        return "all answers read"
    return f"all answers read, positions kept of {len(own_table(study)) - without:,}"


def later_steps(study: Study, answered: bool) -> list[dict[str, str]]:
    """Encoding, diff, labels and findings of the study's first two checkpoints."""
    name = study.name
    # Not counted where nothing was answered: it takes a look at every answer's text.
    lacking = unread(study) if answered else 0
    encoded = table_path(study).exists()
    try:
        current = diff.load(study, *study.sides())
        outdated = bool(lacking) or current.older or current.outdated(study)
        leads = _leads(study)
    except UserError:
        # Missing or damaged: the step makes it, and there is nothing of it to look at.
        current, outdated, leads = None, False, []
    labelled = _labelled(study) if leads else []
    named = [feature for feature in leads if feature in labelled]
    written = judged.of(study)
    return [
        {
            "step": "encoding",
            "job": "encode",
            "state": "to do" if not encoded else "partial" if lacking else "done",
            "detail": f"{lacking:,} answers to read" if lacking or not encoded else _read(study),
            "how": f"python -m diffing encode {name}",
        },
        {
            "step": "diff",
            "job": "diff",
            "state": "to do" if current is None else "partial" if outdated else "done",
            "detail": _found(current),
            "how": f"python -m diffing diff {name}",
        },
        {
            "step": "labels",
            "job": "label",
            # A model is paid to write them, and behaviours have words without any.
            "state": "done" if named and len(named) == len(leads) else "optional",
            "detail": f"{len(named)} of the {len(leads)} families that differ most have a label"
            if leads
            else "what features are called"
            if study.one_sided
            else "after the diff",
            "how": f"python -m diffing label {name} --top {LABELLED} --dry-run",
        },
        {
            "step": "findings",
            "job": "draft",
            "state": "done" if written.judged else "open" if written.in_words else "to do",
            "detail": written.in_words or "none written",
            "how": f"python -m diffing draft {name}",
        },
    ]


def _compared(study: Study) -> Rests:
    folder = diff.folder_of(study, *study.sides(), diff.DiffSettings())
    return Rests(study.folder, folder.name, [folder / "summary.json", folder / "features.parquet"])


@kept(1, _compared)
def _leads(study: Study) -> list[int]:
    """The families of the study's first two checkpoints that ought to have a label."""
    return [int(feature) for feature in diff.load(study, *study.sides()).top(LABELLED)["feature"]]


def _named(study: Study) -> Rests:
    imported = sorted(history.imported_dir(study).glob("*.parquet"))
    paths = [names.BUNDLED, history.path_of(study), *imported]
    return Rests(study.folder, labels.sae_of(study.settings.reader), paths)


@kept(1, _named)
def _labelled(study: Study) -> list[int]:
    """The features that have a label."""
    return sorted(labels.current(study))


def power_in_words(found: dict[str, Any] | None) -> str:
    """What `detectable` says, in a sentence; nothing of a collection."""
    if found is None:
        return ""
    size = math.inf if found["delta"] is None else found["delta"]
    return Smallest(size, found["prompts"], found["tests"], found["discordance"]).sentence


SAMPLE_STEPS = ("encode", "diff")
"""What opening the sample does where it is missing: neither needs a key."""


def redo(study: Study) -> None:
    """Start what makes the diff true again: what is unread is read, then the two sides are compared."""
    first, *rest = ["encode", "diff"] if unread(study) else ["diff"]
    jobs.start(study, first, then=rest)


def begin(study: Study) -> None:
    """Start what the sample's encoding and diff still lack, as jobs, once however many ask at the same time."""
    with files.locked(sample.lock()):
        # Asked before the status is read: a step that ends in between would be missing there and running no more.
        if any(jobs.running(study, kind) for kind in SAMPLE_STEPS):
            return
        missing = [step["job"] for step in of(study)["steps"] if step["state"] != "done"]
        first, *rest = [kind for kind in SAMPLE_STEPS if kind in missing] or [""]
        if first:
            jobs.start(study, first, then=rest)
