"""Peer: torchdistill, used as its examples use it.

https://github.com/yoshitomo-matsubara/torchdistill (examples/torchvision/image_classification.py and the sample
configuration configs/sample/cifar10/kd/resnet20_from_densenet_bc_k12_depth100-final_run.yaml)

    python tests/benchmarks/peers/peer_torchdistill.py TEACHER_FILE EPOCHS

`KDLoss` is alpha * cross-entropy + (1 - alpha) * T**2 * KL(batchmean): alpha = 0.1 is the weight of the *hard* loss.
The configuration that the example reads from YAML stands here as the dict that the YAML becomes, and the epoch is the
example's train_one_epoch, with its MetricLogger. Left out: the learning-rate schedule, validation and checkpoints.
The sample asks for 16 loader workers; here that is cut to the number of cores, as PyTorch's own warning advises.
"""

import os
from time import perf_counter, time

import torch
from common_task import (
    BATCH,
    HARD_WEIGHT,
    LEARNING_RATE,
    TEMPERATURE,
    arguments,
    give_up,
    mnist,
    report,
)
from torch.utils.data import RandomSampler

try:
    from torchdistill.core.distillation import DistillationBox, get_distillation_box
    from torchdistill.misc.log import MetricLogger, SmoothedValue
except ImportError as reason:
    give_up("torchdistill", f"torchdistill cannot be imported: {reason}")

WORKERS = min(16, os.cpu_count() or 1)
LOG_FREQUENCY = 100  # as in the sample
LOGITS = {"path": ".", "io": "output"}


def configuration(epochs: int) -> dict:
    """Return what the sample's `train` section becomes for the common task."""
    logits = {f"{who}_module_{what}": value for who in ("student", "teacher") for what, value in LOGITS.items()}
    loss = {"temperature": TEMPERATURE, "alpha": HARD_WEIGHT, "reduction": "batchmean", **logits}
    return {
        "num_epochs": epochs,
        "train_data_loader": {
            "dataset_id": "mnist/train",
            "sampler": {"class_or_func": RandomSampler, "kwargs": None},
            "kwargs": {"batch_size": BATCH, "num_workers": WORKERS, "drop_last": False},
        },
        "teacher": {
            "forward_proc": "forward_batch_only",
            "sequential": [],
            "wrapper": "DataParallel",
            "requires_grad": False,
        },
        "student": {
            "forward_proc": "forward_batch_only",
            "sequential": [],
            "wrapper": "DistributedDataParallel",
            "requires_grad": True,
        },
        "optimizer": {"key": "Adam", "kwargs": {"lr": LEARNING_RATE}},
        "criterion": {
            "key": "WeightedSumLoss",
            "kwargs": {"sub_terms": {"kd": {"criterion": {"key": "KDLoss", "kwargs": loss}, "weight": 1.0}}},
        },
    }


def train_one_epoch(box: "DistillationBox", device: torch.device, epoch: int) -> None:
    """Do what the example's function of this name does."""
    logger = MetricLogger(delimiter="  ")
    logger.add_meter("lr", SmoothedValue(window_size=1, fmt="{value}"))
    logger.add_meter("img/s", SmoothedValue(window_size=10, fmt="{value}"))
    for samples, targets, extra in logger.log_every(box.train_data_loader, LOG_FREQUENCY, f"Epoch: [{epoch}]"):
        started = time()
        samples, targets = samples.to(device), targets.to(device)
        loss = box.forward_process(samples, targets, extra)
        box.post_forward_process(loss=loss)
        logger.update(loss=loss.item(), lr=box.optimizer.param_groups[0]["lr"])
        logger.meters["img/s"].update(samples.shape[0] / (time() - started))
        if torch.isnan(loss) or torch.isinf(loss):
            raise ValueError(f"The training loop was broken due to loss = {loss}")


def main() -> None:
    teacher, student, epochs = arguments()
    teacher.eval()  # the library leaves the teacher's mode alone
    device, data = torch.device("cpu"), {"mnist/train": mnist(train=True)}
    box = get_distillation_box(teacher, student, data, configuration(epochs), device, None, False, 1)
    seconds = []
    for epoch in range(box.num_epochs):
        started = perf_counter()
        box.pre_epoch_process(epoch=epoch)
        train_one_epoch(box, device, epoch)
        box.post_epoch_process()
        seconds.append(perf_counter() - started)
    assert not box.teacher_model.training
    notes = (
        f"KDLoss(temperature={TEMPERATURE:g}, alpha={HARD_WEIGHT}): alpha * cross-entropy + (1 - alpha) * T**2 * KL "
        f"(batchmean); num_workers = {WORKERS} (the sample's 16, cut to the cores); teacher frozen, in eval mode"
    )
    report("torchdistill", ["torchdistill"], seconds, student, notes)


if __name__ == "__main__":
    main()
