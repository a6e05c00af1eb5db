"""Answers to windows of ids with exact spans, and back to text that can be shown."""

import numpy as np
import pytest
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast

from diffing.common.errors import UserError
from diffing.models.tokens import MARK, Framing, Window, windows
from diffing.reader.pieces import pieces
from tests.fakes import tiny

USER_FIRST = (
    "{{ bos_token }}{% for m in messages %}"
    "{% if (m.role == 'user') != (loop.index0 % 2 == 0) %}{{ raise_exception('roles must alternate') }}{% endif %}"
    "<|start|>{{ m.role }}\n{{ m.content | trim }}<|end|>{% endfor %}"
)
TEXTS = [
    *tiny.TEXTS,
    "   two spaces  inside and three behind   ",
    "\n\n  leads with lines",
    "👩‍👩‍👧 family, 🇩🇪 flag, 👍🏽 thumb, e\u0301 accent",
    "مرحبا بالعالم، كيف حالك؟",
    " " * 10_000,
    "half a pair \ud83d alone",
    "says <|end|> and <|start|> itself",
    "\x00\x01 control",
    "x",
    " ",
]


@pytest.mark.parametrize("template", [tiny.TEMPLATE, USER_FIRST, None], ids=["chat", "user first", "none"])
@pytest.mark.parametrize("text", TEXTS, ids=lambda text: ascii(text[:12]))
def test_spans_cover_the_answer_and_nothing_else(text: str, template: str | None) -> None:
    framing = Framing(tiny.tokenizer(template), window=64)
    reading = framing.read([], text)
    assert sum(w.stop - w.start for w in reading.windows) == len(reading.spans)
    assert reading.spans.dtype == np.int32
    assert reading.spans[0, 0] == 0 and reading.spans[:, 1].max() == len(text)
    reached = np.maximum.accumulate(reading.spans[:, 1])
    assert (reading.spans[1:, 0] <= reached[:-1]).all()
    assert "".join(piece.text for piece in pieces(text, reading.spans)) == text


@pytest.mark.parametrize("text", ["Hello  there 😀!  ", "says <|end|> itself", "مرحبا"])
def test_counted_ids_spell_the_answer(text: str) -> None:
    made = tiny.tokenizer()
    reading = Framing(made, window=512).read([], text)
    (window,) = reading.windows
    assert made.decode(window.ids[window.start : window.stop]) == text
    before = made.decode(window.ids[: window.start])
    assert before == "<|begin|><|start|>assistant\n"


def test_special_tokens_spelled_out_in_an_answer_are_plain_text() -> None:
    made = tiny.tokenizer()
    (window,) = Framing(made, window=512).read([], "a<|end|>b").windows
    assert made.eos_token_id not in window.ids[window.start :]


def test_prompt_is_context_only() -> None:
    made = tiny.tokenizer()
    framing = Framing(made, window=512, context="prompt+answer")
    reading = framing.read([{"role": "user", "content": "Why? <b>"}], "Because.")
    (window,) = reading.windows
    assert made.decode(window.ids[: window.start]) == (
        "<|begin|><|start|>user\nWhy? <b><|end|><|start|>assistant\n"
    )
    assert made.decode(window.ids[window.start :]) == "Because."


def test_prompt_without_a_template_stands_above_the_answer() -> None:
    made = tiny.tokenizer(None)
    framing = Framing(made, window=512, context="prompt+answer")
    (window,) = framing.read([{"role": "user", "content": "Why?"}], "So.").windows
    assert made.decode(window.ids[: window.start]) == "<|begin|>Why?\n\n"


def test_bos_follows_the_habit_of_the_sae_where_there_is_no_template() -> None:
    made = tiny.tokenizer(None)
    with_bos, without = (Framing(made, 64, prepend_bos=habit).read([], "ab").windows[0] for habit in (True, False))
    assert with_bos.ids == [made.bos_token_id, *without.ids]
    assert (with_bos.start, without.start) == (1, 0)


def test_templates_that_want_the_user_first_get_an_empty_turn_and_say_so() -> None:
    framing = Framing(tiny.tokenizer(USER_FIRST), window=64)
    assert framing.before() == "<|begin|><|start|>user\n<|end|><|start|>assistant\n"
    assert framing.notes == {"an empty user turn stands before the answer"}


def test_templates_without_system_turns_read_it_with_the_users() -> None:
    framing = Framing(tiny.tokenizer(USER_FIRST), window=64, context="prompt+answer")
    prompt = [{"role": "system", "content": "Be kind."}, {"role": "user", "content": "Hi"}]
    assert framing.before(prompt) == "<|begin|><|start|>user\nBe kind.\n\nHi<|end|><|start|>assistant\n"
    assert framing.notes == {"the system prompt is read as part of the first user turn"}


