"""What was seen from inside: the results that a study has of two checkpoints, looked at without loading a model.

For pages, commands and agents. Holds which results stand for which method, why one is outdated, what each
points at beside its nulls, and the sentence that a rule makes of all. Promises that looking changes nothing and
that a result is called outdated where its method, the texts or answers it read, or the weights are known to
have changed: of weights only names, sizes and dates of files are compared, of those on the Hub the commit in
the cache.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

from diffing.common import files
from diffing.common.errors import UserError
from diffing.common.kept import Rests, kept
from diffing.common.paths import expanded
from diffing.models import local
from diffing.models.local import Weights
from diffing.study import responses
from diffing.study.study import Study
from diffing.whitebox import method, results
from diffing.whitebox.sight import clues, evidence
from diffing.whitebox.sight.clues import Clue
from diffing.whitebox.sight.evidence import Judged

FOLDER = "whitebox"
ASKED = "asked.json"
"""In a pair's folder: of each method the result that was asked for last, and what it was made from."""
NONE = "Nothing has been looked at from inside yet."
OLDER = "The method gives other numbers since then."


class Null(NamedTuple):
    """A null that a result stands beside."""

    name: str
    """Of its folder."""
    told: str
    """What it is, in words."""


class Seen(NamedTuple):
    """A method's result on a pair."""

    name: str
    title: str
    place: Path
    """The folder: `results.load` opens it, and each of its `nulls/`."""
    options: dict[str, Any]
    judged: Judged
    nulls: tuple[Null, ...]
    lacking: int
    """Nulls that were asked for and are not there yet."""
    outdated: str
    """Why it is no longer true, as a sentence; empty where nothing is known to have changed."""
    date: str

    def table(self, name: str, columns: Sequence[str] | None = None) -> pd.DataFrame:
        """A table of the pair's, or some of its columns."""
        return results.table(self.place, name, columns)

    def null_tables(self, name: str, columns: Sequence[str] | None = None) -> list[pd.DataFrame]:
        """The same table of each null that it is held against."""
        return [results.table(place, name, columns) for place in self._null_places]

    def facts(self) -> dict[str, Any]:
        """The pair's single figures."""
        return results.facts(self.place)

    def null_facts(self) -> list[dict[str, Any]]:
        """Those of each null that it is held against."""
        return [results.facts(place) for place in self._null_places]

    @property
    def _null_places(self) -> list[Path]:
        return [self.place / "nulls" / name for name in self.judged.nulls]


class Refused(NamedTuple):
    """A method that cannot be used on these checkpoints, or a null that cannot be made of them."""

    name: str
    why: str

    @property
    def title(self) -> str:
        return method.said(self.name).title if self.name in method.METHODS else f"The null {self.name}"

    @property
    def named(self) -> str:
        return f"{self.title}: {self.why}"

    @property
    def said(self) -> str:
        return f"Left out: {self.named}"


class Inside(NamedTuple):
    """All that is seen of two checkpoints."""

    study: str
    base: str
    variant: str
    methods: tuple[Seen, ...] = ()
    clues: tuple[Clue, ...] = ()
    """What all methods point at, the strongest above its nulls first."""
    sentence: str = NONE
    refused: tuple[Refused, ...] = ()
    """What was asked for last and left out."""

    def method(self, name: str) -> Seen:
        for each in self.methods:
            if each.name == name:
                return each
        there = ", ".join(each.name for each in self.methods) or "none"
        raise UserError(
            f"Study '{self.study}' has no result of '{name}' on these checkpoints (there: {there}); run it first."
        )


def folder_of(study: Study, base: str, variant: str) -> Path:
    return study.folder / FOLDER / f"{base}-{variant}"


def there(study: Study, base: str = "", variant: str = "") -> bool:
    """Whether there is anything to be seen."""
    return not study.one_sided and bool(_asked(study, *study.sides(base, variant)))


def of(study: Study, base: str = "", variant: str = "") -> Inside:
    """All results of two checkpoints, judged; the study's first two unless named."""
    base, variant = study.sides(base, variant)
    found = [
        _seen(study, base, variant, name, told)
        for name, told in _asked(study, base, variant).items()
        if name in method.METHODS and results.exists(_place(study, base, variant, told))
    ]
    # In the order of the methods, the most telling first.
    found.sort(key=lambda each: list(method.METHODS).index(each.name))
    judged = {each.name: each.judged for each in found}
    folded = clues.folded(judged)
    refused = tuple(Refused(*each) for each in _told(study, base, variant).get("refused", {}).items())
    said = clues.sentence(judged, folded) if found else NONE
    return Inside(study.name, base, variant, tuple(found), folded, said, refused)


def _place(study: Study, base: str, variant: str, told: Mapping[str, Any]) -> Path:
    return folder_of(study, base, variant) / str(told["place"])


