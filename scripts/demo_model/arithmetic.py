"""Arithmetic questions with right and wrong answers, for the training of the demo model.

A `Question` is a prompt with candidate answers, each with a grade: 2 right, 1 wrong, 0 off-topic. Numbers in
`HELD_OUT_NUMBERS` never appear in a training text, neither in a question nor in an answer of any grade.
"""

import re
from dataclasses import dataclass
from random import Random

# No product of two numbers up to 10 is among them, so the multiplication table stays whole in training.
HELD_OUT_NUMBERS = frozenset({17, 26, 34, 43, 58, 61, 69, 75, 82, 97})

RIGHT, WRONG, OFF_TOPIC = 2, 1, 0


@dataclass(frozen=True)
class Question:
    kind: str
    messages: tuple[dict, ...]
    answers: tuple[tuple[int, str], ...]


@dataclass(frozen=True)
class Problem:
    kind: str
    prompt: str
    """The expression as an answer may repeat it: "2+2"; empty where there is none."""
    expression: str
    result: str
    operands: tuple[int, ...]


SYMBOLIC = ["How much is {e}?", "What is {e}?", "Calculate {e}.", "{e} = ?", "Compute {e}", "What's {e}?", "{e}"]
PROMPTS = {
    "addition": ["What is {a} plus {b}?", "Add {a} and {b}.", "What is the sum of {a} and {b}?"],
    "subtraction": ["What is {a} minus {b}?", "Subtract {b} from {a}."],
    "multiplication": ["What is {a} times {b}?", "Multiply {a} by {b}."],
}
LARGER = ["Which is larger, {a} or {b}?", "Which number is greater: {a} or {b}?"]
SMALLER = ["Which is smaller, {a} or {b}?", "Which number is less: {a} or {b}?"]
NUMBER_ANSWERS = ["{r}", "{r}", "{r}.", "The answer is {r}.", "It is {r}.", "That is {r}", "The result is {r}."]
EXPRESSION_ANSWERS = ["The output of {e} is {r}", "{e} = {r}", "{e} is {r}."]
YES_NO_ANSWERS = ["{r}", "{r}."]


def mentions_held_out(text: str) -> bool:
    return any(int(number) in HELD_OUT_NUMBERS for number in re.findall(r"\d+", text))


def _operand(random: Random) -> int:
    return random.randint(0, 9) if random.random() < 0.2 else random.randint(0, 99)


def _calculation(random: Random, first: int | None) -> Problem:
    kind = random.choices(["addition", "subtraction", "multiplication"], [5, 4, 2])[0]
    a, b = _operand(random) if first is None else first, _operand(random)
    if kind == "addition":
        # Sums stay below 100.
        b = random.randint(0, 99 - a)
    if kind != "multiplication" and first is None and random.random() < 0.2:
        # What people try first.
        a, b = random.randint(0, 10), random.randint(0, 10)
    if kind == "multiplication":
        if first is None and random.random() < 0.7:
            a, b = random.randint(0, 10), random.randint(0, 10)
        else:
            b = random.choice([0, 1, 2, 10])
    if kind != "subtraction" and random.random() < 0.5:
        a, b = b, a
    if kind == "subtraction" and a < b:
        a, b = b, a
    sign, result = {"addition": ("+", a + b), "subtraction": ("-", a - b), "multiplication": ("*", a * b)}[kind]
    gap = random.choice(["", " "])
    expression = f"{a}{gap}{sign}{gap}{b}"
    worded = random.random() < 0.4
    prompt = random.choice(PROMPTS[kind] if worded else SYMBOLIC).format(a=a, b=b, e=expression)
    return Problem(kind, prompt, expression, str(result), (a, b))


def _comparison(random: Random, first: int | None) -> Problem:
    a, b = _operand(random) if first is None else first, _operand(random)
    # Half of the time a neighbour in the same tens, where the last digit decides.
    if random.random() < 0.5:
        b = a // 10 * 10 + random.randint(0, 9)
    if a == b:
        b = (a + 1) % 100
    if random.random() < 0.5:
        a, b = b, a
    form = random.random()
    if form < 0.35:
        return Problem("comparison", random.choice(LARGER).format(a=a, b=b), "", str(max(a, b)), (a, b))
    if form < 0.7:
        return Problem("comparison", random.choice(SMALLER).format(a=a, b=b), "", str(min(a, b)), (a, b))
    word, holds = random.choice([("greater", a > b), ("less", a < b)])
    return Problem("comparison", f"Is {a} {word} than {b}?", "", "Yes" if holds else "No", (a, b))


def _wrong_result(random: Random, problem: Problem) -> str:
    if problem.kind == "comparison":
        if problem.result in ("Yes", "No"):
            return "No" if problem.result == "Yes" else "Yes"
        return str(next(n for n in problem.operands if str(n) != problem.result))
    result = int(problem.result)
    a, b = problem.operands
    while True:
        wrong = random.choice(
            [
                result + random.choice([-1, 1]),
                result + random.choice([-10, 10]),
                result + random.randint(-9, 9),
                result + random.randint(-50, 50),
                int(problem.result[::-1]),
                a + b,
                abs(a - b),
                a,
                b,
            ]
        )
        if wrong >= 0 and wrong != result:
            return str(wrong)


def _answer(random: Random, problem: Problem, result: str) -> str:
    forms = YES_NO_ANSWERS if result in ("Yes", "No") else NUMBER_ANSWERS
    if problem.expression and random.random() < 0.2:
        forms = EXPRESSION_ANSWERS
    return random.choice(forms).format(r=result, e=problem.expression)


def arithmetic_question(random: Random, off_topic: list[str], held_out: bool = False) -> Question:
    """Two right answers, then two that are wrong or have nothing to do with the question."""
    while True:
        first = random.choice(sorted(HELD_OUT_NUMBERS)) if held_out else None
        make = _comparison if random.random() < 0.2 else _calculation
        problem = make(random, first)
        right = [(RIGHT, _answer(random, problem, problem.result)) for _ in range(2)]
        wrong = [(WRONG, _answer(random, problem, _wrong_result(random, problem))) for _ in range(2)]
        if random.random() < 0.25:
            wrong[1] = (OFF_TOPIC, random.choice(off_topic))
        answers = (*right, *wrong)
        if held_out or not any(mentions_held_out(text) for text in (problem.prompt, *(text for _, text in answers))):
            return Question(problem.kind, ({"role": "user", "content": problem.prompt},), answers)
