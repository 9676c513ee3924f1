"""Peer: a plain loop with the structure of PyTorch's knowledge-distillation tutorial.

https://docs.pytorch.org/tutorials/beginner/knowledge_distillation_tutorial.html (train_knowledge_distillation)

    python tests/benchmarks/peers/peer_tutorial.py TEACHER_FILE EPOCHS

The tutorial's names: T = 4, soft_target_loss_weight = 0.9, ce_loss_weight = 0.1. From the tutorial: a shuffling
DataLoader with two workers, Adam, the teacher's forward pass in every step, cross-entropy with the soft targets times
T**2, and `loss.item()` in every step. From the common task: MNIST instead of CIFAR-10, batches of 256, no Normalize.
"""

import sys
from time import perf_counter

import torch
from common_task import BATCH, HARD_WEIGHT, LEARNING_RATE, SOFT_WEIGHT, TEMPERATURE, arguments, mnist, report
from torch import nn
from torch.utils.data import DataLoader

WORKERS = 2  # as in the tutorial


def distill(
    teacher: nn.Module, student: nn.Module, loader: DataLoader, epochs: int, device: torch.device
) -> list[float]:
    """Train the student; return the seconds of each epoch."""
    ce_loss = nn.CrossEntropyLoss()
    optimizer = torch.optim.Adam(student.parameters(), lr=LEARNING_RATE)
    teacher.to(device).eval()
    student.to(device).train()
    seconds = []
    for epoch in range(epochs):
        started = perf_counter()
        running_loss = 0.0
        for inputs, labels in loader:
            inputs, labels = inputs.to(device), labels.to(device)
            optimizer.zero_grad()
            with torch.no_grad():
                teacher_logits = teacher(inputs)
            student_logits = student(inputs)
            soft_targets = nn.functional.softmax(teacher_logits / TEMPERATURE, dim=-1)
            soft_prob = nn.functional.log_softmax(student_logits / TEMPERATURE, dim=-1)
            soft_loss = -torch.sum(soft_targets * soft_prob) / soft_prob.size(0) * TEMPERATURE**2
            loss = SOFT_WEIGHT * soft_loss + HARD_WEIGHT * ce_loss(student_logits, labels)
            loss.backward()
            optimizer.step()
            running_loss += loss.item()
        seconds.append(perf_counter() - started)
        print(f"Epoch {epoch + 1}/{epochs}, Loss: {running_loss / len(loader)}", file=sys.stderr)
    return seconds


def main() -> None:
    teacher, student, epochs = arguments()
    loader = DataLoader(mnist(train=True), batch_size=BATCH, shuffle=True, num_workers=WORKERS)
    seconds = distill(teacher, student, loader, epochs, torch.device("cpu"))
    notes = (
        f"T = {TEMPERATURE:g}, soft_target_loss_weight = {SOFT_WEIGHT}, ce_loss_weight = {HARD_WEIGHT}; "
        f"soft loss: cross-entropy with the soft targets * T**2 / batch; num_workers = {WORKERS} as in the tutorial"
    )
    report("PyTorch tutorial loop", [], seconds, student, notes)


if __name__ == "__main__":
    main()
