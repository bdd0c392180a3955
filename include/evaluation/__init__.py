"""Evaluate an imported model: data set, prompts, answers, question-answering scores, report."""
