"""The picture and the words that show why a study got its tier."""
