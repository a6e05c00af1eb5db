"""The agents' door: tools by which a program studies checkpoints as a person does, within what it was allowed."""
