"""Readers by name: what each one is, and choices that name one reader, none or two."""

import subprocess
import sys

import pytest
from sae_lens.loading.pretrained_saes_directory import get_pretrained_saes_directory

from diffing.common.errors import UserError
from diffing.common.files import PROJECT
from diffing.models.hooks import parse_hook
from diffing.reader import presets
from diffing.study.settings import ReaderChoice


def test_presets_name_what_saelens_has() -> None:

    directory = get_pretrained_saes_directory()
    for preset in presets.PRESETS:
        if preset.sae:
            continue
        release = directory[preset.release]
        assert release.repo_id == preset.sae_repo
        path = release.saes_map[preset.sae_id]
        assert preset.sae_file == path or preset.sae_file.startswith(f"{path}/")
        if preset.sae_id.startswith("blocks."):
            assert parse_hook(preset.sae_id).layers == preset.layers


def test_choices_name_one_reader() -> None:
    assert presets.resolve(ReaderChoice()).sae.endswith("starter/sae")
    assert presets.resolve(ReaderChoice(preset="gpt2-small", model="/copy")) == presets.Source(
        "/copy", "gpt2-small-res-jb", "blocks.8.hook_resid_pre", ""
    )
    assert presets.resolve(ReaderChoice(release="r", sae_id="s")) == presets.Source("", "r", "s", "")


@pytest.mark.parametrize(
    "choice",
    [ReaderChoice(preset="nobody"), ReaderChoice(release="r"), ReaderChoice(sae="x", release="r", sae_id="s")],
    ids=["unknown", "half", "two"],
)
def test_choices_that_name_none_or_two_are_refused(choice: ReaderChoice) -> None:
    with pytest.raises(UserError):
        presets.resolve(choice)


def test_a_page_that_lists_readers_loads_no_tensor_library() -> None:
    code = "import sys, diffing.reader.presets; print(*{'torch', 'transformers', 'sae_lens'} & set(sys.modules))"
    told = subprocess.run([sys.executable, "-c", code], cwd=PROJECT, capture_output=True, text=True, check=True)
    assert told.stdout.strip() == ""
