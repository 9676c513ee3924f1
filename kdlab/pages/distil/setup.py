"""The choices for the next run on the page "Distil": data, networks and numbers."""

from kdlab.pages.distil.run_request import TeacherFile
from kdlab.pages.distil.state import DistilState
from kdlab.registry import AUGMENTATIONS, DATASETS, MODELS, TEACHER_VIEWS
from kdlab.runs.client import shown_limits
from kdlab.runs.protocol import RunRequest
from kdlab.train.spec import Spec
from kdlab.widgets.element import Group
from kdlab.widgets.form import EntryField, Form, NameField, NumberField

__all__ = ["Setup"]

NOT_TRAINED = "The teacher comes from a file, and is not trained"


class Setup(Group):
    """A field for each name and number of a run, which sets `state`, and `file` for a teacher of one's own."""

    def __init__(self, state: DistilState) -> None:
        allowed = shown_limits().datasets
        teacher = {
            "dataset": NameField(DATASETS, "Data set", "folder:/path/to/images", allowed),
            "teacher": NameField(MODELS, "Teacher", "mlp:400x3:dropout=0.5, cnn:width=64 …"),
        }
        student = {
            "student": NameField(MODELS, "Student", "mlp:100x1, cnn:width=8 …"),
            "augmentation": NameField(AUGMENTATIONS, "Augmentation", "shift:pixels=1 …"),
            "teaching": EntryField(TEACHER_VIEWS, "Teaching"),
            **{key: NumberField(knob) for key, knob in Spec.run_knobs().items()},
        }
        self.names = [*teacher, *student]
        self.file, self.form = TeacherFile(), Form(state, student)
        super().__init__("kd-setup", Form(state, teacher), self.file, self.form)
        self._state = state
        state.observe(lambda _: self._offer_teaching(), "augmentation")
        self.file.observe(lambda _: self._offer_epochs(), "digest")
        self._offer_teaching()

    def request(self) -> RunRequest:
        """Return a new run of the choices; raises InputError when one of them cannot be used."""
        self.form.check()
        return self.file.request(self._state.spec())

    def _offer_teaching(self) -> None:
        # Of an image as it is there is one view only, and all ways of teaching are one.
        self.form.change("teaching", hidden=self._state.augmentation == "none")

    def _offer_epochs(self) -> None:
        trained = not self.file.digest
        help_text = Spec.run_knobs()["teacher_epochs"].help if trained else NOT_TRAINED
        self.form.change("teacher_epochs", disabled=not trained, help=help_text)
