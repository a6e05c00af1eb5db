"""The heart: which features differ between two checkpoints, as figure, chart and table of one selection."""

from diffing.diff import selection
from pages.parts import address, compared, headline, shell
from pages.parts.features import filters, pictures, table

shell.page("Features")
here = address.comparison()
found = compared.found(here)

headline.show(found.diff, *here.names)
asked = filters.choose(found)
rows = selection.prepared(found.table, found.diff.categories, asked.group)
chosen = selection.chosen(rows, asked)
filters.tell(found, asked, chosen)
pictures.show(here, found, asked, rows, chosen)
table.show(here, asked, chosen)
headline.settings(found.diff)
