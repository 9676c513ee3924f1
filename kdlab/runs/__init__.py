"""Runs that outlive a page: a server queues, records and stores them by id; imports paths and the registry."""
