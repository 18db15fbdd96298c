"""The ground every stage stands on: the game, the engines that answer, the tables, the output folders, the recipes."""
