"""Who answers for a checkpoint: named providers, how a checkpoint is written, where keys and prices come from.

A checkpoint is written `openrouter:google/gemini-2.5-flash`, `vllm:NAME`, `http://host:8000/v1#NAME`, `hf:FOLDER`
or `import`. Promises that a key is read from the environment or `.env` at the moment of use and is kept nowhere.
Prices are list prices of the day noted: a provider's own report of a cost always goes before them.
"""

import os
import re
import tomllib
from pathlib import Path
from typing import Any, NamedTuple

from dotenv import dotenv_values
from pydantic import Field, field_validator

from diffing.common import files
from diffing.common.errors import UserError
from diffing.common.step import Settings

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
"""A checkpoint's key and a study's name: both stand in file names and in columns. No dot first, as that would hide
a file or leave its folder; 64 is short enough for any file system with a few words around it."""


class Checkpoint(Settings):
    """A model under study."""

    key: str
    """Short name inside the study: a column value, a word in file names."""
    name: str
    """What people read."""
    source: str
    """`provider:model`, `hf:folder or id`, or `import`."""
    base_url: str = ""
    """Endpoint, where the provider is not a named one."""
    key_env: str = ""
    """Name of the environment variable that holds the key, where the provider is not a named one."""
    extra_body: dict[str, Any] = Field(default_factory=dict)
    """Sent with each request of this checkpoint only, over the study's own `extra_body`."""

    @field_validator("key")
    @classmethod
    def _plain_key(cls, key: str) -> str:
        if not NAME.fullmatch(key):
            raise ValueError(f"{key!r} is no checkpoint key; use letters, digits, '.', '_' and '-'")
        return key


class Provider(NamedTuple):
    """An OpenAI-compatible service."""

    base_url: str
    key_env: str
    """Environment variable that holds its key; empty where none is needed."""


PROVIDERS = {
    "openrouter": Provider("https://openrouter.ai/api/v1", "OPENROUTER_API_KEY"),
    "openai": Provider("https://api.openai.com/v1", "OPENAI_API_KEY"),
    "gemini": Provider("https://generativelanguage.googleapis.com/v1beta/openai", "GEMINI_API_KEY"),
    "vllm": Provider("http://127.0.0.1:8000/v1", ""),
    "ollama": Provider("http://127.0.0.1:11434/v1", ""),
}

VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,63}")
"""What an environment variable may be called; a key with a dash, as OpenAI's and OpenRouter's, is no such name."""

LIST_PRICES = {
    "gemini-2.0-flash": (0.10, 0.40),
    "gemini-2.5-flash": (0.30, 2.50),
    "gemini-2.5-flash-lite": (0.10, 0.40),
    "gpt-4o": (2.50, 10.00),
    "gpt-4o-mini": (0.15, 0.60),
}
"""Dollars per million tokens in and out, January 2026; used where nobody reports a cost and `prices.toml` in the
home names no other."""


class Endpoint(NamedTuple):
    """Where one checkpoint is asked."""

    provider: str
    base_url: str
    key_env: str
    model: str


class Price(NamedTuple):
    """Dollars per token."""

    tokens_in: float
    tokens_out: float

    def of(self, tokens_in: float, tokens_out: float) -> float:
        return self.tokens_in * tokens_in + self.tokens_out * tokens_out


