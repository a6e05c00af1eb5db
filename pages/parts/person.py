"""Who is at a page: the name beside what they write, and what is grey for whoever may only look.

At home the name is what its owner types; where a team logs in it is that of who is logged in, shown and locked. A
grey button is a courtesy: the engine refuses the change itself (`diffing.common.who`).
"""

from typing import Any

import streamlit as st

from diffing.common import who
from diffing.common.escape import esc

LOCKED = "You may look at everything here; its editors make changes."


def name(said: object) -> str:
    """The name beside a change: of who is logged in, else what was said."""
    return who.acting().name or str(said or "person")


def field(about: str) -> str:
    """The field for a name, which comes along from page to page; filled and locked for who is logged in."""
    mine = who.acting().name
    if mine:
        st.text_input("Your name", mine, key="logged-in", disabled=True, help="Under this name you are logged in.")
        return mine
    return st.text_input("Your name", "person", key="author", persist_state="session", help=about)


def may_change() -> bool:
    return who.acting().role in ("owner", "editor")


def button(label: str, *, key: str, disabled: bool = False, **more: Any) -> bool:
    """A button that changes something."""
    return st.button(label, key=key, disabled=disabled or not may_change(), **_told(more))


def form_submit_button(label: str, *, key: str, **more: Any) -> bool:
    """The same at the end of a form."""
    return st.form_submit_button(label, key=key, disabled=not may_change(), **_told(more))


def _told(more: dict[str, Any]) -> dict[str, Any]:
    return more if may_change() else more | {"help": LOCKED}


def stop_unknown() -> None:
    """A page that has outlived its login ends here."""
    if who.acting().role == "nobody":
        st.error("Your login has ended. Load this page again to log in.")
        st.stop()


def way_out() -> None:
    """Who is logged in, and the way out; nothing at home."""
    person = who.acting()
    if person.role == "owner":
        return
    # No caption: it would make a link of an address.
    st.html(f"<small style='overflow-wrap:anywhere'>{esc(person.name)} · {person.role}</small>")
    if st.button("Log out", key="log-out", icon=":material/logout:", type="tertiary"):
        st.logout()
