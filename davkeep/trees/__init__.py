"""The file-system engine: copy, move, remove, stage and swap. Knows no HTTP and no WsgiDAV."""
