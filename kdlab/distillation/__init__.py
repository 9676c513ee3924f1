"""Teacher to student beside its baseline, from a name or a network to a result; imports training, losses and files."""
