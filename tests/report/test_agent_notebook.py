"""The notebook in which an agent worked goes out with the report: whole, readable, and nothing in it acts."""

from collections.abc import Iterator

import nbformat
import pytest

from diffing.common import files
from diffing.common.errors import UserError
from diffing.report import agent_notebook, last
from tests.fakes import report_study, workshops
from tests.fakes.report_study import KEY, Made


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Made]:
    with pytest.MonkeyPatch.context() as patch:
        report_study.bare(patch)
        with report_study.reported(tmp_path_factory.mktemp("home")) as reported:
            yield reported


def test_it_is_a_notebook_whose_outputs_neither_act_nor_tell(made: Made) -> None:
    _, folder = made
    text = (folder / "agent.ipynb").read_text(encoding="utf-8")
    book = nbformat.reads(text, as_version=4)  # type: ignore[no-untyped-call]
    nbformat.validate(book)
    (cell,) = book.cells
    said, table = cell.outputs
    assert (cell.source, said.text.split(" in ")[0]) == ("show()", "[key]")
    assert table.data["text/html"].startswith("<table><tr><td>") and table.data["text/plain"] == "a table"
    for sign in (KEY, "onclick", "<script", "<img", "javascript:alert(7)", "alert(6)", "\\u001b"):
        assert sign not in text.replace(report_study.HOSTILE, ""), sign


def test_another_cell_makes_the_report_outdated(made: Made) -> None:
    study, _ = made
    before = last.state(study, "old", "new")
    told = agent_notebook.read(study)
    assert told is not None
    told["cells"] = []
    files.write_text(agent_notebook.path_of(study), agent_notebook.text(told))
    assert last.changed({"state": before}, last.state(study, "old", "new")) == ["the agent's notebook"]
    assert agent_notebook.handed(study) is None


def test_a_damaged_one_is_named_with_the_remedy() -> None:
    study = workshops.study_of()
    assert agent_notebook.read(study) is None
    files.write_text(agent_notebook.path_of(study), "{")
    with pytest.raises(UserError, match="agent.ipynb' is damaged .*; move it away"):
        agent_notebook.read(study)
