"""The PyTorch side of the race: one JSON command a line on standard input, one JSON answer a line back.

    {"cmd": "setup", "what": "alexnet-step" | "lenet-step", "batchSize": 128, "layout": "contiguous" | "channels-last"}
    {"cmd": "setup", "what": "sgemm", "m": 1024, "n": 1024, "k": 1024}
    {"cmd": "setup", "what": "conv", "layer": 1..5, "pass": "forward" | "inputGradient" | "weightGradient", ...}
        -> {"flop": of one step}
    {"cmd": "run", "steps": 3} -> {"seconds": [of each step], "pageFaults": minor ones of all steps}
    {"cmd": "memory"} -> {"peakMemoryMB": the process's highest resident size so far}

Setup warms up, so that `run` only times. Between commands the process sleeps on its input, so our side
can run undisturbed. bench/pytorch.ts starts it: the environment decides "tuned" or "as installed".
"""

import json
import resource
import sys
import time

import torch
import torch.nn.functional as F
from torch import nn

LAYOUTS = {"contiguous": torch.contiguous_format, "channels-last": torch.channels_last}

# AlexNet's convolutions: channels in, channels out, input side, kernel, stride, padding
CONVS = [(1, 96, 224, 11, 4, 1), (96, 256, 26, 5, 1, 2), (256, 384, 12, 3, 1, 1), (384, 384, 12, 3, 1, 1),
         (384, 256, 12, 3, 1, 1)]


def alexnet():
    conv1, conv2, conv3, conv4, conv5 = (nn.Conv2d(i, o, k, s, p) for i, o, _, k, s, p in CONVS)
    return nn.Sequential(
        conv1, nn.ReLU(), nn.MaxPool2d(3, 2), conv2, nn.ReLU(), nn.MaxPool2d(3, 2),
        conv3, nn.ReLU(), conv4, nn.ReLU(), conv5, nn.ReLU(), nn.MaxPool2d(3, 2), nn.Flatten(),
        nn.Linear(6400, 4096), nn.ReLU(), nn.Dropout(0.5), nn.Linear(4096, 4096), nn.ReLU(), nn.Dropout(0.5),
        nn.Linear(4096, 10))


def lenet():
    return nn.Sequential(
        nn.Conv2d(1, 6, 5, padding=2), nn.Sigmoid(), nn.AvgPool2d(2), nn.Conv2d(6, 16, 5), nn.Sigmoid(),
        nn.AvgPool2d(2), nn.Flatten(), nn.Linear(400, 120), nn.Sigmoid(), nn.Linear(120, 84), nn.Sigmoid(),
        nn.Linear(84, 10))


def training_step(net, side, learning_rate, batch, layout):
    net = net.to(memory_format=LAYOUTS[layout])
    images = torch.rand(batch, 1, side, side).to(memory_format=LAYOUTS[layout])
    labels = torch.randint(0, 10, (batch,))
    optimizer = torch.optim.SGD(net.parameters(), lr=learning_rate)
    for parameter in net.parameters():
        if parameter.dim() > 1:
            nn.init.xavier_uniform_(parameter)

    def step():
        optimizer.zero_grad(set_to_none=True)
        F.cross_entropy(net(images), labels).backward()
        optimizer.step()

    return step, None


def sgemm(m, n, k):
    a, b, c = torch.rand(m, k), torch.rand(k, n), torch.empty(m, n)
    return lambda: torch.mm(a, b, out=c), 2 * m * n * k


def convolution(layer, direction, batch, layout):
    inputs, outputs, side, kernel, stride, padding = CONVS[layer - 1]
    x = torch.rand(batch, inputs, side, side).to(memory_format=LAYOUTS[layout])
    weight = torch.rand(outputs, inputs, kernel, kernel).to(memory_format=LAYOUTS[layout])
    bias = torch.rand(outputs)
    y = F.conv2d(x, weight, bias, stride, padding)
    flop = 2 * y.numel() * inputs * kernel**2
    if direction == "forward":
        return lambda: F.conv2d(x, weight, bias, stride, padding), flop
    upstream = torch.rand_like(y)
    mask = [direction == "inputGradient", direction == "weightGradient", False]
    return lambda: torch.ops.aten.convolution_backward(
        upstream, x, weight, [outputs], [stride] * 2, [padding] * 2, [1, 1], False, [0, 0], 1, mask), flop


def prepare(command):
    batch, layout = command.get("batchSize", 128), command.get("layout", "channels-last")
    what = command["what"]
    if what == "alexnet-step":
        return training_step(alexnet(), 224, 0.01, batch, layout)
    if what == "lenet-step":
        return training_step(lenet(), 28, 0.9, batch, layout)
    if what == "sgemm":
        return sgemm(command["m"], command["n"], command["k"])
    if what == "conv":
        return convolution(command["layer"], command["pass"], batch, layout)
    raise ValueError(f"nothing called {what}")


def peak_memory_mb():
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmHWM")) / 1024


def minor_page_faults():
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt


def timed(step):
    start = time.perf_counter()
    step()
    return time.perf_counter() - start


def main(threads):
    if threads:  # else PyTorch's own choice
        torch.set_num_threads(threads)
    torch.manual_seed(0)
    print(json.dumps({"version": torch.__version__, "threads": torch.get_num_threads()}), flush=True)
    step = None
    for line in sys.stdin:
        try:
            command = json.loads(line)
            if command["cmd"] == "setup":
                step = None  # frees the former before the next is made
                step, flop = prepare(command)
                for _ in range(command.get("warmUp", 2)):
                    step()
                answer = {"flop": flop}
            elif command["cmd"] == "run":
                faults = minor_page_faults()
                seconds = [timed(step) for _ in range(command["steps"])]
                answer = {"seconds": seconds, "pageFaults": minor_page_faults() - faults}
            elif command["cmd"] == "memory":
                answer = {"peakMemoryMB": peak_memory_mb()}
            else:
                raise ValueError(f"no command {command['cmd']}")
        except Exception as error:
            answer = {"error": f"{type(error).__name__}: {error}"}
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
