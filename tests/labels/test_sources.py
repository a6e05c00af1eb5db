"""Imported labels: the shapes that Neuronpedia and the Hugging Face Hub send, and everything that goes wrong."""

import gzip
import json
import threading
import urllib.parse
from collections import Counter
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd
import pytest
from huggingface_hub import constants

from diffing import labels
from diffing.common import bounds, files
from diffing.common.errors import UserError
from diffing.labels import names, neuronpedia, sources
from diffing.models.providers import Checkpoint
from diffing.reader import presets
from diffing.study.settings import ReaderChoice
from diffing.study.study import Study
from tests.fakes.watch import Watch

PAIR = [Checkpoint(key=key, name=key, source="import") for key in ("a", "b")]
WHERE = "tiny/0-res"


class Sent(NamedTuple):
    status: int = 200
    body: bytes = b""
    headers: dict[str, str] = {}


class Site:
    """Answers each path by a function of how often it was asked before."""

    def __init__(self) -> None:
        self.answers: dict[str, Callable[[int], Sent]] = {}
        self.asked: Counter[str] = Counter()
        site = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                path = urllib.parse.unquote(self.path)
                answer = site.answers.get(path)
                sent = answer(site.asked[path]) if answer else Sent(404, b'{"error": "not found"}')
                site.asked[path] += self.command == "GET"
                self.send_response(sent.status)
                for name, value in {"Content-Length": str(len(sent.body)), **sent.headers}.items():
                    self.send_header(name, value)
                self.end_headers()
                if self.command == "GET":
                    self.wfile.write(sent.body)

            do_HEAD = do_GET

            def log_message(self, *_: object) -> None:
                """Says nothing."""

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.http.server_address[1]}"


@pytest.fixture
def site(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Site]:
    made = Site()
    threading.Thread(target=made.http.serve_forever, args=(0.02,), daemon=True).start()
    monkeypatch.setattr(neuronpedia, "BUCKET", made.url)
    monkeypatch.setattr(neuronpedia, "SITE", made.url)
    monkeypatch.setattr(neuronpedia, "FIRST_WAIT", 0.01)
    template = f"{made.url}/{{repo_id}}/resolve/{{revision}}/{{filename}}"
    monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
    monkeypatch.setattr(constants, "ENDPOINT", made.url)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    yield made
    made.http.shutdown()
    made.http.server_close()


