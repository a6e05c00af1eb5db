"""Which environment variables hold keys, by their names: one rule for all that must not show one."""

from collections.abc import Mapping

WORDS = ("KEY", "TOKEN", "SECRET", "PASSWORD", "CREDENTIAL")
"""Words in a variable's name from which its value is taken for a key: rather one too many than one too few."""


def holds_key(name: str) -> bool:
    """Whether a variable of this name holds a key."""
    return any(word in name.upper() for word in WORDS)


def without_keys(environment: Mapping[str, str]) -> dict[str, str]:
    """The variables that another program may see."""
    return {name: value for name, value in environment.items() if not holds_key(name)}
