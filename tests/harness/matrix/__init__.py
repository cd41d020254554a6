"""Every client through every proxy: who is kept, who gives up, and who is broken by what."""
