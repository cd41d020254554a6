"""A WebDAV server whose long operations never time out."""

__version__ = "0.1.0"
