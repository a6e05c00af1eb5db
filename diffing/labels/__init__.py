"""What features are called: written, imported, scored blind, contradicted by counts."""
