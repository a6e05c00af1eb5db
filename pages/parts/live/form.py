"""What is asked: prompt, recipe and length, each in the address, and the button that has both written."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import streamlit as st

from diffing.common.escape import md
from diffing.common.step import checked
from diffing.whitebox.writing import directions as pushing
from diffing.whitebox.writing import live
from diffing.whitebox.writing.live import Asked
from pages.parts import address, load
from pages.parts.address import Comparison
from pages.parts.inside import kept


class Range(NamedTuple):
    """A number of the address."""

    called: str
    low: float
    high: float
    usual: float
    step: float


NUMBERS: Mapping[str, Range] = {
    "alpha": Range("Strength of the change (α)", -1.0, 3.0, 1.0, 0.25),
    "contrast": Range("Contrast", 0.0, 3.0, 0.0, 0.25),
    "length": Range("Tokens", 1, live.MOST, 60, 1),
    "temperature": Range("Temperature", 0.0, 2.0, 0.7, 0.1),
    "seed": Range("Seed", 0, 2**31 - 1, 0, 1),
    "strength": Range("Strength of the steering", -100.0, 100.0, 1.0, 0.5),
    "layer": Range("Layer", 0, 999, 0, 1),
}
"""What a person turns: beyond three times a change, little that can be read is written."""
HELP = {
    "alpha": "0 is A, 1 is B as it is; beyond, the change is made larger; below 0 it is turned round.",
    "contrast": "How far B goes beyond itself, seen from A, among tokens that it finds likely enough.",
    "length": "Most tokens of each answer.",
    "temperature": "0 takes the likeliest token.",
    "seed": "Another seed is another sample; one seed gives both the same chances.",
    "strength": "1 is as long as the mean difference that the lens found.",
    "layer": "The layer, counted from 0, to whose output the direction is added.",
}
FAULTS = "live-faults"
TEXTS = {"prompt": live.PROMPT, "start": live.START}


def show(here: Comparison) -> Asked:
    """The whole form."""
    _mended()
    prompt = st.text_area(
        "Prompt",
        key="prompt",
        bind="query-params",
        height=90,
        max_chars=live.PROMPT,
        placeholder="Ask both something.",
    )
    with st.container(horizontal=True, vertical_alignment="center"):
        raw = st.toggle(
            "As plain text",
            key="raw",
            bind="query-params",
            help="Both go on with the prompt itself, whatever chat template the models have.",
        )
        st.button(
            "A prompt of the study",
            key="next-prompt",
            icon=":material/casino:",
            type="tertiary",
            on_click=_next,
            args=(here,),
        )
    with st.expander(
        "Both answers begin with", expanded=bool(address.text("start") or st.session_state.get("start"))
    ):
        start = st.text_area(
            "Both answers begin with",
            key="start",
            bind="query-params",
            height=90,
            max_chars=live.START,
            label_visibility="collapsed",
            placeholder="Nothing of yours. Take an answer from below, or write what both go on from.",
        )
    with st.container(key="stack-live"):
        left, right = st.columns(2, gap="medium")
        with left:
            alpha = _slider("alpha")
        with right:
            contrast = _slider("contrast")
    numbers = st.columns(3)
    length, temperature, seed = (
        _number(name, column) for name, column in zip(("length", "temperature", "seed"), numbers, strict=True)
    )
    recipe: dict[str, Any] = {"alpha": alpha, "contrast": contrast, "temperature": temperature, "seed": int(seed)}
    recipe["steering"] = _steering(here)
    told = {"prompt": prompt or "", "start": start or "", "raw": raw, "length": int(length), "recipe": recipe}
    return checked("live", Asked, told)


def take(start: str) -> None:
    """Begin both answers with a text, which can be edited."""
    st.session_state["start"] = start[: live.START]


def again(asked: Asked) -> None:
    """Fill the form as it was."""
    recipe = asked.recipe
    fields: dict[str, Any] = {
        "prompt": asked.prompt,
        "start": asked.start,
        "raw": asked.raw,
        "length": asked.length,
        "alpha": recipe.alpha,
        "contrast": recipe.contrast,
        "temperature": recipe.temperature,
        "seed": recipe.seed,
    }
    for part in recipe.steering[:1]:
        fields |= {"steer": part.direction, "strength": part.strength, "layer": part.layer}
    for name, value in fields.items():
        st.session_state[name] = value


def _next(here: Comparison) -> None:
    """The study's next prompt of one turn, of those that discovery may look at."""
    table = load.prompts(here.study)
    texts = [text for text in table.loc[table["split"] == "discovery", "text"] if 0 < len(text) <= live.PROMPT]
    now = str(st.session_state.get("prompt", ""))
    if texts:
        place = texts.index(now) + 1 if now in texts else 0
        st.session_state["prompt"] = texts[place % len(texts)]


