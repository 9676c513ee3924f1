"""Specialists for classes that a generalist confuses (Hinton, Vinyals, Dean 2015, section 5).

Clusters of confused classes (`class_clusters`), subsets as text (`subsets`), networks for one subset and a dustbin for
all other classes (`model`), the choice of specialists for an example (`routing`), and their combined prediction
(`combine`). Imports training, data sets and metrics.
"""
