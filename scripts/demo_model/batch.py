"""Questions with their candidate answers as tensors, and the loss on them."""

import torch
from torch.nn import functional as F

from .arithmetic import RIGHT, Question


class Batch:
    """One row holds a prompt and all its answers; each answer sees the prompt and itself, not the other answers.

    `owner` says whose token it is: 0 the prompt's, k the k-th answer's, -1 nobody's (padding).
    """

    def __init__(self, tokenizer, questions: list[Question]):
        rows = [encode(tokenizer, question) for question in questions]
        width = max(sum(map(len, row)) for row in rows)
        self.ids = torch.zeros(len(rows), width, dtype=torch.long)
        self.positions = torch.zeros_like(self.ids)
        owner = torch.full_like(self.ids, -1)
        # The token that has to predict each token: the one before it, or the last of the prompt.
        self.previous = torch.zeros_like(self.ids)
        ends = []
        for index, (prompt, *answers) in enumerate(rows):
            start = len(prompt)
            self.ids[index, :start] = torch.tensor(prompt)
            self.positions[index, :start] = torch.arange(start)
            owner[index, :start] = 0
            ends.append([])
            for number, answer in enumerate(answers, 1):
                here = slice(start, start + len(answer))
                self.ids[index, here] = torch.tensor(answer)
                self.positions[index, here] = torch.arange(len(prompt), len(prompt) + len(answer))
                self.previous[index, here] = torch.arange(start, start + len(answer)) - 1
                self.previous[index, start] = len(prompt) - 1
                owner[index, here] = number
                start += len(answer)
                ends[-1].append(start - 1)
        self.ends = torch.tensor(ends)
        self.grades = torch.tensor([[grade for grade, _ in question.answers] for question in questions])
        seen = (owner[:, :, None] == owner[:, None, :]) | (owner[:, None, :] == 0)
        seen &= torch.ones(width, width, dtype=torch.bool).tril()
        self.mask = torch.zeros(seen.shape).masked_fill(~seen, torch.finfo(torch.float32).min)[:, None]
        is_right = F.pad(self.grades == RIGHT, (1, 0))
        self.of_right_answer = is_right.gather(1, owner.clamp(min=0)) & (owner > 0)


def encode(tokenizer, question: Question) -> list[list[int]]:
    """Ids of the prompt, then of each answer up to the token that ends its turn."""
    prompt = tokenizer.apply_chat_template(list(question.messages), tokenize=False, add_generation_prompt=True)
    texts = [prompt, *(answer + tokenizer.eos_token for _, answer in question.answers)]
    return [encoding.ids for encoding in tokenizer.backend_tokenizer.encode_batch_fast(texts)]


def scores_at(model, hidden: torch.Tensor, positions: torch.Tensor) -> torch.Tensor:
    return model.score(hidden.gather(1, positions[:, :, None].expand(-1, -1, hidden.size(2)))).squeeze(-1)


def forward(model, batch: Batch) -> tuple[torch.Tensor, torch.Tensor]:
    """Hidden states of all tokens, and the scores [questions, answers]."""
    hidden = model.model(
        input_ids=batch.ids, attention_mask=batch.mask, position_ids=batch.positions, use_cache=False
    ).last_hidden_state
    return hidden, scores_at(model, hidden, batch.ends)


def level(scores: torch.Tensor, grades: torch.Tensor) -> torch.Tensor:
    """Bradley-Terry of every answer against an imagined one of score 0: right ones above it, the others below."""
    return -F.logsigmoid(torch.where(grades == RIGHT, scores, -scores)).mean()


def loss(model, batch: Batch) -> torch.Tensor:
    hidden, scores = forward(model, batch)
    better = batch.grades[:, :, None] > batch.grades[:, None, :]
    # Right against anything else is what counts; wrong against off-topic is a matter of taste.
    weights = better * torch.where(batch.grades[:, :, None] == RIGHT, 1.0, 0.25)
    preference = (-F.logsigmoid(scores[:, :, None] - scores[:, None, :]) * weights).sum() / weights.sum()
    # Pairs say nothing about scores of different questions; a common level does. Asked for one token before the end as
    # well, it makes the model judge while it reads the digits, a layer earlier.
    common = level(scores, batch.grades) + level(scores_at(model, hidden, batch.ends - 1), batch.grades)
    # Predicting the right answers teaches the trunk to calculate, far sooner than scores alone do.
    right = batch.of_right_answer
    before = hidden[right.nonzero()[:, 0], batch.previous[right]]
    language = F.cross_entropy(before @ model.model.embed_tokens.weight.T, batch.ids[right])
    return preference + 0.5 * common + language
