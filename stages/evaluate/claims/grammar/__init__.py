"""How clues are read: each rule gives every reading of the words from a position on."""
