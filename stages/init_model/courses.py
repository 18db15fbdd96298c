"""Runs all parts of a teaching, in order."""

from __future__ import annotations

from typing import Any

from stages.core.progress import progress_bar
from stages.init_model.exam import Exam
from stages.init_model.teach import Teacher


def teach(teacher: Teacher, exam: Exam) -> dict[str, Any]:
    """Teach all parts. Returns the steps that `vote` took, and the exam's score at the end."""
    plan = teacher.plan

    def enough() -> bool:
        return plan.stop_at is not None and exam.score() >= plan.stop_at

    total = sum(part.steps for part in (plan.look, plan.see, plan.vote, plan.settle))
    with progress_bar("teaching", total) as progress:
        teacher.look(progress)
        teacher.see(progress)
        teacher.vote(enough, progress)
        teacher.settle(progress)
    return {"vote_steps": teacher.taken["vote"], "exam": round(exam.score(), 4)}
