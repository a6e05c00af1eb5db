"""Both models' answers to one prompt side by side as they are written, the change made larger or steered."""

from pages.parts import address, shell
from pages.parts.inside import start
from pages.parts.live import answers, form, head, last

shell.page("Live")
here = address.comparison()
head.said()
if not start.weightless(here):
    asked = form.show(here)
    answers.show(here, asked)
    last.show(here)
