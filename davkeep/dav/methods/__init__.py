"""One method, one file: each turns a checked request into an answer or an operation."""
