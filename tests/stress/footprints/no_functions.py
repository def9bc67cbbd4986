"""An app without functions: the check opens transactions itself."""