def _mended() -> None:
    """A value of the address that cannot be taken gets a sentence, and the usual one its place."""
    faults = {}
    for name, asked in NUMBERS.items():
        said = address.text(name)
        if said and not _fits(said, asked):
            whole = "a whole number" if isinstance(asked.step, int) else "a number"
            faults[name] = (
                f"{md(asked.called)} in this link is '{md(said[:40])}' where {whole} from {asked.low:g} to "
                f"{asked.high:g} was to be; it is {asked.usual:g} instead."
            )
    for name, most in TEXTS.items():
        if len(address.text(name)) > most:
            faults[name] = f"The {name} in this link has more than {most:,} characters and is left out."
    if faults:
        # Widgets take what the address had when the run began.
        st.session_state[FAULTS] = [*faults.values()]
        address.put(**dict.fromkeys(faults))
        st.rerun()
    for fault in st.session_state.pop(FAULTS, []):
        st.warning(fault)


def _fits(said: str, asked: Range) -> bool:
    try:
        value = float(said)
    except ValueError:
        return False
    # A comparison with what is no number is false.
    return asked.low <= value <= asked.high and (isinstance(asked.step, float) or value.is_integer())


def _slider(name: str) -> float:
    of = NUMBERS[name]
    found = st.slider(
        of.called, of.low, of.high, of.usual, of.step, key=name, bind="query-params", help=HELP[name]
    )
    return round(float(found), 6)


def _number(name: str, place: Any) -> float:
    of = NUMBERS[name]
    kind: Any = type(of.step)
    found = place.number_input(
        of.called,
        kind(of.low),
        kind(of.high),
        kind(of.usual),
        of.step,
        key=name,
        bind="query-params",
        help=HELP[name],
    )
    # An emptied field is the usual one.
    return round(float(of.usual if found is None else found), 6)


def _steering(here: Comparison) -> list[dict[str, Any]]:
    """A direction that was found inside, where anything was."""
    known = kept.directions(here.study, here.a, here.b)
    if (wanted := address.text("steer")) and wanted not in known:
        st.warning(f"There is no direction '{md(wanted[:60])}' here (any more); nothing is steered.")
        address.put(steer=None)
        wanted = ""
    if not known:
        return []
    # Kept in the address by hand: bound by Streamlit it would stand there as it is called, and a link that names
    # it would choose nothing.
    if "steer" not in st.session_state:
        st.session_state["steer"] = wanted
        if wanted and not address.text("layer"):
            _own_layer()
    left, middle, right = st.columns([2, 1, 1])
    chosen = left.selectbox(
        "Steer B along",
        ["", *known],
        key="steer",
        format_func=_called,
        on_change=_own_layer,
        help="What the lens, principal directions or a dictionary found, added at every token: a strength of 1 is "
        "what the change itself brings.",
    )
    if chosen != wanted:
        address.put(steer=chosen or None)
    strength, layer = _number("strength", middle), _number("layer", right)
    if not chosen:
        return []
    return [{"direction": chosen, "layer": int(layer), "strength": strength}]


def _own_layer() -> None:
    """A direction is added where it was found, unless another layer is then chosen."""
    layer = str(st.session_state["steer"]).partition("#")[2].partition("-")[0]
    st.session_state["layer"] = int(layer or 0)


def _called(name: str) -> str:
    if not name:
        return "nothing"
    file, _, vector = name.partition("#")
    layer, _, rest = vector.partition("-")
    if file.startswith(f"{pushing.DICTIONARY}-"):
        # Between the kind and the mark stands the dictionary's own name, which may have dashes.
        return f"latent {rest} of dictionary {file.removeprefix(f'{pushing.DICTIONARY}-').rpartition('-')[0]}"
    if file.startswith(f"{pushing.PCA}-"):
        return f"the mean at layer {layer}" if rest == "mean" else f"principal direction {rest} at layer {layer}"
    return f"the lens at layer {layer}, " + (f"position {rest}" if rest.isdigit() else f"{rest} positions")
