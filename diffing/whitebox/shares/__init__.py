"""Looking inside, dealt to several machines: the pair and each of its nulls is done and sealed by one of them."""
