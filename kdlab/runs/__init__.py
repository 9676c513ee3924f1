"""Runs that outlive a page: a server queues, records and keeps them by their id; imports paths and the registry."""
