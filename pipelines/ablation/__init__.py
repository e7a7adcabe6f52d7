"""Corpora compared by what models learn from them: an ablation's recipe, its steps, its verdict."""
