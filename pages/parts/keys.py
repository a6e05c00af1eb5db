"""Keys of widgets that start from a value which may change.

A widget with a key keeps what was typed whatever its new default is (Streamlit goes by the key alone), so that a
field for feature 12 would still hold 12 on the page of feature 13. A key that names the value starts it anew.
"""

from diffing.common import files


def fresh(name: str, *given: object) -> str:
    """A key for a widget that begins anew when what it was given changes."""
    return f"{name}-{files.content_hash([str(value) for value in given], 8)}"
