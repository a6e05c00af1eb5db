"""Texts that the models of a pair write: by a recipe, as a checkpoint of a study, or while somebody watches."""
