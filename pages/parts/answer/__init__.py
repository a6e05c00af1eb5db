"""What the page Answer is made of: the sentence, behaviours, what changed most, what did not, own probes."""
