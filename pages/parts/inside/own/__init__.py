"""What each method alone can show, a file a method or two, with the nulls' same figures beside it."""
