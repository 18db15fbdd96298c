"""Plays games from the first clue to the last vote, many at once, into a journal and a folder."""
