"""Uploads in ranges (RFC 9110 14.5): what has arrived of each is kept until it is complete."""