@pytest.fixture
def study(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Study:
    monkeypatch.setattr(names, "BUNDLED", tmp_path / "none.json")
    return Study.create("s", PAIR, pd.DataFrame({"text": ["Why?"]}))


def explained(index: int, words: str, way: str = "oai_token-act-pair") -> dict[str, Any]:
    source = {"id": f"cl{index}", "modelId": "tiny", "layer": "0-res", "index": str(index), "authorId": "u"}
    made = {"embedding": [0.5, 0.25], "typeName": way, "explanationModelName": "gpt-4o-mini"}
    return {**source, "description": words, **made}


def packed(rows: list[dict[str, Any]]) -> bytes:
    return gzip.compress("\n".join(json.dumps(row) for row in rows).encode())


def page(keys: list[str], more: str = "") -> bytes:
    contents = "".join(f"<Contents><Key>{key}</Key><ETag>&quot;{key}&quot;</ETag></Contents>" for key in keys)
    token = f"<NextContinuationToken>{more}</NextContinuationToken>" if more else ""
    head = '<?xml version="1.0" encoding="UTF-8"?>'
    space = "http://s3.amazonaws.com/doc/2006-03-01/"
    return f'{head}<ListBucketResult xmlns="{space}">{contents}{token}</ListBucketResult>'.encode()


PREFIX = "v1/tiny/0-res/explanations/"
LIST = f"/?list-type=2&prefix={PREFIX}"
FIRST, SECOND = (f"/{PREFIX}batch-{n}.jsonl.gz" for n in (0, 1))


def fill(site: Site) -> None:
    """Two pages of one batch each; feature 10 stands in both, as text order has it."""
    site.answers |= {
        LIST: lambda _: Sent(body=page([FIRST[1:]], "next one")),
        f"{LIST}&continuation-token=next+one": lambda _: Sent(body=page([SECOND[1:], f"{PREFIX}readme.txt"])),
        FIRST: lambda _: Sent(body=packed([explained(1, "tea"), explained(10, "cups", "np_max-act-logits")])),
        SECOND: lambda _: Sent(body=packed([explained(10, "mugs"), explained(2, "")])),
    }


def named(study: Study) -> dict[int, str]:
    return {feature: label.label for feature, label in labels.current(study).items()}


def test_a_whole_source_comes_page_by_page_and_is_downloaded_once(site: Site, study: Study) -> None:
    fill(site)
    told = sources.bring(study, f"neuronpedia:{WHERE}", Watch())
    assert (told["labels"], told["features"], told["left_out"]) == (3, 2, 1)
    # Of two labels the one that saw what the feature promotes stands.
    assert named(study) == {1: "tea", 10: "cups"}
    assert [label.label for label in labels.ever(study)[10]] == ["mugs", "cups"]
    assert labels.current(study)[1].author == "gpt-4o-mini"
    assert labels.current(study)[1].author_kind == "llm"
    before = site.asked.total()
    assert sources.bring(study, f"neuronpedia:{WHERE}", Watch()) == told
    assert site.asked.total() == before
    site.answers[FIRST] = lambda _: Sent(500)
    assert sources.bring(study, f"neuronpedia:{WHERE}", Watch(), refresh=True)["labels"] == 3


def test_a_truncated_file_is_fetched_again(site: Site, study: Study) -> None:
    fill(site)
    whole = packed([explained(1, "tea"), explained(10, "cups")])
    site.answers[FIRST] = lambda again: Sent(body=whole if again else whole[:-12])
    assert sources.bring(study, f"neuronpedia:{WHERE}", Watch())["labels"] == 3
    assert site.asked[FIRST] == 2


def test_a_file_that_stays_truncated_is_reported_and_what_came_is_kept(site: Site, study: Study) -> None:
    fill(site)
    site.answers[SECOND] = lambda _: Sent(body=packed([explained(2, "milk")] * 50)[:-30])
    with pytest.raises(UserError, match=r"batch-1.jsonl.gz' came broken off from Neuronpedia 4 times"):
        sources.bring(study, f"neuronpedia:{WHERE}", Watch())
    assert named(study) == {}
    fill(site)
    sources.bring(study, f"neuronpedia:{WHERE}", Watch())
    assert site.asked[FIRST] == 1


@pytest.mark.attack("R5")
@pytest.mark.parametrize(
    ("limit", "most", "fault"),
    [
        ("LARGEST_REPLY", 20, "sends more than 2e-05 MB for one file"),
        ("LONGEST_REPLY", -1.0, "takes more than -1 s for one file"),
        ("MOST_PAGES", 1, "lists files without end"),
    ],
)
def test_a_bucket_that_sends_too_much_is_given_up(
    site: Site, study: Study, monkeypatch: pytest.MonkeyPatch, limit: str, most: float, fault: str
) -> None:
    fill(site)
    with monkeypatch.context() as small, pytest.raises(UserError, match=fault):
        small.setattr(neuronpedia, limit, most)
        sources.bring(study, f"neuronpedia:{WHERE}", Watch())
    assert set(site.asked.values()) == {1}
    assert sources.bring(study, f"neuronpedia:{WHERE}", Watch())["labels"] == 3


@pytest.mark.attack("R5")
def test_a_batch_that_unpacks_to_much_more_is_refused(site: Site, study: Study) -> None:
    fill(site)
    site.answers[FIRST] = lambda _: Sent(body=gzip.compress(b"a" * 40_000_000))
    with pytest.raises(UserError, match="batch-0.jsonl.gz' unpacks to more than 200 times its size"):
        sources.bring(study, f"neuronpedia:{WHERE}", Watch())


@pytest.mark.attack("R5")
@pytest.mark.parametrize("form", ["[", '{"3": '])
def test_a_file_of_labels_that_nests_without_end_is_a_sentence(tmp_path: Path, form: str) -> None:
    path = tmp_path / "labels.json"
    path.write_text(form + "[" * 200_000)
    with pytest.raises(UserError, match="'labels.json' is not JSON at line 1 .it is nested too deeply"):
        sources.from_file(path)


@pytest.mark.attack("R5")
def test_a_file_of_more_labels_than_a_table_may_have_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "labels.json"
    path.write_text(json.dumps([f"label {number}" for number in range(11)]))
    assert len(sources.from_file(path)) == 11
    monkeypatch.setattr(bounds, "MOST_ROWS", 10)
    with pytest.raises(UserError, match="'labels.json' has more than 10 rows"):
        sources.from_file(path)


def test_a_list_that_is_cut_is_asked_for_again(site: Site, study: Study) -> None:
    fill(site)
    whole = site.answers[LIST]
    cut = {"Content-Length": "100000"}
    site.answers[LIST] = lambda again: whole(0) if again else whole(0)._replace(headers=cut)
    assert sources.bring(study, f"neuronpedia:{WHERE}", Watch())["labels"] == 3
    assert site.asked[LIST] == 2


def test_too_many_requests_are_waited_out(site: Site, study: Study) -> None:
    fill(site)
    page_one = site.answers[LIST]
    site.answers[LIST] = lambda again: page_one(0) if again == 2 else Sent(429, headers={"Retry-After": "0"})
    assert sources.bring(study, f"neuronpedia:{WHERE}", Watch())["labels"] == 3
    site.answers[LIST] = lambda _: Sent(429, headers={"Retry-After": "3600"})
    with pytest.raises(UserError, match=r"127.0.0.1:\d+ cannot be read \(HTTP 429\); try again later"):
        sources.bring(study, f"neuronpedia:{WHERE}", Watch(), refresh=True)


def test_a_line_that_is_no_label_costs_only_itself(site: Site, study: Study) -> None:
    fill(site)
    lines = b'{"index": "1", "description": "tea"}\n{"index": "x"}\nnonsense\n[]\n'
    site.answers[FIRST] = lambda _: Sent(body=gzip.compress(lines))
    watch = Watch()
    assert sources.bring(study, f"neuronpedia:{WHERE}", watch)["labels"] == 2
    assert [line.split(",")[1][:7] for line in watch.lines[:3]] == [" line 2", " line 3", " line 4"]


@pytest.mark.parametrize(
    ("listed", "fault"),
    [
        (Sent(body=page([])), "has no labels for 'tiny/0-res'"),
        (Sent(body=b"<html>"), "sent no list of files"),
        (Sent(404), "is not where it was"),
        (Sent(403), "HTTP 403"),
    ],
)
def test_a_bucket_without_what_is_wanted_is_reported(site: Site, study: Study, listed: Sent, fault: str) -> None:
    site.answers[LIST] = lambda _: listed
    with pytest.raises(UserError, match=fault):
        sources.bring(study, f"neuronpedia:{WHERE}", Watch())


def test_single_features_come_from_the_api_and_a_missing_one_is_passed_over(site: Site, study: Study) -> None:
    scores = [{"id": "s", "value": 0.8, "explanationScoreTypeName": "eleuther_fuzz"}]
    one = {"modelId": "tiny", "index": "3", "explanations": [explained(3, "milk") | {"scores": scores}]}
    site.answers |= {
        "/api/feature/tiny/0-res/3": lambda again: Sent(body=json.dumps(one).encode()) if again else Sent(503),
        "/api/feature/tiny/0-res/5": lambda _: Sent(body=b'{"index": "5", "explanations": []}'),
        "/api/feature/tiny/0-res/7": lambda _: Sent(body=json.dumps(one).encode()),
    }
    watch = Watch()
    assert sources.bring(study, f"neuronpedia:{WHERE}", watch, [3, 4, 5])["labels"] == 1
    assert named(study) == {3: "milk"}
    assert watch.lines == ["Neuronpedia has no feature 4 of tiny/0-res"]
    assert '"eleuther_fuzz": 0.8' in str(labels.current(study)[3].evidence)
    sources.bring(study, f"neuronpedia:{WHERE}", Watch(), [3, 7])
    assert named(study) == {3: "milk", 7: "milk"}
    assert site.asked["/api/feature/tiny/0-res/3"] == 2


def test_an_unreachable_server_is_told_in_a_sentence(
    study: Study, site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(neuronpedia, "BUCKET", "http://127.0.0.1:9")
    # The Hub's own library tries for 20 seconds before it says the same.
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(UserError, match=r"127.0.0.1:9 cannot be read \(.*refused\); try again later, or import"):
        sources.bring(study, f"neuronpedia:{WHERE}", Watch())
    with pytest.raises(UserError, match="Hub cannot be reached for 'file.json' of 'o/r'; go online"):
        sources.bring(study, "hf:o/r/file.json", Watch())
    assert site.asked.total() == 0


def hub_file(site: Site, path: str, value: Any) -> None:
    body = json.dumps(value).encode()
    headers = {"ETag": '"abc"', "X-Repo-Commit": "0" * 40, "Content-Type": "application/json"}
    site.answers[path] = lambda _: Sent(body=body, headers=headers)


def test_goodfires_labels_come_from_the_hub_once(site: Site, study: Study) -> None:
    path = "/nickjiang/feature_labels/resolve/main/goodfire/meta-llama/Llama-3.1-8B-Instruct.json"
    hub_file(site, path, {"12": "double spaces", "40": "apologies"})
    choice = ReaderChoice(preset="", release="goodfire-llama-3.1-8b-instruct", sae_id="layer_19")
    study.save_settings(study.settings.model_copy(update={"reader": choice}))
    told = sources.bring(study, "hf", Watch())
    assert told["source"] == "hf:nickjiang/feature_labels/goodfire/meta-llama/Llama-3.1-8B-Instruct.json"
    assert named(study) == {12: "double spaces", 40: "apologies"}
    assert labels.current(study)[12].author == "nickjiang/feature_labels"
    asked = site.asked.total()
    sources.bring(study, "hf", Watch())
    assert site.asked.total() == asked


def test_a_data_set_on_the_hub_is_named_as_one(site: Site, study: Study) -> None:
    hub_file(site, "/datasets/o/r/resolve/main/x.json", [{"index": 3, "explanation": "milk"}])
    sources.bring(study, "hf:datasets/o/r/x.json", Watch())
    assert named(study) == {3: "milk"}


def test_a_repository_without_the_file_is_reported(site: Site, study: Study) -> None:
    site.answers["/o/r/resolve/main/x.json"] = lambda _: Sent(404, headers={"X-Error-Code": "EntryNotFound"})
    with pytest.raises(UserError, match="'o/r' has no file 'x.json'"):
        sources.bring(study, "hf:o/r/x.json", Watch())


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.csv", "feature,label\n1,tea\n2,milk\n"),
        ("a.csv", "index,explanation,other\n1,tea,x\n2,milk,y\n"),
        ("a.json", '{"1": "tea", "2": {"label": "milk", "author": "me"}}'),
        ("a.json", '["", "tea", "milk", ""]'),
        ("a.json", '[{"feature": 1, "label": "tea"}, {"feature": 2, "label": "milk"}]'),
        ("a.jsonl", '{"feature": 1, "label": "tea"}\n{"feature": 2, "label": "milk"}\n'),
    ],
)
def test_a_users_file_in_any_usual_shape(study: Study, tmp_path: Path, name: str, text: str) -> None:
    (tmp_path / name).write_text(text)
    sources.bring(study, str(tmp_path / name), Watch())
    assert named(study) == {1: "tea", 2: "milk"}


