"""Estimates each GPU's memory and a round's time before anything starts, and what would fit instead."""
