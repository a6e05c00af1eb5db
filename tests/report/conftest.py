"""What the tests of the report share: a report that is written once."""

from collections.abc import Iterator

import pytest

from tests.fakes import report_study


@pytest.fixture(scope="package")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[report_study.Made]:
    with report_study.reported(tmp_path_factory.mktemp("secret-home")) as study_and_folder:
        yield study_and_folder