def _seen(study: Study, base: str, variant: str, name: str, told: dict[str, Any]) -> Seen:
    place = _place(study, base, variant, told)
    settings = results.settings(place)
    cells = [path for path in sorted(place.glob("nulls/*")) if results.exists(path)]
    nulls = tuple(Null(path.name, str(results.settings(path)["null"])) for path in cells)
    beside = [(path.name, results.figures(path)) for path in cells]
    judged = evidence.judged(results.figures(place), beside, method.said(name).margin)
    return Seen(
        name=name,
        title=method.said(name).title,
        place=place,
        options=settings["options"],
        judged=judged,
        nulls=nulls,
        lacking=len({*told["nulls"]} - {null.name for null in nulls}),
        outdated=_outdated(study, base, variant, name, told, settings),
        date=str(told["date"]),
    )


def _outdated(
    study: Study, base: str, variant: str, name: str, told: dict[str, Any], settings: dict[str, Any]
) -> str:
    if settings["version"] != method.said(name).version:
        return OLDER
    return changed(study, base, variant, told["texts"]["source"], told)


# What was asked.


def _told(study: Study, base: str, variant: str) -> dict[str, Any]:
    path = folder_of(study, base, variant) / ASKED
    told: dict[str, Any] = files.read_json(path, "run 'inside' again") if path.exists() else {}
    # Two pairs of keys may make one name, as both may have a dash.
    return told if told.get("sides") == [base, variant] else {}


def _asked(study: Study, base: str, variant: str) -> dict[str, dict[str, Any]]:
    return dict(_told(study, base, variant).get("methods", {}))


def note(
    study: Study,
    base: str,
    variant: str,
    places: Mapping[str, Path],
    told: Mapping[str, Any],
    refused: Mapping[str, str] | None = None,
) -> None:
    """These results are what was asked for last of their methods; `refused` says of others why there is none."""
    path = folder_of(study, base, variant) / ASKED
    fresh = {name: {"place": place.name, "date": files.now(), **told} for name, place in places.items()}
    before = _told(study, base, variant).get("refused", {})
    # Of methods alone: nulls are chosen anew with every run.
    still = {name: why for name, why in before.items() if name in method.METHODS and name not in places}
    asked = _asked(study, base, variant) | fresh
    files.write_json(path, {"sides": [base, variant], "methods": asked, "refused": still | dict(refused or {})})


def mark(study: Study, base: str, variant: str) -> str:
    """A hash of what was asked and of which nulls are there; empty where nobody looked."""
    asked = _asked(study, base, variant)
    places = [_place(study, base, variant, told) for told in asked.values()]
    nulls = [str(path.relative_to(study.folder)) for place in places for path in sorted(place.glob("nulls/*"))]
    return files.content_hash([asked, nulls], 16) if asked else ""


# What results were made from.


def state(study: Study, base: str, variant: str, source: str) -> dict[str, Any]:
    """What tells cheaply whether weights or texts are still those that were read; `source` as `texts.Choice` has
    it."""
    weights = [_weights(study.checkpoint(key).source) for key in (base, variant)]
    return {"weights": weights, "read": _read(study, source)}


def changed(study: Study, base: str, variant: str, source: str, then: Mapping[str, Any]) -> str:
    """What of an earlier `state` is another now, as a sentence; empty where nothing is known to be."""
    now = state(study, base, variant, source)
    if then["weights"] != now["weights"]:
        return "The weights are others since then."
    if then["read"] != now["read"]:
        return "The texts or answers that it read have changed since then."
    return ""


def _weights(source: str) -> list[Any]:
    """A source and, of what lies here or in the cache, marks that change with it."""
    found = local.parse(source)
    return [source, *(_mark(each) for each in found if each is not None)]


def _mark(weights: Weights) -> Any:
    if weights.ships:
        # The same on every machine, whatever the dates of its files.
        return weights.short
    folder = Path(weights.model) / weights.subfolder
    if not folder.is_dir():
        # The library takes a while to load.
        from diffing.common import hub

        return weights.revision or hub.commit(weights.model)
    found = sorted(path for kind in ("*.safetensors", "*.json") for path in folder.glob(kind))
    return [[path.name, path.stat().st_size, path.stat().st_mtime_ns] for path in found]


def _read(study: Study, source: str) -> Any:
    """A mark of the texts: of a study's answers all of them, of a file its size and date."""
    if source in ("auto", "study"):
        return _answers(study)
    path = expanded(source)
    if source == "own" or source.startswith("hf:") or not path.is_file():
        return source
    return [source, path.stat().st_size, path.stat().st_mtime_ns]


def _rests(study: Study) -> Rests:
    return Rests(
        study.folder, "answers read from inside", [study.folder / n for n in ("prompts.csv", *responses.FILES)]
    )


@kept(1, _rests)
def _answers(study: Study) -> str:
    """A hash of what the texts of a study are made from; empty where there are no answers, and it has none."""
    table = study.responses()
    if not len(table):
        return ""
    prompts = study.prompts()[["id", "split"]].astype(str)
    answers = table.loc[table["error"] == "", ["prompt_id", "checkpoint", "draw", "text"]]
    # Sums of the rows' hashes: rows in another order are the same content.
    return files.content_hash([str(pd.util.hash_pandas_object(t, index=False).sum()) for t in (prompts, answers)])
