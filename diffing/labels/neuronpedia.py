"""Labels from Neuronpedia: whole sources from its public bucket, single features from its API.

A source's files are listed page by page and kept as they come, so that a download that broke off goes on where it
was. Promises that a truncated file is fetched again and never read as a short one. The bucket holds no scores;
the API's stand in a label's evidence, since they are not comparable with ours.
"""

import io
import json
import time
import urllib.parse
from collections.abc import Sequence
from http.client import HTTPException, IncompleteRead
from pathlib import Path
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.request import Request, urlopen
from xml.etree import ElementTree

from diffing.common import bounds, files
from diffing.common.errors import UserError
from diffing.common.step import Progress

SITE = "https://www.neuronpedia.org"
BUCKET = "https://neuronpedia-datasets.s3.us-east-1.amazonaws.com"
TRIES = 4
"""With waits of 1, 2 and 4 seconds between them: enough for a hiccup, and an outage is told soon."""
TIMEOUT = 60.0
"""Seconds without a byte; chosen by eye."""
LONGEST_WAIT = 120.0
"""Seconds: a server that wants more of them is not waited for, since a person may be sitting before the run."""
LARGEST_REPLY = 100_000_000
"""Bytes of a file as it comes, batches packed; chosen by eye."""
LONGEST_REPLY = 600.0
"""Seconds for one file, however steadily it drips; chosen by eye."""
MOST_PAGES = 1_000
"""Pages of a listing, of a thousand files each as the bucket has them; chosen by eye."""
FIRST_WAIT = 1.0
"""Seconds before the second try; each later wait is twice as long."""
PREFERRED = ("oai_token-act-pair", "np_max-act", "np_max-act-logits", "np_acts-logits-general")
"""Ways of explaining, the one that stands in the end last: these see what a feature promotes too. Unknown ways
come before all of them."""


class Missing(Exception):
    """The server has nothing under this address."""


def bulk(model: str, source: str, folder: Path, progress: Progress) -> list[dict[str, Any]]:
    """All labels of a source, as rows for `sources.frame`."""
    listed = listing(f"v1/{model}/{source}/explanations/")
    batches = [(key, tag) for key, tag in listed if key.endswith((".jsonl.gz", ".jsonl"))]
    if not batches:
        raise UserError(
            f"Neuronpedia's bucket has no labels for '{model}/{source}'; check both names on its site."
        )
    rows: list[dict[str, Any]] = []
    for number, (key, tag) in enumerate(batches):
        progress.check()
        progress.update(number, len(batches), "label files")
        # Kept under its content tag: a file that was changed there is another one here.
        rows += _batch(key, folder / f"{files.content_hash([key, tag])}-{Path(key).name}", progress)
    progress.update(len(batches), len(batches), "label files")
    # A feature may stand in several files, and its last label is the one that will stand.
    rows.sort(key=lambda row: (row["feature"], row["rank"]))
    return rows


def listing(prefix: str) -> list[tuple[str, str]]:
    """Keys under a prefix with their content tags, over as many pages as there are."""
    listed: list[tuple[str, str]] = []
    token = ""
    for _ in range(MOST_PAGES):
        query = {"list-type": "2", "prefix": prefix} | ({"continuation-token": token} if token else {})
        try:
            page = ElementTree.fromstring(get(f"{BUCKET}/?{urllib.parse.urlencode(query)}"))
        except ElementTree.ParseError as error:
            raise UserError(f"Neuronpedia's bucket sent no list of files ({error}); try again later.") from error
        except Missing as error:
            raise UserError("Neuronpedia's bucket is not where it was; import a file instead.") from error
        for entry in page.iterfind("{*}Contents"):
            listed.append((entry.findtext("{*}Key", ""), entry.findtext("{*}ETag", "")))
        token = page.findtext("{*}NextContinuationToken", "")
        if not token:
            return listed
    raise UserError(f"Neuronpedia's bucket lists files without end for '{prefix}'; import a file instead.")


def _batch(key: str, path: Path, progress: Progress) -> list[dict[str, Any]]:
    """One file's rows; it is kept once it could be read whole, so what lies here is."""
    if path.exists():
        return _rows(path.read_bytes(), key, progress)
    fault: Exception | None = None
    for _ in range(TRIES):
        try:
            data = get(f"{BUCKET}/{urllib.parse.quote(key)}")
            rows = _rows(data, key, progress)
        except bounds.FAULTS as error:
            fault = error
            continue
        except Missing as error:
            raise UserError(f"Neuronpedia lists '{key}' but does not have it; try again later.") from error
        with files.replacing(path) as temporary:
            temporary.write_bytes(data)
        return rows
    raise UserError(
        f"'{key}' came broken off from Neuronpedia {TRIES} times ({fault}); try again later."
    ) from fault