def parse(text: str, key: str, key_env: str = "") -> Checkpoint:
    """A checkpoint from `provider:model`, `URL#model`, `hf:folder` or `import`, optionally after `Name=`."""
    # A name ends at the first '=' and holds no ':', '/' or '#': a '=' inside a URL or after a provider is no
    # name's.
    name, text = re.match(r"(?:([^=:#/]+)=)?(.*)", text, re.DOTALL).groups()  # type: ignore[union-attr]
    if key_env and not VARIABLE.fullmatch(key_env):
        # Not repeated here: it may be the key itself, which must not be shown or stored.
        raise UserError("What stands for the key's variable is no variable's name; set the key in one, name that.")
    if text.startswith(("http://", "https://")):
        base_url, _, model = text.partition("#")
        if "@" in base_url or "?" in base_url:
            raise UserError(
                "A URL with a password or parameters would be stored; name the key's variable instead."
            )
        if not model:
            raise UserError(f"'{text}' names no model; write the URL, then '#', then the model's name.")
        return Checkpoint(
            key=key, name=name or model, source=f"custom:{model}", base_url=base_url.rstrip("/"), key_env=key_env
        )
    kind, _, model = text.partition(":")
    if text == "import":
        return Checkpoint(key=key, name=name or key, source="import")
    if kind not in PROVIDERS and kind != "hf":
        known = ", ".join([*PROVIDERS, "hf"])
        raise UserError(
            f"'{text}' is no checkpoint; write PROVIDER:MODEL (providers: {known}), URL#MODEL or import."
        )
    if not model:
        raise UserError(
            f"'{text}' names no model; write it after the colon, as in 'openrouter:google/gemini-2.5-flash'."
        )
    if kind == "hf" and Path(model).expanduser().is_dir():
        # A job runs in another folder.
        text = f"hf:{Path(model).expanduser().resolve()}"
    return Checkpoint(key=key, name=name or model, source=text, key_env=key_env)


def endpoint(checkpoint: Checkpoint) -> Endpoint:
    """Where an API checkpoint is asked."""
    kind, _, model = checkpoint.source.partition(":")
    provider = PROVIDERS.get(kind, Provider("", ""))
    base_url = checkpoint.base_url or provider.base_url
    if not base_url:
        raise UserError(
            f"Checkpoint '{checkpoint.key}' ({checkpoint.source}) has no endpoint to ask; "
            "import its answers or name a provider."
        )
    return Endpoint(kind, base_url, checkpoint.key_env or provider.key_env, model)


def key_of(variable: str) -> str | None:
    """The value of a key's variable: the environment first, then `.env` in the home or the project."""
    written = [dotenv_values(folder / ".env").get(variable) for folder in (files.home(), files.PROJECT)]
    return next((key.strip() for key in (os.environ.get(variable), *written) if key and key.strip()), None)


def need_key(point: Endpoint) -> str:
    """The key for an endpoint, or a word that it is missing; local servers need none."""
    # The library refuses to be without a key, and a local server does not look at it.
    if not point.key_env:
        return "none"
    key = key_of(point.key_env)
    if not key:
        raise UserError(
            f"The key for {point.base_url} is not set; put {point.key_env} into the environment or a .env file."
        )
    if not (key.isascii() and key.isprintable()):
        # Said here, because the HTTP library would repeat the whole header in its message.
        raise UserError(f"{point.key_env} holds characters that no key has; copy the key again.")
    return key


def price(point: Endpoint) -> Price | None:
    """Price of a model by its name, with or without maker's prefix and trailing version digits."""
    own, short = _own_prices(), point.model.rsplit("/", 1)[-1]
    # Who asks for no key sends no bill.
    table = own if not point.key_env else LIST_PRICES | own
    # The name as it is asked for goes first; `google/gemini-2.0-flash-001` is also known as `gemini-2.0-flash`.
    for name in (point.model, short, re.sub(r"-\d{3}$", "", short)):
        if name in table:
            return Price(table[name][0] / 1e6, table[name][1] / 1e6)
    return None if point.key_env else Price(0.0, 0.0)


def _own_prices() -> dict[str, tuple[float, float]]:
    """What the user's `prices.toml` says, in dollars per million tokens in and out."""
    path = files.home() / "prices.toml"
    if not path.exists():
        return {}
    try:
        own = tomllib.loads(path.read_text(encoding="utf-8"))
        return {name: (float(values[0]), float(values[1])) for name, values in own.items()}
    except (ValueError, TypeError, IndexError, KeyError) as error:
        raise UserError(
            f"'{path.name}' is wrong ({error}); write '\"model\" = [in, out]' in dollars per million tokens."
        ) from error