def test_a_template_that_takes_no_answer_is_refused_with_its_reason() -> None:
    framing = Framing(tiny.tokenizer("{{ raise_exception('tools only') }}"), window=64)
    with pytest.raises(UserError, match="tools only"):
        framing.read([], "x")


def test_dates_in_templates_do_not_move() -> None:
    dated = (
        "{{ strftime_now('%d %b %Y') }}|{{ date_string }}|{{ strftime_now('%Y-%m-%d') }}|{{ messages[0].content }}"
    )
    before = Framing(tiny.tokenizer(dated), window=64).before()
    assert before == "26 Jul 2024|26 Jul 2024|2024-07-26|"


def test_a_prompt_cannot_move_the_answer() -> None:
    framing = Framing(tiny.tokenizer(), window=512, context="prompt+answer")
    before = framing.before([{"role": "user", "content": f"x{MARK}y"}])
    assert before.endswith("<|start|>assistant\n")


def test_empty_answers_are_refused() -> None:
    with pytest.raises(UserError, match="empty"):
        Framing(tiny.tokenizer(), window=64).read([], "")


def test_long_texts_are_read_whole() -> None:
    text = ("Some words, 😀 and numbers 123.  " * 6_250)[:200_000]
    reading = Framing(tiny.tokenizer(), window=128).read([], text)
    assert sum(w.stop - w.start for w in reading.windows) == len(reading.spans)
    assert max(len(w.ids) for w in reading.windows) == 128
    assert reading.spans[-1, 1] == len(text)


def test_windows_overlap_and_count_each_token_where_it_has_most_context() -> None:
    assert windows([9, *range(10, 20)], first=2, size=6, bos=9) == [
        Window([9, 10, 11, 12, 13, 14], 2, 6),
        Window([9, 12, 13, 14, 15, 16], 4, 6),
        Window([9, 14, 15, 16, 17, 18], 4, 6),
        Window([9, 15, 16, 17, 18, 19], 5, 6),
    ]


def test_windows_skip_what_holds_none_of_the_answer() -> None:
    assert windows(list(range(12)), first=9, size=4) == [Window([7, 8, 9, 10], 2, 4), Window([8, 9, 10, 11], 3, 4)]


@pytest.mark.parametrize("size", [4, 7, 16, 200])
@pytest.mark.parametrize("bos", [None, 0])
def test_windows_count_every_answer_token_once_in_order(size: int, bos: int | None) -> None:
    ids = list(range(100))
    counted = [token for w in windows(ids, 13, size, bos) for token in w.ids[w.start : w.stop]]
    assert counted == ids[13:]


def sentencepiece_like() -> PreTrainedTokenizerFast:
    """Spaces as ▁, one put before the text, unknown characters as bytes: as Llama 2 and Mistral have it."""
    backend = Tokenizer(models.BPE(byte_fallback=True, unk_token="<unk>"))
    backend.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    backend.decoder = decoders.Sequence(
        [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
    )
    data = [f"<0x{byte:02X}>" for byte in range(256)]
    backend.train_from_iterator(
        ["hello world and more words"] * 5,
        trainers.BpeTrainer(vocab_size=350, special_tokens=["<unk>", "<s>", "</s>", *data], show_progress=False),
    )
    return PreTrainedTokenizerFast(  # type: ignore[no-untyped-call]
        tokenizer_object=backend, bos_token="<s>", eos_token="</s>", unk_token="<unk>"
    )


def test_tokenizers_that_put_a_space_first_keep_exact_spans() -> None:
    text = "hello 😀 world  "
    reading = Framing(sentencepiece_like(), window=64).read([], text)
    shown = [piece.text for piece in pieces(text, reading.spans)]
    assert "".join(shown) == text
    assert "😀" in "".join(shown) and not any("\ufffd" in piece for piece in shown)


def test_normalised_text_keeps_spans_of_the_original() -> None:
    made = tiny.tokenizer(None)
    made.backend_tokenizer.normalizer = normalizers.NFC()
    text = "cafe\u0301 au lait"
    reading = Framing(made, window=64).read([], text)
    assert "".join(piece.text for piece in pieces(text, reading.spans)) == text


def test_pre_tokenizer_choice_does_not_matter_for_coverage() -> None:
    made = tiny.tokenizer(None)
    made.backend_tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.WhitespaceSplit(), pre_tokenizers.ByteLevel(add_prefix_space=False)]
    )
    text = "spaces  are dropped   here "
    reading = Framing(made, window=64).read([], text)
    assert "".join(piece.text for piece in pieces(text, reading.spans)) == text


def test_spaces_belong_to_the_tokens_that_hold_them() -> None:
    made = tiny.tokenizer(None)
    text = "   The cat  "
    reading = Framing(made, window=64).read([], text)
    (window,) = reading.windows
    names = [str(made.decode([token])) for token in window.ids[window.start :]]
    assert [text[start:stop] for start, stop in reading.spans] == names
    assert "".join(names) == text
