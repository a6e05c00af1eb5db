"""Who answers for a checkpoint: named providers, how a checkpoint is written, where keys and prices come from.

A checkpoint is written `openrouter:google/gemini-2.5-flash`, `vllm:NAME`, `http://host:8000/v1#NAME`, `hf:FOLDER`
or `starter` (`local`), `amplify:A,B,2` and its like (`made`), or `import`. Promises that a key is read from the
environment or `.env` at the moment of use and is kept nowhere, those of servers of this process aside; that a
provider's key goes to that provider's host alone, any other only where somebody at this machine allowed it
(`diffing.models.allowed`), and none over plain HTTP beyond this machine. A variable that may go nowhere is not
read. Prices are list prices of the day noted: a provider's own report of a cost always goes before them.
"""

import os
import re
import tomllib
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from dotenv import dotenv_values
from pydantic import Field, ValidationError, field_validator, model_validator

from diffing.common import files
from diffing.common.errors import UserError
from diffing.common.step import Settings, first_fault
from diffing.models import allowed, body, hosts, local, made
from diffing.models.allowed import VARIABLE, Pair
from diffing.models.planted import Planted

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
    """`provider:model`, weights (`local`), what is made of other checkpoints (`made`), or `import`."""
    base_url: str = ""
    """Endpoint, where the provider is not a named one."""
    key_env: str = ""
    """Name of the environment variable that holds the key, where the provider is not a named one."""
    extra_body: dict[str, Any] = Field(default_factory=dict)
    """Sent with each request of this checkpoint only, over the study's own `extra_body`."""

    planted: Planted | None = None
    """What differs in it on purpose, in one whose change is known."""

    @field_validator("key")
    @classmethod
    def _plain_key(cls, key: str) -> str:
        if not NAME.fullmatch(key):
            raise ValueError(f"{key!r} is no checkpoint key; use letters, digits, '.', '_' and '-'")
        return key

    @field_validator("base_url")
    @classmethod
    def _plain_address(cls, base_url: str) -> str:
        if base_url:
            hosts.host_of(base_url)
        return base_url

    @field_validator("key_env")
    @classmethod
    def _plain_variable(cls, key_env: str) -> str:
        if key_env and not VARIABLE.fullmatch(key_env):
            raise ValueError("this is no variable's name; set the key in one, name that")
        return key_env

    @field_validator("extra_body")
    @classmethod
    def _plain_body(cls, extra_body: dict[str, Any]) -> dict[str, Any]:
        return body.checked(extra_body)

    @model_validator(mode="after")
    def _plantable(self) -> "Checkpoint":
        if self.planted is not None and (self.source == "import" or made.is_made(self.source)):
            raise ValueError(
                f"nothing can be planted in '{self.key}', which is {self.source}; name a model that answers by "
                "itself"
            )
        return self


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

LIST_PRICES = {
    "gemini-2.0-flash": (0.10, 0.40),
    "gemini-2.5-flash": (0.30, 2.50),
    "gemini-2.5-flash-lite": (0.10, 0.40),
    "gpt-4o": (2.50, 10.00),
    "gpt-4o-mini": (0.15, 0.60),
}
"""Dollars per million tokens in and out, January 2026; used where nobody reports a cost and `prices.toml` in the
home names no other."""

MOST_DOLLARS = 1e6
"""What is stated beyond this, for a reply or a token, is a slip; sums of what is left stay finite."""


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


def dollars(value: Any) -> float | None:
    """A price or a cost as somebody else states it, as number or text; None unless finite and not negative."""
    try:
        stated = float(value)
    except (TypeError, ValueError, OverflowError):
        return None
    return stated if 0.0 <= stated <= MOST_DOLLARS else None


def parse(text: str, key: str, key_env: str = "") -> Checkpoint:
    """A checkpoint from `provider:model`, `URL#model`, weights, what is made of others, or `import`.

    `Name=` may stand before it. `key_env` is for whoever has no key's variable of its own: another's key is not
    for a named provider.
    """
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
        return _checkpoint(
            text,
            key=key,
            name=name or model,
            source=f"custom:{model}",
            base_url=base_url.rstrip("/"),
            key_env=key_env,
        )
    kind, _, model = text.partition(":")
    if text == "import":
        return _checkpoint(text, key=key, name=name or key, source="import")
    if made.is_made(text):
        found = made.parse(text)
        return _checkpoint(text, key=key, name=name or found.short, source=found.written)
    if local.is_weights(text):
        # As it is known from any folder: a job runs in another one.
        return _checkpoint(text, key=key, name=name or text.removeprefix("hf:"), source=local.parse(text).written)
    if kind not in PROVIDERS:
        raise UserError(
            f"'{text}' is no checkpoint; write PROVIDER:MODEL (providers: {', '.join(PROVIDERS)}), URL#MODEL, "
            f"hf:MODEL, starter, {', '.join(f'{way}:…' for way in made.KINDS)} or import."
        )
    if not model:
        raise UserError(
            f"'{text}' names no model; write it after the colon, as in 'openrouter:google/gemini-2.5-flash'."
        )
    return _checkpoint(
        text, key=key, name=name or model, source=text, key_env="" if PROVIDERS[kind].key_env else key_env
    )


