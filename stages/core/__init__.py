"""What all stages build on: the game, the engines that answer, the tables, the output folders and the recipes."""
