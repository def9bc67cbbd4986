"""The app of the chaos runs: many small calls whose traces say afterwards what became of each of them."""
