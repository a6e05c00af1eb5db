"""Labels that others have written: from Neuronpedia, from JSON files on the Hugging Face Hub, from a user's file.

What is downloaded is kept under the cache by source and date, and taken from there from then on; the study gets a
table of its own, so that it stays whole without the cache. Promises that a download that breaks off leaves
nothing that looks complete, and one sentence on what is wrong. Imported labels were written on other text.
"""

import re
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pandas as pd
from huggingface_hub import hf_hub_download
from huggingface_hub.errors import LocalEntryNotFoundError

from diffing import labels
from diffing.common import bounds, files, hub, outfile, tables
from diffing.common.columns import Count
from diffing.common.errors import UserError
from diffing.common.escape import tidy
from diffing.common.json_rows import Document
from diffing.common.paths import expanded
from diffing.common.step import Progress
from diffing.labels import history, neuronpedia
from diffing.labels.history import EXPORTED
from diffing.reader import presets
from diffing.reader.encodings import Encodings
from diffing.study.settings import ReaderChoice
from diffing.study.study import Study

COLUMNS = ["feature", "label", "description", "author", "author_kind", "date", "evidence"]
FEATURE_NAMES = ("feature", "index", "feature_id", "feature_index", "latent", "id")
LABEL_NAMES = ("label", "explanation", "description", "name")
"""Column names taken for ours, in this order."""

GOODFIRE = ("nickjiang/feature_labels", "goodfire/{model}.json")
"""Repository and file of the labels for Goodfire's SAEs, by the model's id."""
GOODFIRE_MODELS = {
    "goodfire-llama-3.1-8b-instruct": "meta-llama/Llama-3.1-8B-Instruct",
    "goodfire-llama-3.3-70b-instruct": "meta-llama/Llama-3.3-70B-Instruct",
}


def bring(
    study: Study,
    source: str,
    progress: Progress,
    features: Sequence[int] | None = None,
    refresh: bool = False,
) -> dict[str, Any]:
    """Import labels from a source into the study; says how many, and how many were left out."""
    kind, _, rest = source.partition(":")
    if kind == "neuronpedia":
        table, name = _neuronpedia(study, rest, features, refresh, progress)
    elif kind == "hf":
        table, name = _hub(study.settings.reader, rest, refresh)
    else:
        path = expanded(source)
        table, name = from_file(path), f"file:{path.name}"
    total = len(table)
    table = table[table["label"].str.strip().astype(bool)].reset_index(drop=True)
    n_features = _n_features(study)
    if n_features is not None:
        table = table[table["feature"].between(0, n_features - 1)].reset_index(drop=True)
    # Some rows are blank in most sources; where more than half fit nothing, the labels are of another SAE. That
    # those of a smaller one are, no number tells.
    if len(table) < total / 2 or table.empty:
        raise UserError(
            f"'{name}' has {len(table):,} labels of this reader's features and {total - len(table):,} rows that "
            "fit none; check that it belongs to this SAE."
        )
    if total > len(table):
        progress.log(f"{name}: left out {total - len(table):,} rows without a label or of no feature")
    table.attrs = {"sae": labels.sae_of(study.settings.reader), "source": name}
    with study.held():
        history.put_imported(study, slug(name), table)
    return {
        "source": name,
        "labels": len(table),
        "features": int(table["feature"].nunique()),
        "left_out": total - len(table),
        "date": str(table["date"].max()),
    }


def slug(name: str) -> str:
    """A file name for a source, different for different sources."""
    # Cut, since some file systems take no longer names; the hash tells apart what then reads the same.
    return f"{re.sub(r'[^A-Za-z0-9._-]+', '-', name)[:80]}-{files.content_hash(name, 6)}"


def kept(name: str) -> Path | None:
    """The table that was downloaded last from a source."""
    return max((files.cache_dir("labels") / slug(name)).glob("*.parquet"), key=_turn, default=None)


def keep(name: str, table: pd.DataFrame) -> None:
    """Keep a table beside those that were downloaded before, as the last one."""
    folder = files.cache_dir("labels") / slug(name)
    before = kept(name)
    turn = 1 + (_turn(before)[0] if before else 0)
    files.write_parquet(folder / f"{today()}-n{turn}.parquet", table)


def _turn(path: Path) -> tuple[int, str]:
    """Which download it was; those of older versions, named by their date alone, were before all counted ones."""
    number = re.search(r"-n(\d+)$", path.stem)
    return int(number[1]) if number else 0, path.stem


def today() -> str:
    return datetime.now(UTC).date().isoformat()


def _n_features(study: Study) -> int | None:
    """None before the study was encoded: then nothing says how many features there are."""
    try:
        return Encodings.open(study).n_features
    except UserError:
        return None


def _neuronpedia(
    study: Study, where: str, features: Sequence[int] | None, refresh: bool, progress: Progress
) -> tuple[pd.DataFrame, str]:
    where = where or neuronpedia_id(study.settings.reader)
    model, _, source = where.partition("/")
    if not source:
        raise UserError(f"'{where}' is no source of Neuronpedia; write MODEL/SOURCE, as in gpt2-small/0-res-jb.")
    name = f"neuronpedia:{where}"
    path = None if refresh else kept(name)
    if path is not None:
        return files.read_parquet(path, "download it again with --refresh"), name
    if features is not None:
        # A few features are asked one by one rather than downloading a whole source for them. Their table has a
        # name of its own, so that it is never taken for the whole.
        return _single(study, model, source, f"{name}#features", features, refresh, progress)
    folder = files.cache_dir("labels") / slug(name) / "batches"
    table = frame(neuronpedia.bulk(model, source, folder, progress), date=today())
    keep(name, table)
    return table, name


