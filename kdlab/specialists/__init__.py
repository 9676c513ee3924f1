"""Specialists for classes that a generalist confuses (Hinton, Vinyals, Dean 2015, section 5).

Which classes those are (`class_clusters`), subsets of them as text (`subsets`), networks that know one subset and a
dustbin for all other classes (`model`), which of them are asked (`routing`), and one answer of all (`combine`). Imports
training, data sets and metrics.
"""
