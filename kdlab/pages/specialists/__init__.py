"""What the page of the experiment "specialists" shows besides: its classes, to edit, and pictures to ask about.

Here live its two panels; they import the framework of the experiments, `kdlab.specialists` and widgets.
"""
