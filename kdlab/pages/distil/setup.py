"""The choices for the next run on the page "Distil": data, networks and numbers."""

from traitlets import link

from kdlab.pages.distil.run_request import TeacherFile
from kdlab.pages.distil.state import DistilState
from kdlab.registry import AUGMENTATIONS, DATASETS, MODELS, TEACHER_VIEWS
from kdlab.runs.client import shown_limits
from kdlab.train.spec import Spec
from kdlab.widgets.element import Group
from kdlab.widgets.pickers import EntryPicker, NamePicker, number_field

__all__ = ["Setup"]

NOT_TRAINED = "The teacher comes from a file, and is not trained"


class Setup(Group):
    """A control for each name and number of a run, linked to `state`, and `file` for a teacher of one's own."""

    def __init__(self, state: DistilState) -> None:
        allowed = shown_limits().datasets
        self.pickers = {
            "dataset": NamePicker(DATASETS, "Data set", state.dataset, "folder:/path/to/images", allowed),
            "teacher": NamePicker(MODELS, "Teacher", state.teacher, "mlp:400x3:dropout=0.5, cnn:width=64 …"),
            "student": NamePicker(MODELS, "Student", state.student, "mlp:100x1, cnn:width=8 …"),
            "augmentation": NamePicker(AUGMENTATIONS, "Augmentation", state.augmentation, "shift:pixels=1 …"),
        }
        self.file = TeacherFile()
        self.teaching = EntryPicker(TEACHER_VIEWS, "Teaching", state.teaching)
        self.numbers = {key: number_field(knob, getattr(state, key)) for key, knob in Spec.run_knobs().items()}
        self.controls = {"teaching": self.teaching, **self.pickers, **self.numbers}
        numbers = Group("kd-number-fields", *self.numbers.values())
        data, teacher, *others = self.pickers.values()
        super().__init__("kd-setup", data, teacher, self.file, *others, self.teaching, numbers)
        self._state = state
        for key, control in self.controls.items():
            link((state, key), (control, "value"))
        state.observe(lambda _: self._offer_teaching(), "augmentation")
        self.file.observe(lambda _: self._offer_epochs(), "digest")
        self._offer_teaching()

    def _offer_teaching(self) -> None:
        # Of an image as it is there is one view only, and all ways of teaching are one.
        self.teaching.hidden = self._state.augmentation == "none"

    def _offer_epochs(self) -> None:
        field, trained = self.numbers["teacher_epochs"], not self.file.digest
        field.disabled, field.tooltip = not trained, Spec.run_knobs()["teacher_epochs"].help if trained else NOT_TRAINED
