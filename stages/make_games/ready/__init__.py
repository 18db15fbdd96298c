"""Pairs of pictures that exist already."""