def with_plain(checkpoints: Sequence[Checkpoint]) -> list[Checkpoint]:
    """The checkpoints, and behind them the plain ones that some are made of: findings are verified on those."""
    out = list(checkpoints)
    for checkpoint in checkpoints:
        part = made.parse(checkpoint.source).plain if made.is_made(checkpoint.source) else ""
        if local.is_weights(part) and part not in [each.source for each in out]:
            out.append(parse(part, nth_key(len(out))))
    return out


def nth_key(number: int) -> str:
    """The key of a study's checkpoint by its place: a to z, then a2 to z2 and so on."""
    letter, turn = chr(ord("a") + number % 26), number // 26
    return f"{letter}{turn + 1}" if turn else letter


def _checkpoint(written: str, **fields: Any) -> Checkpoint:
    try:
        return Checkpoint(**fields)
    except ValidationError as error:
        raise UserError(f"'{written}' is no checkpoint: {first_fault(error)}.") from error


def is_local(checkpoint: Checkpoint) -> bool:
    """Whether a checkpoint answers on this machine, by its weights."""
    return local.is_weights(checkpoint.source) or made.is_made(checkpoint.source)


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


def endpoints(checkpoints: Iterable[Checkpoint]) -> list[Endpoint]:
    """Where each of these is asked; imported and local ones are not."""
    asked = [one for one in checkpoints if one.source != "import" and not is_local(one)]
    return [endpoint(one) for one in asked]


def key_of(variable: str) -> str | None:
    """The value of a key's variable: the environment first, then `.env` in the home or the project."""
    written = [dotenv_values(folder / ".env").get(variable) for folder in (files.home(), files.PROJECT)]
    return next((key.strip() for key in (os.environ.get(variable), *written) if key and key.strip()), None)


def owned(point: Endpoint) -> bool:
    """Whether the key is a provider's and the host is that provider's."""
    own = {(hosts.host_of(each.base_url), each.key_env) for each in PROVIDERS.values() if each.key_env}
    return (hosts.host_of(point.base_url), point.key_env) in own


def unsettled(point: Endpoint) -> Pair | None:
    """The host and the variable that somebody has to be asked about; None where there is nothing to ask."""
    if not point.key_env or owned(point):
        return None
    pair = Pair(hosts.host_of(point.base_url), point.key_env)
    return None if pair in allowed.pairs() else pair


def key_state(point: Endpoint) -> str:
    """Whether an endpoint's key is there, in two or three words; a variable that may not be read is not."""
    if not point.key_env:
        return "none needed"
    if unsettled(point) is not None or not hosts.private(point.base_url):
        return "not allowed"
    return "set" if key_of(point.key_env) else "not set"


_MADE: dict[str, str] = {}
"""Keys of the servers that this process has started, by address."""


def hold(base_url: str, key: str) -> None:
    """Keep the key of a server that this process has started: in memory alone, until it is let go."""
    _MADE[base_url] = key


def let_go(base_url: str) -> None:
    _MADE.pop(base_url, None)


def secret(point: Endpoint) -> str | None:
    """What may stand in no words: the key that an endpoint is asked with, where it has one."""
    return _MADE.get(point.base_url) or (key_of(point.key_env) if point.key_env else None)


def need_key(point: Endpoint) -> str:
    """The key for an endpoint, or a word why there is none; local servers need none."""
    if (made_for_it := _MADE.get(point.base_url)) is not None:
        return made_for_it
    # The library refuses to be without a key, and a local server does not look at it.
    if not point.key_env:
        return "none"
    if not hosts.private(point.base_url):
        raise UserError(
            f"The key in {point.key_env} would go to {hosts.host_of(point.base_url)} over plain HTTP, which "
            "others on the way can read; use https, or a tunnel that begins on 127.0.0.1."
        )
    pair = unsettled(point)
    if pair is not None:
        raise allowed.NotAllowed(pair)
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
        return {name: _pair(values) for name, values in own.items()}
    except (ValueError, TypeError, IndexError, KeyError) as error:
        raise UserError(
            f"'{path.name}' is wrong ({error}); write '\"model\" = [in, out]' in dollars per million tokens."
        ) from error


def _pair(values: Any) -> tuple[float, float]:
    tokens_in, tokens_out = dollars(values[0]), dollars(values[1])
    if tokens_in is None or tokens_out is None:
        raise ValueError("a price is a number of dollars that is finite and not negative")
    return tokens_in, tokens_out
