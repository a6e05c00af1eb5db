"""What the page Inside is made of: the sentence, the clues, a section for each method, and the way to run one."""
