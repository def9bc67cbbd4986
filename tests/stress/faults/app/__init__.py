"""An app whose every effect can be counted from outside."""
