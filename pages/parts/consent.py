"""Whether an endpoint's key is there and may go to its host, and the button that lets it go there.

The button names both, since a study or a link that came from elsewhere may have named them first.
"""

from collections.abc import Iterable

import streamlit as st

from diffing.common import who
from diffing.common.escape import md
from diffing.models import allowed, hosts, providers
from diffing.models.providers import Endpoint


def show(points: Iterable[Endpoint], place: str) -> None:
    """One line for each key that these want; `place` tells the buttons of one page apart."""
    wanted = {(hosts.host_of(point.base_url), point.key_env): point for point in points if point.key_env}
    for (host, variable), point in sorted(wanted.items()):
        state, where, key = providers.key_state(point), md(host), md(variable)
        if providers.unsettled(point) is not None:
            st.warning(
                f"The key in **{key}** would go to **{where}**, which nobody has allowed yet. Allow it only if "
                "that address is yours or one that you trust with this key."
            )
            if who.acting().role != "owner":
                st.caption(f"Who runs this dashboard allows it: `python -m diffing allow {host} {variable}`")
            elif st.button(f"Let {where} have the key in {key}", key=f"allow-{place}-{host}-{variable}"):
                allowed.allow(host, variable)
                st.rerun()
        elif state == "not allowed":
            st.warning(f"The key in {key} does not go to {where} over plain HTTP: use https or a tunnel.")
        elif state == "set":
            st.caption(f"Key {key}, for {where}: set")
        else:
            st.warning(f"Key {key} is not set. Put it into the environment or a .env file, then reload.")
