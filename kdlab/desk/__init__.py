"""Runs that outlive a page: a desk starts, queues, records and keeps them, and pages find them again by their id."""
