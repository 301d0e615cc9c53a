"""Two processes learn one line y = 3x + 1 together: each sees half of the points, gradients are averaged over gloo."""

import os

import torch
import torch.distributed as dist
from torch.nn.parallel import DistributedDataParallel

dist.init_process_group("gloo")
rank, world = dist.get_rank(), dist.get_world_size()
torch.manual_seed(1)

x = torch.linspace(-1, 1, 64).reshape(-1, 1)[rank::world]
y = 3 * x + 1
model = DistributedDataParallel(torch.nn.Linear(1, 1))
optimiser = torch.optim.SGD(model.parameters(), lr=0.3)

first = 1
resume = os.environ["RUNCTL_RESUME_FROM"]
if resume:
    saved = torch.load(resume)
    model.module.load_state_dict(saved["model"])
    first = saved["epoch"] + 1

for epoch in range(first, 41):
    optimiser.zero_grad()
    loss = torch.nn.functional.mse_loss(model(x), y)
    loss.backward()
    optimiser.step()
    if epoch % 10 == 0 and rank == 0:  # one process saves
        path = os.path.join(os.environ["RUNCTL_CHECKPOINT_DIR"], f"epoch-{epoch}.pt")
        torch.save({"epoch": epoch, "model": model.module.state_dict()}, path + ".tmp")
        os.replace(path + ".tmp", path)
        print(f"epoch {epoch}/40 loss={loss.item():.6f}", flush=True)

if rank == 0:
    print(f"{world} processes: y = {model.module.weight.item():.2f} x + {model.module.bias.item():.2f}", flush=True)
dist.destroy_process_group()
