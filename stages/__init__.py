"""The stages of `vz`, each a function from folders to a folder. No stage imports another; `iterate` composes them."""
