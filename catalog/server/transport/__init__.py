"""Connections and the framing of requests: limits below everything that knows what a request means."""
