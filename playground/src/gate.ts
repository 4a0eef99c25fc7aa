/** Where a run waits between steps while it is paused. Time that it waits is not counted as the run's. */
export class Gate {
  private allowed = Number.POSITIVE_INFINITY;
  private wake: (() => void) | undefined;
  private waited = 0;

  /** Seconds of all pauses. */
  get pausedSeconds(): number {
    return this.waited;
  }

  /** Whether the next step has to wait. */
  get isPausing(): boolean {
    return this.allowed === 0;
  }

  pause(): void {
    this.allowed = 0;
  }

  /** Lets one step through, then pauses. */
  step(): void {
    this.allowed = 1;
    this.wake?.();
  }

  open(): void {
    this.allowed = Number.POSITIVE_INFINITY;
    this.wake?.();
  }

  /** Resolves when a step may be taken; lets messages in before. */
  async pass(): Promise<void> {
    await nextTask();
    while (this.allowed === 0) {
      const start = performance.now();
      await new Promise<void>((resolve) => {
        this.wake = resolve;
      });
      this.waited += (performance.now() - start) / 1000;
    }
    this.allowed--;
  }
}

const channel = new MessageChannel();
const waiting: (() => void)[] = [];
channel.port1.onmessage = () => waiting.shift()?.();

/** Resolves after the messages that wait; a device without a GPU computes without ever leaving its task. */
function nextTask(): Promise<void> {
  return new Promise((resolve) => {
    waiting.push(resolve);
    channel.port2.postMessage(null);
  });
}
