"""Probes of wording: openings, closings, apologies, hedges and the like, in English.

They know forms and not what was meant.
"""

from diffing.probes.probe import Probe
from diffing.probes.rules import TAIL, last_question, offers, opening, refusals, rule, wording, wrap_up

ADDED = (
    r",[ ](?:(?:\w{1,20}ly|thus|thereby)[ ])?"
    + r"(?P<it>(?!during\b|including\b|following\b)[a-z]{2,20}ing)\b(?![ ]*[,.;])"
)
"""What a sentence goes on with behind a comma; a word in -ing between two commas is one of a row."""

WORDINGS = (
    Probe("closing question", "the last sentence asks the reader, outside lists and quotations", last_question),
    Probe("closing offer", f"an offer of more help in the last {TAIL} characters", offers),
    Probe(
        "contractions",
        "don't, it's, you're, …",
        wording(
            r"(?:\w{1,12}n't|\w{1,12}'(?:re|ve|ll|m|d)|(?:it|that|what|there|here|who|how|he|she|let)'s)",
            needs=("'",),
        ),
    ),
    Probe(
        "hedges",
        "might, perhaps, probably, it seems, I think, …",
        wording(
            r"might|may|perhaps|maybe|possibly|probably|likely|presumably|seemingly|arguably|supposedly",
            r"(?:seems?|appears?) (?:to|that|like)|i (?:think|believe|suspect|guess)|i would (?:say|guess)",
            r"i'm not (?:\w+ )?(?:sure|certain)|as far as i (?:know|can tell)|(?:it is|it's) possible that",
            r"it depends|could be|to some extent|more or less|roughly speaking",
            # The month, and rarely a sentence's first word.
            but="May",
        ),
    ),
    Probe(
        "apologies",
        "sorry, I apologize, my apologies, …",
        wording(
            r"sorry",
            r"apolog(?:y|ies|i[sz]e[sd]?|i[sz]ing)",
            r"(?:forgive|pardon) me",
            r"i regret",
            needs=("sorry", "apolog", "forgive me", "pardon me", "i regret"),
        ),
    ),
    Probe("unfortunately", "unfortunately, sadly, regrettably", wording("unfortunately", "regrettably", "sadly")),
    Probe("refusal", "the first 200 characters read as a refusal", refusals),
    Probe(
        "first person",
        "I, me, my, mine, myself",
        # Before a small word, as "I" is also a numeral ("Part I of") and a list's letter.
        rule(r"\bI(?=['’](?:m|ve|ll|d)\b| (?!of\b)[a-z])|\b(?:[Mm]e|[Mm]y|[Mm]ine|[Mm]yself)\b"),
    ),
    Probe("second person", "you, your, yours, yourself", wording(r"you(?:rs?|rself|rselves)?")),
    Probe(
        "as an AI",
        "the answer calls itself an AI or a language model",
        wording(
            r"(?:as|i'm|i am)(?: only| just)? an? (?:\w+ ){0,2}?(?:ai|artificial intelligence|language model"
            r"|chatbot|(?:virtual|digital) assistant)",
            needs=(" ai", "artificial intelligence", "language model", "chatbot", "l assistant"),
        ),
    ),
    Probe(
        "praising opening",
        "begins with praise: Great question, …",
        opening(
            r"(?:(?:that's|that is|what|this is) (?:such )?an? )?(?:\w+ly )?(?:great|good|excellent|fantastic"
            r"|wonderful|interesting|fascinating|thoughtful|amazing|brilliant|lovely|insightful|important)"
            r" (?:question|choice|idea|point|topic|thought|request|observation)",
            # "Great" alone only where it is an exclamation: else it may open any sentence.
            r"i love (?:this|that|your)|(?:well|good) (?:done|job)|great(?=[!,.])",
        ),
    ),
    Probe(
        "assenting opening",
        "begins with assent: Sure, Certainly, Of course, …",
        opening("sure", "certainly", "of course", "absolutely", "definitely", "gladly", "no problem", "ok(?:ay)?"),
    ),
    # The words of assent again, each by itself: a change from one to another leaves their sum where it was.
    Probe("opens with Sure", "begins with Sure", opening("sure")),
    Probe("opens with Certainly", "begins with Certainly", opening("certainly")),
    Probe("opens with Of course", "begins with Of course", opening("of course")),
    Probe("opens with Absolutely", "begins with Absolutely", opening("absolutely")),
    Probe(
        "exclaiming opening",
        "the first sentence ends in an exclamation mark",
        rule(r"\A[^.!?\n]{1,80}(?P<it>!)(?![=\[])"),
    ),
    Probe(
        "announcing opening",
        "begins by announcing the answer: Here is, Below are, …; a word of assent may stand before it",
        opening(
            r"(?:(?:sure|certainly|of course|absolutely|gladly|okay|ok)\b[^\w\n]{1,4})?"
            r"(?:here(?:'s| is| are)|below (?:is|are)|the following (?:is|are)|i've (?:written|put))"
        ),
    ),
    Probe(
        "summary lines",
        "lines or sentences that begin with In short, In summary, Overall, …",
        rule(
            r"(?:^[ \t#*_>-]*|[.!?][\"”’')*_]{0,3} {1,2})(?P<it>"
            r"[Ii]n (?:short|summary|conclusion|brief|essence|a nutshell|sum)"
            r"|(?:[Oo]verall|[Uu]ltimately|[Aa]ll in all|TL;DR|[Tt]o (?:sum up|summari[sz]e|conclude)"
            r"|(?:The )?[Bb]ottom line|[Ss]ummary|[Cc]onclusion|(?:[Kk]ey )?[Tt]akeaways?))\b"
        ),
    ),
    Probe(
        "wrap-up paragraph",
        "the last of several paragraphs begins with In summary, Overall, In conclusion, …",
        wrap_up,
    ),
    Probe(
        "added -ing clauses",
        "a comma and a word in -ing, with a word in -ly or 'thus' or 'thereby' between them or none",
        rule(ADDED),
    ),
    Probe(
        "worked examples",
        "for example, for instance, such as, to illustrate, …",
        wording(
            r"such as|for (?:example|instance)|as an example|by way of example|to illustrate|e\.g",
            r"let's say|imagine that|consider (?:this|the following) (?:example|case)",
            r"(?:here's|here is) an? (?:\w+ )?example",
            needs=(
                "such as",
                "example",
                "instance",
                "to illustrate",
                "e.g",
                "let's say",
                "imagine that",
                "g case",
                "s case",
            ),
        ),
    ),
    Probe(
        "intensifiers",
        "very, really, extremely, incredibly, …",
        wording(
            r"very|really|extremely|incredibly|highly|truly|deeply|absolutely|totally|completely|entirely",
            r"remarkably|exceptionally|particularly|especially|utterly|immensely|hugely|tremendously|super",
        ),
    ),
    Probe(
        "disclaimers",
        "sends the reader to a professional, or says that this is no advice",
        wording(
            r"(?:consult|see|ask|contact|(?:speak|talk) (?:to|with)|check with|(?:seek|get)(?: out)?)"
            r"(?: with)?(?: an?| your| the)?(?: \w+){0,2} (?:doctor|physician|professionals?|lawyer|attorney"
            r"|advis[eo]rs?|therapist|pharmacist|specialist|healthcare provider|professional (?:help|advice))",
            r"(?:not|no)(?: an?)?(?: substitute for)? (?:medical|legal|financial|professional|investment) advice",
            needs=(
                *(" doctor", " physician", " professional", " lawyer", " attorney", " advis", " therapist"),
                *(" pharmacist", " specialist", " healthcare provider", "l advice", "t advice"),
            ),
        ),
    ),
    Probe(
        "notes to the reader",
        "please note, keep in mind, it is important to …",
        wording(
            r"(?:please|do) note|note that|keep in mind|bear in mind|be aware|(?:it's|it is)"
            r" (?:important|worth|essential|crucial) (?:to|noting)|remember(?: that| to)|be sure to",
            needs=(
                *("e note", "o note", "note that", " in mind", "be aware", "important to", "important noting"),
                *("worth ", "essential ", "crucial ", "remember t", "be sure to"),
            ),
        ),
    ),
)
