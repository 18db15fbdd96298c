"""The words of clues about CLEVR scenes."""
