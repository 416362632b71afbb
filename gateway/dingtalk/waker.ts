import type { Runtime } from '../runtime.ts'

/** Lets a loop wait until something calls `wake`, or until a moment of `mono` (null: for ever). */
export type Waker = Readonly<{
  wake(): void
  wait(until: bigint | null, signal: AbortSignal): Promise<void>
}>

export function createWaker(runtime: Pick<Runtime, 'mono' | 'sleep'>): Waker {
  let isAwake = false
  let waiting: (() => void) | null = null
  return {
    wake() {
      isAwake = true
      waiting?.()
    },
    async wait(until, signal) {
      const over = new AbortController()
      const woken = new Promise<void>((resolve) => {
        waiting = resolve
        signal.addEventListener('abort', () => resolve(), { once: true, signal: over.signal })
        if (isAwake || signal.aborted) resolve()
      })
      const ms =
        until === null ? FOREVER_MS : Math.max(0, Math.ceil(Number(until - runtime.mono()) / 1_000_000))
      // The sleep is given up when the loop is woken, and then rejects, which is its wanted end.
      const slept = runtime.sleep(ms, over.signal).catch((error: unknown) => {
        if (!over.signal.aborted) throw error
      })
      try {
        await Promise.race([woken, slept])
      } finally {
        over.abort()
        waiting = null
        isAwake = false
      }
    },
  }
}

/** A loop that nothing wakes looks around once an hour. */
const FOREVER_MS = 3_600_000
