"""Parts of the page that finds answers by a property."""
