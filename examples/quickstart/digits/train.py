"""Trains a small neural network on handwritten digits. Standard library only, so that it runs wherever Python does.

Nothing in here knows runctl, except three environment variables:
  RUNCTL_CHECKPOINT_DIR  where checkpoints go          (default: "checkpoints")
  RUNCTL_RESUME_FROM     the checkpoint to go on from  (default: none)
  RUNCTL_OUTPUT_DIR      where the finished model goes (default: "output")
"""

import argparse
import csv
import json
import math
import os
import random

HERE = os.path.dirname(os.path.abspath(__file__))


def load():
    """1,797 images: 64 pixels scaled to 0..1, and the digit. Every fifth image is kept for testing."""
    with open(os.path.join(HERE, "digits.csv"), newline="") as file:
        rows = [[int(cell) for cell in row] for row in csv.reader(file)]
    images = [([pixel / 16 for pixel in row[:-1]], row[-1]) for row in rows]
    return [image for i, image in enumerate(images) if i % 5], images[::5]


def new_model(hidden, rng):
    def layer(inputs, outputs):
        scale = math.sqrt(2 / inputs)
        return [[rng.gauss(0, scale) for _ in range(inputs)] + [0.0] for _ in range(outputs)]

    return {"hidden": layer(64, hidden), "out": layer(hidden, 10)}


def forward(model, pixels):
    hidden = [max(0.0, sum(w * x for w, x in zip(weights, pixels)) + weights[-1]) for weights in model["hidden"]]
    scores = [sum(w * h for w, h in zip(weights, hidden)) + weights[-1] for weights in model["out"]]
    top = max(scores)
    powers = [math.exp(score - top) for score in scores]
    total = sum(powers)
    return hidden, [power / total for power in powers]


def learn(model, pixels, digit, rate):
    """One step of stochastic gradient descent; returns the loss."""
    hidden, chances = forward(model, pixels)
    errors = [chance - (1.0 if i == digit else 0.0) for i, chance in enumerate(chances)]
    back = [sum(errors[o] * model["out"][o][h] for o in range(10)) if hidden[h] > 0 else 0.0 for h in range(len(hidden))]
    for error, weights in zip(errors, model["out"]):
        step = rate * error
        for h, value in enumerate(hidden):
            weights[h] -= step * value
        weights[-1] -= step
    for error, weights in zip(back, model["hidden"]):
        if error:
            step = rate * error
            for i, pixel in enumerate(pixels):
                if pixel:
                    weights[i] -= step * pixel
            weights[-1] -= step
    return -math.log(max(chances[digit], 1e-12))


def accuracy(model, images):
    right = 0
    for pixels, digit in images:
        chances = forward(model, pixels)[1]
        right += chances.index(max(chances)) == digit
    return right / len(images)


def save(path, value):
    """Written beside, then renamed: nobody ever sees half a file."""
    with open(path + ".tmp", "w") as file:
        json.dump(value, file)
        file.flush()
        os.fsync(file.fileno())
    os.replace(path + ".tmp", path)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--epochs", type=int, default=12)
    parser.add_argument("--hidden", type=int, default=24)
    parser.add_argument("--rate", type=float, default=0.05)
    args = parser.parse_args()

    checkpoints = os.environ.get("RUNCTL_CHECKPOINT_DIR", "checkpoints")
    output = os.environ.get("RUNCTL_OUTPUT_DIR", "output")
    os.makedirs(checkpoints, exist_ok=True)
    os.makedirs(output, exist_ok=True)

    training, testing = load()
    model, done = new_model(args.hidden, random.Random(1)), 0
    resume = os.environ.get("RUNCTL_RESUME_FROM")
    if resume:
        with open(resume) as file:
            saved = json.load(file)
        model, done = saved["model"], saved["epoch"]
        print(f"resumed after epoch {done}", flush=True)

    for epoch in range(done + 1, args.epochs + 1):
        # The order depends on the epoch alone: a resumed run takes the very steps that an uninterrupted one takes.
        order = list(training)
        random.Random(epoch).shuffle(order)
        loss = sum(learn(model, pixels, digit, args.rate) for pixels, digit in order) / len(order)
        score = accuracy(model, testing)
        save(os.path.join(checkpoints, f"epoch-{epoch:02d}.json"), {"epoch": epoch, "model": model, "accuracy": score})
        print(f"epoch {epoch}/{args.epochs} loss={loss:.4f} accuracy={score:.4f}", flush=True)

    save(os.path.join(output, "model.json"), {"model": model, "accuracy": accuracy(model, testing)})


if __name__ == "__main__":
    main()
