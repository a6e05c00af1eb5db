"""What the page Inside is made of: the sentence, clues, findings made of them, each method, the way to run one."""
