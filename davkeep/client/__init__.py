"""davkeep as a client of a running server: what the commands besides `serve` ask with."""
