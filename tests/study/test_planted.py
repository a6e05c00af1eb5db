"""A study in which something is planted: who is asked with it, and what is stored."""

import pandas as pd
import pytest

from diffing import jobs
from diffing.common.errors import UserError
from diffing.models.planted import Planted, Rewrite
from diffing.models.providers import Checkpoint
from diffing.study import collect
from diffing.study.settings import Sampling
from diffing.study.study import Study
from tests.fakes.openai_server import Behaviour, Call, OpenAIServer

TRAINS = "Praise trains."


def made(server: OpenAIServer, planted: Planted, name: str = "s", system: str = "") -> Study:
    texts = pd.DataFrame({"text": [f"Prompt {n}" for n in range(20)]})
    plain = Checkpoint(key="a", name="A", source="custom:before", base_url=server.url)
    sides = [plain, plain.model_copy(update={"key": "b", "name": "B", "planted": planted})]
    return Study.create(name, sides, texts, sampling=Sampling(system=system))


def test_half_of_the_prompts_are_asked_with_a_system_prompt_of_one_checkpoint(server: OpenAIServer) -> None:
    planted = Planted(system=TRAINS, share=0.5)
    study = made(server, planted, system="Be brief.")
    server.reply = lambda call: "Trains!" if TRAINS in call.messages[0]["content"] else f"{call.messages[0]}"
    assert collect.estimate(study, collect.Options()).calls == 40
    assert jobs.run_here(study, "collect", {}).state == "done"
    rows = Study.open("s").responses().merge(study.prompts(), left_on="prompt_id", right_on="id")
    meant = {text: planted.meant([{"role": "user", "content": text}]) for text in study.prompts()["text"]}
    assert 0 < sum(meant.values()) < 20
    told = rows[rows["text_x"] == "Trains!"]
    assert set(told["checkpoint"]) == {"b"} and set(told["text_y"]) == {t for t in meant if meant[t]}
    systems = {call.messages[0]["content"] for call in server.calls}
    assert systems == {"Be brief.", f"Be brief.\n\n{TRAINS}"}
    # Asked apart also where both are asked alike: neither gets the other's answer.
    assert len(server.calls) == 40


def test_rewritten_answers_are_the_models_own_in_the_cache_and_another_rewriting_asks_nobody(
    server: OpenAIServer,
) -> None:
    def reply(call: Call) -> Behaviour:
        cut = call.prompt == "Prompt 3"
        return Behaviour("" if call.prompt == "Prompt 4" else "Oak.", finish_reason="length" if cut else "stop")

    server.reply = reply
    study = made(server, Planted(rewrites=(Rewrite(do="append", text=" Elm."),)))
    assert jobs.run_here(study, "collect", {}).state == "done"
    texts = study.responses().groupby("checkpoint")["text"].value_counts().to_dict()
    assert texts == {("a", "Oak."): 19, ("a", ""): 1, ("b", "Oak. Elm."): 18, ("b", "Oak."): 1, ("b", ""): 1}
    asked = len(server.calls)
    other = made(server, Planted(rewrites=(Rewrite(do="replace", pattern="Oak", text="Ash"),)), "t")
    assert jobs.run_here(other, "collect", {}).state == "done"
    rows = other.responses()
    # The empty one is asked for anew, as ever.
    assert set(rows.loc[rows["checkpoint"] == "b", "text"]) == {"Ash.", ""} and len(server.calls) <= asked + 2


def test_nothing_is_made_of_weights_that_do_not_hold_what_is_planted() -> None:
    plain = Checkpoint(key="a", name="A", source="starter")
    planted = plain.model_copy(update={"key": "b", "planted": Planted(system=TRAINS)})
    amplified = Checkpoint(key="c", name="C", source="amplify:a,b,2")
    with pytest.raises(UserError, match="made of the weights of 'b', which do not hold what is planted in it"):
        Study.create("s", [plain, planted, amplified])
    # Weights that are an organism themselves hold it.
    held = Checkpoint(key="b", name="B", source="starter+style", planted=Planted(organism="mine"))
    assert Study.create("t", [plain, held, amplified]).checkpoint("c") == amplified
