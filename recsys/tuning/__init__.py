"""Which settings of a generator to try, and which of them to try on more."""
