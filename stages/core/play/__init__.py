"""Games from the first clue to the last vote, many at once, with their journal and their folder."""
