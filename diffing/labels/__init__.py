"""What features are called: written, imported, scored blind, contradicted by counts.

Encodings and a diff go in; names that stand come out, each with its author, its date and how it did when scored.
What is handed on here reads them; `labelling` is the step that writes.
"""

from diffing.labels.names import current, dossiers, ever, named, sae_of

__all__ = ["current", "dossiers", "ever", "named", "sae_of"]