def _rows(data: bytes, key: str, progress: Progress) -> list[dict[str, Any]]:
    packing = ".gz" if key.endswith(".gz") else ""
    text = b"".join(bounds.unpacked(io.BytesIO(data), key, packing, bounds.limits()))
    rows = []
    for number, line in enumerate(text.split(b"\n"), start=1):
        if not line.strip():
            continue
        try:
            entry = json.loads(line)
            rows.append(_row(int(entry["index"]), entry))
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            # Among a hundred thousand labels of others one may be broken: said in the log, and passed over.
            progress.log(f"{key}, line {number}: no label ({error})")
    return rows


def _row(feature: int, entry: dict[str, Any]) -> dict[str, Any]:
    # The fields may be absent or null, hence the `or`.
    way = str(entry.get("typeName") or "")
    scores = {
        str(score["explanationScoreTypeName"]): score["value"]
        for score in entry.get("scores") or []
        if isinstance(score, dict) and "explanationScoreTypeName" in score and "value" in score
    }
    stated = {"neuronpedia": str(entry.get("id") or ""), "way": way} | ({"scores": scores} if scores else {})
    return {
        "feature": feature,
        "label": str(entry["description"] or ""),
        "author": str(entry.get("explanationModelName") or "Neuronpedia"),
        "author_kind": "llm",
        # As text: a column of a Parquet file has one type, and what is stated differs from row to row.
        "evidence": json.dumps(stated),
        "rank": PREFERRED.index(way) if way in PREFERRED else -1,
    }


def single(model: str, source: str, features: Sequence[int], progress: Progress) -> list[dict[str, Any]]:
    """Labels of some features; one that the site does not have is passed over."""
    rows: list[dict[str, Any]] = []
    for number, feature in enumerate(features):
        progress.check()
        progress.update(number, len(features), "features")
        where = "/".join(urllib.parse.quote(part, safe="") for part in (model, source, str(feature)))
        try:
            answer = json.loads(get(f"{SITE}/api/feature/{where}"))
            explained = [_row(feature, entry) for entry in answer.get("explanations") or []]
        except Missing:
            progress.log(f"Neuronpedia has no feature {feature} of {model}/{source}")
            continue
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise UserError(f"Neuronpedia's answer on feature {feature} cannot be read ({error}).") from error
        # The site gives them in an order of its own, unscored ones first.
        rows += sorted(explained, key=lambda row: (float(row["rank"]), str(row["evidence"])))
    return rows


def _taken(reply: Any, host: str) -> bytes:
    """A reply's bytes; a `UserError` beyond its limits, an `HTTPException` where its end is missing."""
    end, taken = time.monotonic() + LONGEST_REPLY, bytearray()
    # `read1`: one that drips never fills a whole piece.
    while piece := reply.read1(bounds.PIECE):
        taken += piece
        if len(taken) > LARGEST_REPLY:
            raise UserError(
                f"{host} sends more than {LARGEST_REPLY / 1e6:g} MB for one file; import a file instead."
            )
        if time.monotonic() > end:
            raise UserError(f"{host} takes more than {LONGEST_REPLY:g} s for one file; import a file instead.")
    if reply.length:
        # Python says so of `read`, and not of this.
        raise IncompleteRead(bytes(taken), reply.length)
    return bytes(taken)


def get(url: str) -> bytes:
    """What stands under an address; waits and tries again where the server asks for it or breaks off."""
    host = urllib.parse.urlsplit(url).netloc
    wait, fault = FIRST_WAIT, ""
    for attempt in range(TRIES):
        try:
            request = Request(url, headers={"User-Agent": "checkpoint-diffing"})
            with urlopen(request, timeout=TIMEOUT) as reply:
                return _taken(reply, host)
        except HTTPError as error:
            if error.code == 404:
                raise Missing(url) from error
            fault = f"HTTP {error.code}"
            if error.code != 429 and error.code < 500:
                # What is forbidden now is so in a second, too.
                break
            # It may also be a date; then our own wait has to do.
            asked = error.headers.get("Retry-After", "")
            wait = float(asked) if asked.isdecimal() else wait
        except (URLError, HTTPException, OSError) as error:
            fault = str(getattr(error, "reason", "") or error) or type(error).__name__
        if attempt + 1 == TRIES or wait > LONGEST_WAIT:
            break
        time.sleep(wait)
        wait *= 2
    raise UserError(f"{host} cannot be read ({fault}); try again later, or import a file of labels.")
