"""Own probes on a page: counted before they are kept, nothing typed is lost, and marked in the answers."""

import json
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from diffing.common.files import PROJECT
from diffing.findings import asking
from diffing.probes import own_probes
from diffing.study.study import Study
from pages.parts.answer import own
from pages.parts.compare import probes
from tests.fakes import finding_study, judges
from tests.fakes.openai_server import Call, OpenAIServer
from tests.fakes.watch import Watch


@pytest.fixture
def study(monkeypatch: pytest.MonkeyPatch) -> Study:
    """The section stands where a view of Compare would be, so that nothing hangs on the page that holds it."""
    monkeypatch.setattr(probes, "show", lambda here, _found: own.show(here))
    return finding_study.make(monkeypatch, prompts=80)


def opened(study: Study, **address: str) -> AppTest:
    page = AppTest.from_file(str(PROJECT / "dashboard.py"), default_timeout=300)
    page.switch_page("pages/compare.py")
    for name, value in {"study": study.name, **address}.items():
        page.query_params[name] = value
    page.run()
    assert not page.exception
    return page


def section(study: Study) -> AppTest:
    return opened(study, show="Surface probes")


def typed(page: AppTest, **fields: str) -> AppTest:
    for name, text in fields.items():
        page.text_input(key=f"own-{name}").input(text)
    page.run()
    assert not page.exception
    return page


def press(page: AppTest, key: str) -> AppTest:
    page.button(key=key).click().run()
    assert not page.exception
    return page


def keep(study: Study, name: str, **rule: str) -> None:
    own_probes.add(study, own_probes.made(name, rule=own_probes.rule_of(**rule)))


def plain(text: str) -> str:
    return text.replace("\\", "")


def test_a_rule_is_counted_while_it_is_typed_and_kept_by_a_click(study: Study) -> None:
    page = typed(section(study), text="cake, tea")
    discovery = set(study.prompts().query("split == 'discovery'")["id"])
    answers = study.responses()
    answers = answers[answers["prompt_id"].isin(discovery)]
    shows = answers["text"].str.contains("cake|tea").groupby(answers["checkpoint"]).mean()
    said = plain(next(each.value for each in page.markdown if "discovery prompts" in each.value))
    shares = f"**A {100 * shows['a']:.0f} % → B {100 * shows['b']:.0f} %**"
    assert said.startswith(f"{shares} of answers to {len(discovery)} discovery prompts")
    assert sum("<bdi" in html.value for html in page.html) == 2 * own.LINES
    assert own_probes.load(study) == []
    press(page, "own-keep")
    assert plain(page.error[0].value) == "The probe has no name yet; give it one."
    # Nothing that was typed is lost.
    assert page.text_input(key="own-text").value == "cake, tea"
    press(typed(page, name="sweet things", says="is at table"), "own-keep")
    (kept,) = own_probes.load(study)
    assert (kept.name, kept.shown, kept.saying) == ("sweet things", "says “cake” or “tea”", "is at table")
    assert page.text_input(key="own-text").value == ""
    row = page.dataframe[0].value.iloc[0]
    whole = study.responses()
    share = 100 * whole["text"].str.contains("cake|tea").groupby(whole["checkpoint"]).mean()
    assert (row["probe"], row["frequency_a"], row["frequency_b"]) == (
        "sweet things",
        pytest.approx(share["a"]),
        pytest.approx(share["b"]),
    )


def test_a_wrong_expression_is_told_and_stays(study: Study) -> None:
    page = section(study)
    page.segmented_control(key="own-kind").set_value("regex")
    typed(page, text="^(Sure")
    assert "cannot be read" in page.error[0].value
    press(typed(page, name="sure"), "own-keep")
    assert own_probes.load(study) == []
    assert (page.text_input(key="own-text").value, page.text_input(key="own-name").value) == ("^(Sure", "sure")


def test_a_kept_probe_leads_to_a_pair_where_it_is_marked_and_can_be_removed(study: Study) -> None:
    keep(study, "cakes", words="cake")
    page = section(study)
    link = next(each for each in page.get("page_link") if "probe=own" in each.proto.query_string)
    told = dict(part.split("=") for part in link.proto.query_string.split("&"))
    assert (link.proto.page, told["probe"]) == ("compare", "own%3Acakes")
    shown = opened(study, probe="own:cakes", prompt=told["prompt"])
    marked = [html.value for html in shown.html if html.value.startswith('<div class="box"')]
    assert [">cake</bdi>" in html for html in marked] == [False, True]
    assert any("Marked: <b>cakes</b>, says “cake”" in html.value for html in shown.html)
    press(page, "own-remove")
    assert own_probes.load(study) == []


def test_a_link_to_an_own_probe_that_is_gone_gets_a_sentence(study: Study) -> None:
    assert "no own probe 'own:gone'" in plain(opened(study, probe="own:gone").warning[0].value)


def test_a_question_is_put_only_after_its_price_and_its_sentence_is_marked(
    study: Study, server: OpenAIServer
) -> None:
    def reply(call: Call) -> str:
        yes = "cake" in judges.blocks(call)["answer"]
        return json.dumps({"yes": yes, "sentence": "cake" if yes else ""})

    server.models, server.prices, server.reply = ["judge"], {"judge": (1e-6, 2e-6)}, reply
    page = section(study)
    page.segmented_control(key="own-kind").set_value("question").run()
    press(typed(page, text="Is there cake?", judge=f"{server.url}#judge", name="eats"), "own-keep")
    assert page.button(key="start-ask").disabled
    press(page, "ask-ask")
    assert not page.button(key="start-ask").disabled
    assert any("160 calls" in each.value for each in page.markdown)
    assert server.calls == []
    asking.run(study, asking.Options(probes=["eats"]), Watch())
    assert any("80 prompts count" in each.value for each in page.run().caption)
    prompt = study.prompts().query("split == 'discovery'")["id"].iloc[0]
    shown = opened(study, probe="own:eats", prompt=prompt)
    texts = study.responses().set_index(["prompt_id", "checkpoint"])["text"]
    marked = [html.value for html in shown.html if html.value.startswith('<div class="box"')]
    assert [">cake</bdi>" in html for html in marked] == ["cake" in texts[prompt, side] for side in "ab"]


def test_hostile_words_stay_text(study: Study) -> None:
    evil = "<img src=x onerror=alert(1)> ![x](http://e.example/x.png)"
    own_probes.add(
        study, own_probes.made("evil", rule=own_probes.rule_of(phrase=evil), says=evil, author="<b>Ada</b>")
    )
    page = typed(section(study), text=evil)
    assert not any("<img" in html.value for html in page.html)
    assert not any("e.example" in shown.value for shown in [*page.markdown, *page.caption])
    assert not any("<img" in html.value for html in opened(study, probe="own:evil").html)


def test_probes_come_from_a_file_of_another_study(study: Study, tmp_path: Path) -> None:
    keep(study, "cakes", words="cake")
    own_probes.export(study, tmp_path / "probes.json")
    own_probes.remove(study, "cakes", "Ada")
    page = section(study)
    content = (tmp_path / "probes.json").read_bytes()
    page.file_uploader(key="own-file").upload("probes.json", content, "application/json")
    press(page, "own-take")
    assert [probe.name for probe in own_probes.load(study)] == ["cakes"]
