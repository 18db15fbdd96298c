"""inspect: looks into any output folder."""
