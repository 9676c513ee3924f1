"""Specialists for classes that a generalist confuses (Hinton, Vinyals, Dean 2015, section 5).

Which classes those are (`confusable`), subsets of them as text (`subsets`), networks that know one subset and a dustbin
for all other classes (`training`), which of them are asked (`routing`), and one answer of all (`combining`).
"""
