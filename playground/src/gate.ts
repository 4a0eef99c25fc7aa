/**
 * Where a run waits between steps while it is paused. Errands, which need the network as a step left it, are done
 * there, too. Time that it spends there is not counted as the run's.
 */
export class Gate {
  private isClosed = false;
  private readonly errands: (() => Promise<void>)[] = [];
  private wake: (() => void) | undefined;
  private spent = 0;

  /** Seconds of all pauses. */
  get pausedSeconds(): number {
    return this.spent;
  }

  /** Whether the run should come to the gate after the present step. */
  get isCalling(): boolean {
    return this.isClosed || this.errands.length > 0;
  }

  get isPaused(): boolean {
    return this.isClosed;
  }

  pause(): void {
    this.isClosed = true;
  }

  /** Lets one step through, then pauses. */
  step(): void {
    this.isClosed = true;
    this.wake?.();
  }

  open(): void {
    this.isClosed = false;
    this.wake?.();
  }

  /** Does something when the run next comes to the gate; rejected with what it throws. */
  errand<T>(act: () => Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      this.errands.push(() => act().then(resolve, reject));
      this.wakeForErrand?.();
    });
  }

  private wakeForErrand: (() => void) | undefined;

  /** Resolves when the run may go on. */
  async pass(): Promise<void> {
    const start = performance.now();
    let mayGo = !this.isClosed;
    for (;;) {
      for (let act = this.errands.shift(); act; act = this.errands.shift()) await act();
      if (mayGo) break;
      mayGo = await new Promise<boolean>((resolve) => {
        this.wake = () => resolve(true);
        this.wakeForErrand = () => resolve(false);
      });
      this.wake = undefined;
      this.wakeForErrand = undefined;
    }
    this.spent += (performance.now() - start) / 1000;
  }
}

const channel = new MessageChannel();
const waiting: (() => void)[] = [];
channel.port1.onmessage = () => waiting.shift()?.();

/** Resolves after the messages that wait; a device without a GPU computes without ever leaving its task. */
export function nextTask(): Promise<void> {
  return new Promise((resolve) => {
    waiting.push(resolve);
    channel.port2.postMessage(null);
  });
}
