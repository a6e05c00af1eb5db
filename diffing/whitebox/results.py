"""What a method leaves on disk: one folder, written whole or not at all, and nothing in it pickled.

A folder holds `settings.json` (what was asked), `facts.json` (single figures), tables as Parquet, arrays as
safetensors, and `figures.parquet`: all that the result can point at (`evidence`). Promises that a killed run
leaves either the earlier result or none, and that a folder's name hangs on all that changes a number in it. What
is no array is read without torch.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import pandas as pd

from diffing.common import files
from diffing.common.errors import UserError

if TYPE_CHECKING:
    from torch import Tensor

SETTINGS, FACTS, FIGURES = "settings.json", "facts.json", "figures.parquet"


class Result(NamedTuple):
    """What a method found on one pair or one null."""

    facts: dict[str, Any]
    tables: dict[str, pd.DataFrame]
    arrays: dict[str, "Tensor"] = {}  # noqa: RUF012 - never written to


def name_of(method: str, asked: Mapping[str, Any]) -> str:
    """The folder's name for a method and all that changes a number."""
    return f"{method}-{files.content_hash([method, dict(asked)], 12)}"


def save(folder: Path, settings: Mapping[str, Any], result: Result, figures: pd.DataFrame | None = None) -> None:
    """Put a result in a folder's place at one stroke, with the figures that its method makes of it."""
    with files.fresh_folder(folder.parent, f".new-{folder.name}-") as fresh:
        files.write_json(fresh / SETTINGS, dict(settings))
        for name, table in result.tables.items():
            files.write_parquet(fresh / f"{name}.parquet", table)
        if figures is not None:
            files.write_parquet(fresh / FIGURES, figures)
        if result.arrays:
            from safetensors.torch import save_file

            for name, tensor in result.arrays.items():
                save_file({name: tensor.contiguous()}, fresh / f"{name}.safetensors")
        # Last, so that a folder with facts is whole whatever moved it here.
        files.write_json(fresh / FACTS, result.facts)
        files.put_folder(fresh, folder)


def exists(folder: Path) -> bool:
    return (folder / FACTS).is_file()


def load(folder: Path) -> Result:
    """What `save` wrote, but for the figures."""
    if not exists(folder):
        raise UserError(f"There is no result '{folder.name}'; run the method first.")
    tables = {
        path.stem: files.read_parquet(path) for path in sorted(folder.glob("*.parquet")) if path.name != FIGURES
    }
    arrays: dict[str, Tensor] = {}
    if packed := sorted(folder.glob("*.safetensors")):
        from safetensors.torch import load_file

        for path in packed:
            arrays |= load_file(path)
    return Result(files.read_json(folder / FACTS), tables, arrays)


def table(folder: Path, name: str, columns: Sequence[str] | None = None) -> pd.DataFrame:
    """One table of a result, or some of its columns: pages want neither the others nor the arrays."""
    path = folder / f"{name}.parquet"
    if not path.is_file():
        raise UserError(f"The result '{folder.name}' has no table '{name}'; run the method again.")
    return files.read_parquet(path, "run the method again", **({"columns": list(columns)} if columns else {}))


def facts(folder: Path) -> dict[str, Any]:
    """Single figures."""
    told: dict[str, Any] = files.read_json(folder / FACTS)
    return told


def settings(folder: Path) -> dict[str, Any]:
    """What was asked."""
    told: dict[str, Any] = files.read_json(folder / SETTINGS)
    return told


def save_figures(folder: Path, figures: pd.DataFrame) -> None:
    """Put other figures in the place of those that a result was saved with."""
    files.write_parquet(folder / FIGURES, figures)


def figures(folder: Path) -> pd.DataFrame:
    """All that a result can point at, in the shape of `evidence.COLUMNS`."""
    return files.read_parquet(folder / FIGURES)
