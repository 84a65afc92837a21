"""HTTP to servers that are trusted little, and the words for what became of asking: shared by registries and forge."""