def test_a_file_may_say_that_a_person_wrote_it(study: Study, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("feature,label,author,author_kind\n1,tea,Ada,person\n")
    sources.bring(study, str(tmp_path / "a.csv"), Watch())
    assert (labels.current(study)[1].author, labels.current(study)[1].author_kind) == ("Ada", "person")


@pytest.mark.parametrize(
    ("name", "text", "fault"),
    [
        ("a.json", "{", "'a.json' is not JSON"),
        ("a.json", "3", "holds no labels"),
        ("a.csv", "x,y\n1,2\n", "has no columns 'feature' and 'label' \\(it has: x, y\\)"),
        ("a.csv", "feature,label\none,tea\n", "has 'one' where a feature's number should stand"),
        ("a.csv", "feature,label,author_kind\n1,tea,oracle\n", "the author's kind 'oracle'"),
        ("a.csv", "feature,label\n1,\n2,\n", "has 0 labels of this reader's features and 2 rows that fit none"),
        ("b.json", None, "There is no file"),
    ],
)
def test_what_is_wrong_with_a_users_file(
    study: Study, tmp_path: Path, name: str, text: str | None, fault: str
) -> None:
    if text is not None:
        (tmp_path / name).write_text(text)
    with pytest.raises(UserError, match=fault):
        sources.bring(study, str(tmp_path / name), Watch())


def test_labels_of_another_sae_are_refused(study: Study, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sources, "_n_features", lambda _study: 4)
    (tmp_path / "a.json").write_text(json.dumps({str(n): "tea" for n in range(10)}))
    with pytest.raises(UserError, match="has 4 labels of this reader's features and 6 rows that fit none"):
        sources.bring(study, str(tmp_path / "a.json"), Watch())
    assert not list(files.cache_dir("labels").iterdir())


def test_a_reader_without_a_known_place_must_name_one(study: Study) -> None:
    with pytest.raises(UserError, match="does not say where this reader's SAE stands on Neuronpedia"):
        sources.bring(study, "neuronpedia", Watch())
    with pytest.raises(UserError, match="No labels on the Hugging Face Hub are known for this reader"):
        sources.bring(study, "hf", Watch())


def test_saelens_knows_where_its_saes_stand_on_neuronpedia() -> None:
    choice = ReaderChoice(preset="", release="gpt2-small-res-jb", sae_id="blocks.0.hook_resid_pre")
    assert sources.neuronpedia_id(choice) == "gpt2-small/0-res-jb"


def test_links_to_neuronpedia_are_those_of_the_registry() -> None:
    for name, place in presets.NEURONPEDIA.items():
        assert sources.neuronpedia_id(ReaderChoice(preset=name)) == place
