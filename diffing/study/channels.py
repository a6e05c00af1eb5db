"""Channels of an answer: its text, what the model thought before it, and the tools that it called.

A study seen through a channel (`Study.through`) has that channel where its answers' text stands, so that every
step which reads texts reads the channel. Promises that failed and blocked answers stay what they are, and that an
answer which lacks the channel counts as empty: its pair is left out and counted, and never compared with nothing.
"""

from collections.abc import Mapping
from typing import Any, Literal, NamedTuple, get_args

import pandas as pd

from diffing.common import columns
from diffing.common.errors import UserError
from diffing.common.words import count
from diffing.models import speech
from diffing.study import responses

Channel = Literal["text", "reasoning", "tools"]
CHANNELS: tuple[Channel, ...] = get_args(Channel)
CALLED: Mapping[Channel, str] = {"text": "text", "reasoning": "reasoning", "tools": "tool calls"}
"""What people call each."""


def texts(table: pd.DataFrame, channel: Channel) -> "pd.Series[str]":
    """A channel of each answer as a text that can be read."""
    if channel != "tools":
        return table[channel]
    return columns.mapped(lambda tools: "\n\n".join(speech.lines(tools)), table["tools"])


def seen(table: pd.DataFrame, channel: Channel) -> pd.DataFrame:
    """Answers with a channel in place of their text, and the flag that is then theirs."""
    if channel == "text":
        return table
    text = texts(table, channel)
    # A limit cuts what comes last: before a text that has begun, thinking and calls had come to their end.
    ended = (table["finish_reason"] == "length") & (table["text"].str.strip() != "")
    reason = table["finish_reason"].where(~ended, "")
    return table.assign(text=text, flag=columns.mapped(responses.flag, text, reason, table["error"]))


def held(table: pd.DataFrame) -> list[Channel]:
    """The channels that at least one answer has."""
    return [channel for channel in CHANNELS if bool((table[channel].str.strip() != "").any())]


def parted(text: str, tag: str) -> tuple[str, str]:
    """An answer's reasoning and its text, where the reasoning stands before the text between `<tag>` and `</tag>`.

    A chat template may have written the opening tag into the prompt: then the closing one alone parts them.
    What was cut before its end is reasoning, and no text follows it.
    """
    begins, ends = f"<{tag}>", f"</{tag}>"
    if not text.lstrip().startswith(begins) and ends not in text:
        return "", text
    thought, _, rest = text.partition(ends)
    return thought.strip().removeprefix(begins).strip(), rest.lstrip()


class Shared(NamedTuple):
    """How many prompts have a channel."""

    channel: Channel
    prompts: int
    """That were asked of both."""
    both: int
    """With something in the channel on both sides, in one draw at least."""
    a: int
    """With something on A's side."""
    b: int

    def in_words(self) -> str:
        """As a clause: 12 of 200 prompts have reasoning on both sides."""
        has = "has" if self.both == 1 else "have"
        return f"{self.both:,} of {count(self.prompts, 'prompt')} {has} {CALLED[self.channel]} on both sides"


def shared(pairs: pd.DataFrame, channel: Channel, name: str) -> Shared:
    """By a channel's pairs, as `Study.pairs` has them; a `UserError` where no prompt has it on both sides."""
    there = pd.DataFrame({side: ~pairs[f"flag_{side}"].isin(responses.EXCLUDING) for side in ("a", "b")})
    there["both"] = pairs["excluded"] == ""
    by_prompt = there.groupby(pairs["prompt_id"]).any()
    found = Shared(channel, len(by_prompt), *(int(by_prompt[side].sum()) for side in ("both", "a", "b")))
    if not found.both:
        raise UserError(
            f"No prompt of study '{name}' has {CALLED[channel]} on both sides ({found.a:,} on A's, {found.b:,} on "
            "B's), so there is nothing to compare; compare another channel."
        )
    return found


def told(summary: Mapping[str, Any]) -> str:
    """What a stored diff is of, as the beginning of its sentence; empty of the text."""
    if "channel" not in summary:
        return ""
    found = Shared(**summary["channel"])
    return f"{found.in_words()}. In the {CALLED[found.channel]}: "
