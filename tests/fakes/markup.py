"""Texts full of what surface probes look for, as a strategy for hypothesis."""

from hypothesis import strategies as st

MARKUP = st.lists(
    st.sampled_from(
        [
            "**",
            "*",
            "_",
            "`",
            "```",
            "\n",
            "  ",
            " ",
            "1.",
            "- ",
            "|",
            "---",
            "[a](b)",
            "(",
            ")",
            '"',
            "?",
            "!",
            "…",
        ]
        + [
            "word",
            "I'm",
            "sure",
            "perhaps",
            "#",
            "<b>",
            "\\[",
            "$$",
            "\r\n",
            "\t",
            "İ",
            "ẞ",
            "😊",
            "\u202e",
            "\ud800",
        ]
    )
).map("".join)
LETTER = """Sure! Here is a plan  for you. It might work.

# Week one
1. **Rest**: sleep, e.g. nine hours.
2) _Walk_ 30% more — slowly...
## 3. Eat
- apples; pears
* "plums" (ripe)

| day | food |
|-----|------|
| one | soup |

Use `a ! b` or see [this](https://x.org/a_(b)).\x20
```python
x = 1  # WOW! **not bold**\x20\x20
- 1. no
```
I'm sorry, I don't know: very NASA 😊 привет.

In short, keep going. Would you like more?
"""
