"""A team's file: where its people log in, who of them may change studies and who may look.

`docs/teams.md` describes it. Promises that a file with a slip opens no door, that no secret stands in it but the
name of the variable that holds one, and that a login counts only for whom it was made out, for its hours, and for
an e-mail address that its provider has checked. Speaks with no provider: Streamlit does.
"""

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, NamedTuple

from pydantic import Field, ValidationError, field_validator, model_validator

from diffing.common.errors import UserError
from diffing.common.step import Settings, first_fault
from diffing.common.who import LONGEST, NOBODY, Person
from diffing.models import allowed, hosts, providers

SKEW = 300.0
"""Seconds by which a provider's clock may be ahead of this one: more is a fault of either."""


class Judged(NamedTuple):
    """What came of a login."""

    person: Person
    fault: str = ""
    """Why it is nobody's; empty where there was none, or where it is somebody's."""


class Login(Settings):
    """Where people show who they are: an OpenID Connect provider."""

    metadata: str
    """Address of its page `.well-known/openid-configuration`."""
    client_id: str = Field(min_length=1)
    secret: str
    """Name of the variable, in the environment or `.env`, that holds the client's secret."""
    hours: float = Field(default=12.0, gt=0, le=24 * 30)
    """How long a login counts, from the moment that the provider made it out: a working day."""
    scope: str = "openid email profile"
    """What the provider is asked to tell; more where groups are a scope of their own."""
    trust_email: bool = False
    """Whether addresses count of which the provider does not say whether it has checked them."""

    @field_validator("metadata")
    @classmethod
    def _private(cls, url: str) -> str:
        if not hosts.private(url):
            raise ValueError("logins go by https alone, but for a provider on this machine; write https://…")
        return url

    @field_validator("secret")
    @classmethod
    def _a_name(cls, name: str) -> str:
        # Not repeated: it may be the secret itself.
        if not allowed.VARIABLE.fullmatch(name):
            raise ValueError("this is no variable's name; put the secret into a variable, and name that here")
        return name

    @field_validator("scope")
    @classmethod
    def _tells_who(cls, scope: str) -> str:
        if not {"openid", "email"} <= set(scope.split()):
            raise ValueError("it has to hold 'openid' and 'email', by which people are known")
        return " ".join(scope.split())


class Team(Settings):
    """The whole file."""

    origin: str
    """What browsers call the dashboard."""
    login: Login
    editors: tuple[str, ...] = ()
    """Who may change studies and start steps: `ada@example.org`, `@example.org`, or `claim=value` of a login."""
    viewers: tuple[str, ...] = ()
    """Who may look, written in the same way."""

    @field_validator("origin")
    @classmethod
    def _plain(cls, text: str) -> str:
        origin = text.lower().removesuffix("/")
        scheme, _, host = origin.partition("://")
        if f"{scheme}://{hosts.host_of(origin)}" != origin or "/" in host:
            raise ValueError("write what browsers show of it, without a path: https://diffing.example.org")
        if not hosts.private(origin):
            raise ValueError("people log in by https alone, but on this machine; put a proxy with TLS before it")
        return origin

    @field_validator("editors", "viewers")
    @classmethod
    def _people(cls, listed: tuple[str, ...]) -> tuple[str, ...]:
        for each in listed:
            claim, equals, value = each.partition("=")
            name, at, domain = each.rpartition("@")
            fine = claim and value if equals else at and "." in domain and "*" not in each and " " not in name
            if not fine:
                raise ValueError(
                    f"'{each}' names nobody; write ada@example.org, @example.org for all of it, or claim=value"
                )
        return listed

    @model_validator(mode="after")
    def _somebody(self) -> "Team":
        if not self.editors:
            raise ValueError("nobody may change anything; name at least one of the editors")
        return self

    def judged(self, claims: Mapping[str, Any], now: float) -> Judged:
        """Who a login is and what they may do, from what the provider said of them."""
        made = claims.get("iat")
        if isinstance(made, bool) or not isinstance(made, int | float):
            return Judged(NOBODY)
        given = claims.get("aud")
        if self.login.client_id not in (given if isinstance(given, list) else [given]):
            return Judged(NOBODY, "This login was made out to another program; log in here.")
        if not -SKEW < now - made < 3600 * self.login.hours:
            return Judged(NOBODY, "Your login has ended; log in again.")
        mail = str(claims.get("email") or "").strip().lower()
        # Providers let people write any address until it was checked, and some never check.
        checked = claims.get("email_verified")
        if checked is not True and not (checked is None and self.login.trust_email):
            return Judged(
                NOBODY, "Your login names no e-mail address that its provider has checked; do that there."
            )
        if "@" not in mail or len(mail) > LONGEST:
            return Judged(NOBODY, f"Your login names no e-mail address of at most {LONGEST} characters; add one.")
        roles: tuple[tuple[Literal["editor", "viewer"], tuple[str, ...]], ...] = (
            ("editor", self.editors),
            ("viewer", self.viewers),
        )
        for role, listed in roles:
            if any(_is(each, mail, claims) for each in listed):
                return Judged(Person(mail, role))
        return Judged(
            NOBODY,
            f"{mail} is not among the people of this dashboard; ask whoever runs it to add you to its file.",
        )


def _is(each: str, mail: str, claims: Mapping[str, Any]) -> bool:
    """Whether an entry of the file means this person."""
    claim, equals, value = each.partition("=")
    if equals:
        has = claims.get(claim)
        return value in has if isinstance(has, list) else value == has
    # The whole domain, from its last sign on: '@example.org' is no end of 'x@evil-example.org'.
    return each.lower() == (f"@{mail.rpartition('@')[2]}" if each.startswith("@") else mail)


def read(path: Path) -> Team:
    """A team's file, checked, its secret at hand."""
    try:
        told = tomllib.loads(path.read_text(encoding="utf-8"))
        team = Team.model_validate(told)
    except OSError as error:
        raise UserError(
            f"The team's file '{path}' cannot be read ({error.strerror}); name one that is there."
        ) from error
    except ValidationError as error:
        raise UserError(f"The team's file '{path}' does not hold: {first_fault(error)}.") from error
    except ValueError as error:
        raise UserError(f"The team's file '{path}' is no TOML ({error}); docs/teams.md shows one.") from error
    secret_of(team)
    return team


def secret_of(team: Team) -> str:
    """The client's secret, which is read where it is used and written nowhere."""
    found = providers.key_of(team.login.secret)
    if not found:
        raise UserError(
            f"The secret of the team's login is not set; put {team.login.secret} into the environment or a .env "
            "file."
        )
    return found
