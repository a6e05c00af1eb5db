"""Which environment variables hold keys, and which of their values look like one.

Two rules for two needs. What another program may not see goes by the variable's name alone, rather one too many.
What is taken out of files that are handed over must look like a key as well, since it would rewrite every answer
that holds the same text.
"""

import math
from collections import Counter
from collections.abc import Mapping

WORDS = ("KEY", "TOKEN", "SECRET", "PASSWORD", "CREDENTIAL")
"""Words in a variable's name from which its value is taken for a key: rather one too many than one too few."""
SHORTEST = 16
"""Characters of a value that looks like a key: shorter ones are words, numbers and paths more often than keys."""
SHORTEST_KNOWN = 8
"""Characters of a value that is known to be a key, from which no text holds it by chance."""
ENTROPY = 3.0
"""Bits a character, by how often each occurs in the value: random hexadecimal digits have 3.5 to 4 at these
lengths, repeated or patterned text has less."""


def holds_key(name: str) -> bool:
    """Whether a variable of this name holds a key."""
    return any(word in name.upper() for word in WORDS)


def looks_like_key(value: str) -> bool:
    """Whether a value is long, without spaces, of letters and digits both, no path, and as mixed as random
    text."""
    mixed = any(c.isdigit() for c in value) and any(c.isalpha() for c in value)
    plain = any(c.isspace() for c in value) or value.startswith(("/", "~", "."))
    return len(value) >= SHORTEST and mixed and not plain and entropy(value) >= ENTROPY


def known_key(value: str) -> bool:
    """Whether the value of a variable that is used as a key can be told from a word of somebody's answer."""
    return len(value) >= SHORTEST_KNOWN and not value.isalpha()


def entropy(value: str) -> float:
    """Bits a character, by how often each occurs."""
    shares = [count / len(value) for count in Counter(value).values()]
    return -sum(share * math.log2(share) for share in shares)


def without_keys(environment: Mapping[str, str]) -> dict[str, str]:
    """The variables that another program may see."""
    return {name: value for name, value in environment.items() if not holds_key(name)}
