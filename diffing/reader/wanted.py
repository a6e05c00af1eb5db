"""Which of a study's answers a run of `encode` reads, and what the reader is shown of each.

Holds no reader: whoever merges what others have read needs the same list.
"""

import pandas as pd

from diffing.common import files
from diffing.common.errors import UserError
from diffing.reader.batches import Task
from diffing.reader.encodings import encodable, own_table
from diffing.study import channels, prompts, responses
from diffing.study.study import Study


def of(study: Study, part: int | None) -> pd.DataFrame:
    """The answers to read: all that can be encoded, or those to so many prompts."""
    wanted = encodable(study)
    if wanted.empty and study.channel != "text":
        raise UserError(
            f"No answer of study '{study.name}' has {channels.CALLED[study.channel]}; read another channel."
        )
    if wanted.empty:
        raise UserError(f"Study '{study.name}' has no answers to encode; collect or import some first.")
    return wanted if part is None else _part(study, wanted, part)


def _part(study: Study, wanted: pd.DataFrame, count: int) -> pd.DataFrame:
    """The answers to so many prompts, and those that the study has read by now."""
    # Ids are hashes: the first ones are a sample, and those of a larger number hold those of a smaller one.
    first = wanted["prompt_id"].drop_duplicates().sort_values().head(count)
    try:
        read = own_table(study)[[*responses.KEY, "answer"]]
    except UserError:
        read = wanted.head(0)[[*responses.KEY, "answer"]]
    known = wanted.merge(read, how="left", on=[*responses.KEY, "answer"], indicator="read")["read"].eq("both")
    return wanted[(wanted["prompt_id"].isin(first)) | known.to_numpy()].reset_index(drop=True)


def tasks_of(study: Study, wanted: pd.DataFrame) -> list[Task]:
    """A task for each answer; its key holds what the reader sees, so the prompt only where it is shown."""
    context = study.settings.reader.context
    table = study.prompts().set_index("id")
    system = study.settings.sampling.system
    tasks = []
    for prompt_id, text in zip(wanted["prompt_id"], wanted["text"], strict=True):
        messages: list[dict[str, str]] = []
        if context == "prompt+answer" and prompt_id in table.index:
            messages = prompts.conversation(table.at[prompt_id, "text"], table.at[prompt_id, "messages"])
            if system:
                messages = [{"role": "system", "content": system}, *messages]
        # Twice the usual digits: these keys are compared over all studies, not within one.
        tasks.append(Task(files.content_hash([messages, text], 32), messages, text))
    return tasks
