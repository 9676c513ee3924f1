"""Experiments in general: their jobs, caches, claims and reports; imports training, distillation and runs."""
