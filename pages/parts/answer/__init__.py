"""What the page Answer is made of: the sentence, behaviours one by one, what changed most, what did not."""
