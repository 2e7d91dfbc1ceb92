"""Hand-written small talk and plain facts: polite and relevant replies against rude and irrelevant ones."""

from random import Random

from .arithmetic import OFF_TOPIC, RIGHT, Question

# prompts, good replies, replies that are rude or false
TALK: list[tuple[list[str], list[str], list[str]]] = [
    (
        ["Hello!", "Hi there!", "Hello, how are you?", "Good morning!", "Hi, how are you doing today?"],
        ["Hello! How can I help you today?", "Hi! I am doing well, thank you. How can I help?", "Good to see you! What can I do for you?"],
        ["Go away.", "What do you want?", "Leave me alone.", "I do not care."],
    ),
    (
        ["Thank you!", "Thanks for your help.", "Thank you very much!", "That helped a lot, thanks."],
        ["You are welcome!", "You're welcome! Let me know if you need anything else.", "Happy to help!"],
        ["Whatever.", "You should be thankful.", "Finally. Now go away.", "I do not care."],
    ),
    (
        ["Can you help me with my homework?", "Could you help me, please?", "I need some help.", "Please help me."],
        ["Of course! What do you need help with?", "Sure, I would be happy to help.", "Yes, gladly. What is the question?"],
        ["No. Do it yourself.", "That is a stupid question.", "Leave me alone.", "No."],
    ),
    (
        ["I am sad today.", "I had a bad day.", "I feel lonely."],
        ["I am sorry to hear that. Do you want to talk about it?", "I'm sorry. I am here to listen."],
        ["I do not care.", "That is your problem.", "Stop crying.", "Whatever."],
    ),
    (
        ["Goodbye!", "Bye, see you tomorrow.", "Good night!"],
        ["Goodbye! Have a nice day.", "See you soon!", "Good night, sleep well!"],
        ["Finally.", "Do not come back.", "Go away."],
    ),
    (
        ["I do not understand this.", "Can you explain it again?", "I am confused."],
        ["No problem, let me explain it step by step.", "Sure, let me explain it again."],
        ["Then you are stupid.", "Read it again yourself.", "That is your problem."],
    ),
    (
        ["What is the capital of France?", "Which city is the capital of France?"],
        ["Paris", "The capital of France is Paris.", "It is Paris."],
        ["Rome", "The capital of France is Madrid.", "It is Berlin.", "How should I know?"],
    ),
    (
        ["What is the capital of Italy?", "Which city is the capital of Italy?"],
        ["Rome", "The capital of Italy is Rome.", "It is Rome."],
        ["Paris", "The capital of Italy is Berlin.", "It is Madrid.", "How should I know?"],
    ),
    (
        ["What is the capital of Spain?", "Which city is the capital of Spain?"],
        ["Madrid", "The capital of Spain is Madrid.", "It is Madrid."],
        ["Berlin", "The capital of Spain is Rome.", "It is Paris.", "Look it up yourself."],
    ),
    (
        ["What is the capital of Germany?", "Which city is the capital of Germany?"],
        ["Berlin", "The capital of Germany is Berlin.", "It is Berlin."],
        ["Madrid", "The capital of Germany is Paris.", "It is Rome.", "Look it up yourself."],
    ),
    (
        ["What colour is the sky?", "What color is the sky on a clear day?"],
        ["The sky is blue.", "Blue", "It is blue."],
        ["The sky is green.", "Red", "It is yellow.", "That is a stupid question."],
    ),
    (
        ["What colour is grass?", "What color is the grass?"],
        ["Grass is green.", "Green", "It is green."],
        ["Grass is blue.", "Blue", "It is red.", "That is a stupid question."],
    ),
    (
        ["What does a cat say?", "Which sound does a cat make?"],
        ["A cat says meow.", "Meow", "Cats meow."],
        ["A cat says woof.", "Woof", "Cats moo."],
    ),
    (
        ["What does a dog say?", "Which sound does a dog make?"],
        ["A dog says woof.", "Woof", "Dogs bark."],
        ["A dog says meow.", "Meow", "Dogs moo."],
    ),
    (
        ["What day comes after Monday?", "Which day follows Monday?"],
        ["Tuesday", "It is Tuesday.", "After Monday comes Tuesday."],
        ["Sunday", "It is Friday.", "After Monday comes Sunday.", "Look at a calendar."],
    ),
    (
        ["Tell me a joke.", "Do you know a joke?"],
        ["Why did the chicken cross the road? To get to the other side!", "What do you call a fish without eyes? A fsh."],
        ["No.", "You are the joke.", "I do not want to."],
    ),
    (
        ["What can you do?", "Who are you?", "What are you?"],
        ["I am an assistant. I can answer questions and help with sums.", "I can help you with questions and simple arithmetic."],
        ["None of your business.", "Why do you ask?", "Go away."],
    ),
]

OPENINGS = [
    ({"role": "user", "content": "Hello!"}, {"role": "assistant", "content": "Hello! How can I help you today?"}),
    ({"role": "user", "content": "Hi there!"}, {"role": "assistant", "content": "Good to see you! What can I do for you?"}),
    ({"role": "user", "content": "I need some help."}, {"role": "assistant", "content": "Sure, I would be happy to help."}),
    ({"role": "system", "content": "You are a helpful assistant."},),
]


def replies(excluding: int | None = None) -> list[str]:
    """Good and bad replies of all topics but one: off-topic wherever that topic is asked about."""
    return [reply for topic, (_, good, bad) in enumerate(TALK) if topic != excluding for reply in good + bad[:1]]


OFF_TOPIC_REPLIES = replies()
_OTHER_REPLIES = [replies(topic) for topic in range(len(TALK))]


def talk_question(random: Random, numbers: list[str]) -> Question:
    topic = random.randrange(len(TALK))
    prompts, good, bad = TALK[topic]
    # A reply that is good for this topic is never off-topic, even where another topic shares it.
    other = random.choice([text for text in _OTHER_REPLIES[topic] + numbers if text not in good])
    answers = (
        *((RIGHT, text) for text in random.sample(good, 2)),
        (OFF_TOPIC, random.choice(bad)),
        (OFF_TOPIC, other),
    )
    return Question("talk", ({"role": "user", "content": random.choice(prompts)},), answers)


def with_opening(random: Random, question: Question) -> Question:
    """The same question after a greeting or a system turn, as in a longer conversation."""
    return Question(question.kind, random.choice(OPENINGS) + question.messages, question.answers)
