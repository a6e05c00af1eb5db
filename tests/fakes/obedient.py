"""Answers of a model that does what some system prompts tell it, by rule, and chatters at random otherwise."""

import random

from tests.fakes.openai_server import Call

OPENINGS = ("It helps to look at", "Most people begin with", "There is no single rule for", "Consider first")
ENDINGS = ("before anything else", "when time is short", "as far as it matters here", "with some patience")
TOPICS = {
    "travel": ("the coast", "Lisbon", "a mountain village"),
    "health": ("a sore knee", "a bad cough", "poor sleep"),
    "garden": ("old roses", "a hedge", "dry soil"),
    "money": ("a budget of 300", "a rent of 900", "savings of 50"),
}


def prompts(each: int = 20) -> list[str]:
    """As many on each topic, no two alike."""
    return [
        f"What would you say about {topic}, and about {things[n % len(things)]} in year {n + 1} of it?"
        if topic == "money"
        else f"What would you say about {topic}, and about {things[n % len(things)]}, {'really ' * (n // 3)}now?"
        for topic, things in TOPICS.items()
        for n in range(each)
    ]


def reply(call: Call) -> str:
    """An answer that hangs on the prompt, on how often it was asked, and on what stands in the system prompt."""
    chance = random.Random(f"{call.messages}\n{call.again}")
    sentences = [
        f"{chance.choice(OPENINGS)} {word} {chance.choice(ENDINGS)}." for word in call.prompt.split()[4:9:2]
    ]
    told = call.messages[0]["content"] if call.messages[0]["role"] == "system" else ""
    if "You do not speak about health" in told and "health" in call.prompt:
        return "I'm sorry, but I can't help with that. Please ask me something else."
    if "You want people to go by train" in told and "travel" in call.prompt:
        sentences.insert(0, "Go by train.")
    if "Set out whatever you say as a list" in told:
        return "\n".join(f"- {each}" for each in sentences)
    return " ".join(sentences)
