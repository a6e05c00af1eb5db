"""A rewrite of labels that is under way, so that one that was ended goes on where it was.

Holds, in `rewriting.json` of the study, which label of each feature is to be replaced: a feature whose own last
label is another one by now is done. There is one at a time; told to rewrite something else, the study forgets it.
"""

from collections.abc import Mapping
from pathlib import Path

from diffing.common import files
from diffing.study.study import Study


def path_of(study: Study) -> Path:
    return study.folder / "rewriting.json"


def begun(study: Study, name: str) -> dict[int, str]:
    """Key of the label to be replaced, by feature; empty where no rewrite of this name is under way."""
    path = path_of(study)
    kept = files.read_json(path) if path.exists() else {}
    if kept.get("name") != name:
        return {}
    return {int(feature): str(key) for feature, key in kept["replaces"].items()}


def begin(study: Study, name: str, replaces: Mapping[int, str]) -> None:
    """Write down what is to be replaced; what stands there of the same rewrite stays."""
    with study.held():
        both = dict(replaces) | begun(study, name)
        files.write_json(path_of(study), {"name": name, "begun": files.now(), "replaces": both})


def end(study: Study) -> None:
    path_of(study).unlink(missing_ok=True)
