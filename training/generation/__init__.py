"""Text from trained models: drawn, searched for, filled in, after prompts from a file."""
