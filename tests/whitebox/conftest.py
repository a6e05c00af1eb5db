"""A tiny pair of Llama's shape, one a module; a module that wants others makes `folders` its own."""

import pytest

from diffing.whitebox.pairs.opening import open_pair
from diffing.whitebox.pairs.pair import Pair
from tests.fakes import pairs as fakes
from tests.fakes.pairs import Folders


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> Folders:
    return fakes.make(tmp_path_factory.mktemp("pairs"), "llama")


@pytest.fixture(scope="module")
def pair(folders: Folders) -> Pair:
    return open_pair(folders.low_rank)
