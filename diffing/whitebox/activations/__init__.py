"""Both models' activations for the same tokens, as they flow into whatever learns from them."""
