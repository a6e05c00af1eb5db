"""A study whose answers a scripted server gives, for tests of what asking costs."""

from typing import Any

import pandas as pd

from diffing import jobs
from diffing.models import allowed, providers
from diffing.study.settings import Sampling
from diffing.study.study import Study
from tests.fakes.openai_server import OpenAIServer


def make(server: OpenAIServer, prompts: int, name: str = "s", key_env: str = "", **sampling: Any) -> Study:
    """A study of the server's two models, which may have the key that it names."""
    if key_env:
        allowed.allow(server.url, key_env)
    sides = [providers.parse(f"{server.url}#{model}", model, key_env) for model in ("before", "after")]
    texts = pd.DataFrame({"text": [f"Prompt {i}" for i in range(prompts)]})
    return Study.create(name, sides, texts, sampling=Sampling(**sampling))


def collect(study: Study, **options: Any) -> dict[str, Any]:
    """A run's result, after it was done."""
    told = jobs.run_here(study, "collect", options)
    assert (told.state, told.error) == ("done", "")
    return told.result or {}
