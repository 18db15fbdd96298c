"""Processes that vz starts: how they end, which signals reach them, and process pools."""
