"""The page of three or more checkpoints: the sentence, the charts, the table, and the way to any two of them."""

from html import unescape

import pytest
from streamlit.testing.v1 import AppTest

from diffing.diff import outlier, timeline, told
from diffing.report import folder
from diffing.study.study import Study
from pages.parts.timeline import choice
from pages.parts.timeline.table import pair
from tests.diff.test_timeline import answer
from tests.fakes.diff_study import made
from tests.fakes.watch import Watch
from tests.pages.test_pages import opened


@pytest.fixture
def four() -> Study:
    return made(answer, prompts=80, keys="abcd", encoded=False)


def page(study: Study, **query: str) -> AppTest:
    return opened("pages/timeline.py", study=study.name, **query)


def links(app: AppTest) -> dict[str, str]:
    """Of the page and its sidebar, by label: the address of each."""
    return {link.proto.label: link.proto.query_string for link in app.get("page_link")}


def test_the_sentence_comes_first_then_charts_and_what_changed(four: Study) -> None:
    app = page(four)
    (said,) = [html.value for html in app.html if "class='said'" in html.value]
    assert told.said(timeline.of(four)).headline in said
    parts = [html.value for html in app.html if "class='part'" in html.value]
    assert len(parts) == len(told.said(timeline.of(four)).parts) >= 2
    assert "uses bold (4 → 78" in parts[0]
    table = app.dataframe[0].value
    bold = table.set_index("says").loc["uses bold"]
    assert bold[["a", "b", "c", "d", "where"]].tolist() == [
        *("2\u00a0%", "5\u00a0%", "80\u00a0%", "75\u00a0%"),
        "b → c",
    ]
    assert len(app.get("plotly_chart")) >= 3
    assert "uses emoji" not in table["says"].to_list()
    every = page(four, every="true").dataframe[0].value
    assert every.set_index("says").loc["uses emoji", "where"] == "–"


def test_any_two_checkpoints_are_a_click_from_their_answer_page(four: Study) -> None:
    found = links(page(four))
    assert "Timeline" in found
    assert {label: found[label] for label in found if " → " in label} == {
        "a → b": "study=study",
        "b → c": "study=study&a=b&b=c",
        "c → d": "study=study&a=c&b=d",
        "a → c": "study=study&b=c",
        "a → d": "study=study&b=d",
        "b → d": "study=study&a=b&b=d",
    }


def test_checkpoints_and_their_order_stand_in_the_address(four: Study) -> None:
    app = page(four, checkpoints="d,b,a")
    assert list(app.dataframe[0].value.columns)[6:9] == ["d", "b", "a"]
    app.multiselect[0].set_value(["a", "b", "c"]).run()
    assert app.query_params["checkpoints"] == "a,b,c"
    app.multiselect[0].set_value(["a", "b"]).run()
    assert "Choose three checkpoints" in app.info[0].value
    for wrong in ("a,b", "a,b,x", "a,a,b", "²"):
        (warning,) = page(four, checkpoints=wrong).warning
        assert "three or more different" in warning.value or "no checkpoint" in warning.value


def test_a_study_of_two_has_no_timeline_and_no_link_to_it() -> None:
    study = made(prompts=3, encoded=False)
    app = page(study)
    assert app.info[0].value == "This study has two checkpoints; a timeline takes three or more."
    assert "Timeline" not in links(app)


def test_of_a_set_it_is_said_who_stands_apart_and_the_view_stands_in_the_address(four: Study) -> None:
    app = page(four, view=choice.SET)
    found = outlier.of(four)
    (said,) = [html.value for html in app.html if "class='said'" in html.value]
    assert outlier.said(found).headline in said
    assert any("<b>d stands apart:</b>" in html.value for html in app.html)
    table = app.dataframe[0].value.set_index("says")
    opening = table.loc[next(says for says in table.index if "Right away" in says)]
    assert (opening["where"], opening["d"], opening["a"]) == ("d", "100\u00a0%", "0\u00a0%")
    app.segmented_control[0].set_value(choice.ORDER).run()
    assert "between b and c" in next(html.value for html in app.html if "class='said'" in html.value)


def test_a_row_leads_to_the_two_checkpoints_that_show_it_best(four: Study) -> None:
    along, apart = timeline.of(four), outlier.of(four)
    rows = {row["item"]: row for _, row in along.items.iterrows()}
    assert pair(along, rows["bold"]) == (1, 2)
    assert pair(along, rows["hedges"]) == (0, 3)
    hedges = next(row for _, row in apart.items.iterrows() if row["item"] == "hedges")
    means = apart.points_of("probe", "hedges")["value"].to_numpy()
    other, one = pair(apart, hedges)
    assert abs(means[one] - means[other]) == max(abs(means[one] - means))


def test_a_report_along_the_series_is_made_shown_and_called_outdated_here(four: Study) -> None:
    assert "Make the report" in [button.label for button in page(four).button]
    folder.run(four, folder.Options(series=True), Watch())
    app = page(four)
    assert not app.exception and not app.warning
    assert [button.proto.label for button in app.get("download_button")] == [
        *("Download all figures", "Everything (zip)", "The page", "One page", "Picture"),
    ]
    assert told.said(timeline.of(four)).headline in unescape(unescape(app.get("iframe")[0].proto.srcdoc))
    # Another order is another report.
    assert len(page(four, checkpoints="d,b,a").get("download_button")) == 1
    assert len(page(four, view=choice.SET).get("download_button")) == 1
    four.activate(four.prompts()["id"].tolist()[:1], False)
    assert any("the prompts changed" in warning.value for warning in page(four).warning)
