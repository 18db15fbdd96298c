"""Pairs of CLEVR scenes: drawn by the rules, or given."""
