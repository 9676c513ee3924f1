"""kdlab: see knowledge distillation with your own hands."""
