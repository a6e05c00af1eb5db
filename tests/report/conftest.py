"""What the tests of the report share: a report that is written once."""

from collections.abc import Iterator

import pytest

from diffing.diff import compute
from diffing.report import facts
from tests.fakes import report_study


@pytest.fixture(scope="package")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[report_study.Made]:
    with report_study.reported(tmp_path_factory.mktemp("secret-home")) as study_and_folder:
        yield study_and_folder


@pytest.fixture(scope="package")
def gathered(tmp_path_factory: pytest.TempPathFactory) -> Iterator[facts.Facts]:
    """What its report is made from, for tests that need no report."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DIFFING_HOME", str(tmp_path_factory.mktemp("home")))
        study = report_study.make(patch)
        report_study.with_findings(study)
        compute.compute(study, "old", "new")
        yield facts.gather(study, "old", "new")
