"""Estimates, before anything starts: the memory of each GPU and the time of a round, and what would fit instead."""
