"""What answers have in common, whichever side wrote them: found by a property, grouped along an axis, mapped."""
