"""Fine-tuning: a pretrained model learns a task from labelled texts, in the way that its kind was published with."""
