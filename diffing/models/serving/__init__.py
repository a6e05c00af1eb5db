"""Weights served by vLLM for one run: what would be started, started, watched over, and ended with the run."""
