"""inspect: look into any output folder."""
