"""Trains networks as a stream of events; imports losses, models, augmentations, data sets and metrics."""