def _single(
    study: Study,
    model: str,
    source: str,
    name: str,
    features: Sequence[int],
    refresh: bool,
    progress: Progress,
) -> tuple[pd.DataFrame, str]:
    """Labels of some features, with those that were asked one by one before."""
    path = history.imported_dir(study) / f"{slug(name)}.parquet"
    before = files.read_parquet(path) if path.exists() else frame([])
    if refresh:
        before = before[~before["feature"].isin(features)]
    wanted = [feature for feature in features if feature not in set(before["feature"])]
    rows = neuronpedia.single(model, source, wanted, progress)
    return pd.concat([before, frame(rows, date=today())], ignore_index=True), name


def neuronpedia_id(choice: ReaderChoice) -> str:
    """Where the reader's SAE stands on Neuronpedia, as SAELens's registry says."""
    source = presets.resolve(choice)
    place = ""
    if source.release:
        # Seconds to import, and most sources need none of it.
        from sae_lens.loading.pretrained_saes_directory import get_pretrained_saes_directory

        entry = get_pretrained_saes_directory().get(source.release)
        place = (entry.neuronpedia_id or {}).get(source.sae_id) or "" if entry else ""
    if not place:
        raise UserError(
            "SAELens does not say where this reader's SAE stands on Neuronpedia; "
            "name it with --import neuronpedia:MODEL/SOURCE."
        )
    return place


def _hub(choice: ReaderChoice, where: str, refresh: bool) -> tuple[pd.DataFrame, str]:
    if not where:
        model = GOODFIRE_MODELS.get(presets.resolve(choice).release)
        if model is None:
            raise UserError(
                "No labels on the Hugging Face Hub are known for this reader; name a file with "
                "--import hf:OWNER/REPO/FILE.json."
            )
        where = "/".join([GOODFIRE[0], GOODFIRE[1].format(model=model)])
    name = f"hf:{where}"
    path = None if refresh else kept(name)
    if path is not None:
        return files.read_parquet(path, "download it again with --refresh"), name
    parts = where.split("/")
    kind = "dataset" if parts[0] == "datasets" else None
    parts = parts[1:] if kind else parts
    if len(parts) < 3:
        raise UserError(
            f"'{name}' names no file; write hf:OWNER/REPO/FILE.json, or hf:datasets/OWNER/REPO/FILE.json."
        )
    repo, file = "/".join(parts[:2]), "/".join(parts[2:])
    try:
        fetched = Path(hf_hub_download(repo, file, repo_type=kind))
    except LocalEntryNotFoundError as error:
        raise UserError(
            f"The Hugging Face Hub cannot be reached for '{file}' of '{repo}'; go online, or import a file."
        ) from error
    except hub.FAULTS as error:
        raise hub.explained(repo, error, file) from error
    table = from_file(fetched, author=repo)
    keep(name, table)
    return table, name


def from_file(path: Path, author: str = "") -> pd.DataFrame:
    """Labels from a CSV, JSONL, Parquet or JSON file; JSON also as an object by feature, or a list by position."""
    if path.suffix.lower() != ".json":
        table = outfile.restored(tables.read(path), EXPORTED)
        return frame(table.to_dict("records"), author or path.name, where=path.name)
    if not path.is_file():
        raise UserError(f"There is no file '{path}'; check the path.")
    most = bounds.limits()
    count, rows = Count(path.name, most), list[dict[str, Any]]()
    try:
        with bounds.text(path, "", most) as stream:
            whole = Document(stream, path.name, most)
            if whole.kind not in ("list", "object"):
                raise UserError(f"'{path.name}' holds no labels; bring an object by feature or a list.")
            for number, (key, entry) in enumerate(whole.members()):
                count.add(1, 0, len(COLUMNS))
                named: dict[str, Any] = {"feature": key} if whole.kind == "object" else {}
                if isinstance(entry, dict):
                    rows.append(named | entry)
                else:
                    rows.append({"feature": number} | named | {"label": entry})
    except UnicodeDecodeError as error:
        raise UserError(f"'{path.name}' is not UTF-8; fetch or write it again.") from error
    return frame(rows, author or path.name, where=path.name)


def frame(rows: Sequence[dict[str, Any]], author: str = "", date: str = "", where: str = "") -> pd.DataFrame:
    """Rows as a table of labels; who wrote them is a machine unless a row says otherwise."""
    made = []
    # The first row speaks for all, as the head of a table does.
    here = set(rows[0]) if rows else set(COLUMNS)
    feature = next((name for name in FEATURE_NAMES if name in here), None)
    label = next((name for name in LABEL_NAMES if name in here), None)
    if feature is None or label is None:
        raise UserError(
            f"'{where}' has no columns 'feature' and 'label' (it has: {', '.join(sorted(map(str, here)))}); "
            "rename two of them."
        )
    for row in rows:
        written = str(row.get(feature, "")).strip()
        number = tables.number(written)
        if number is None:
            raise UserError(f"'{where}' has '{written[:40]}' where a feature's number should stand; mend it.")
        kind = str(row.get("author_kind") or "llm")
        if kind not in ("rule", "llm", "person"):
            raise UserError(f"'{where}' has the author's kind '{kind[:40]}'; use rule, llm or person.")
        # Where the descriptions are what a label is made of, they are not said twice.
        description = row.get("description") if label != "description" else ""
        made.append(
            {
                "feature": number,
                "label": _text(row.get(label)),
                "description": _text(description),
                "author": _text(row.get("author")) or author,
                "author_kind": kind,
                "date": _text(row.get("date")) or date or today(),
                "evidence": _text(row.get("evidence")),
            }
        )
    return pd.DataFrame(made, columns=COLUMNS)


def _text(value: Any) -> str:
    """On one line, and without what no table can hold: labels are shown in cells."""
    return tidy(" ".join(tables.as_text(value).split()))
