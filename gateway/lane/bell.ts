import type { Runtime } from '../runtime.ts'

/** Wakes one waiter: a wait that can be cut short. Ringing when nobody waits makes the next wait end at once. */
export interface Bell {
  ring(): void
  /** Ends after `ms` (null: only when rung), when rung, or by throwing the signal's reason. */
  wait(ms: number | null, signal: AbortSignal): Promise<void>
}

export function createBell(runtime: Pick<Runtime, 'sleep'>): Bell {
  let isRung = false
  let wake: (() => void) | null = null
  return {
    ring() {
      isRung = true
      wake?.()
    },
    async wait(ms, signal) {
      signal.throwIfAborted()
      if (!isRung) {
        const done = new AbortController()
        const rung = new Promise<void>((resolve) => {
          wake = resolve
        })
        const inner = AbortSignal.any([signal, done.signal])
        // A wait without an end still needs the signal, so it sleeps in long stretches.
        const slept = runtime.sleep(ms ?? LONG_MS, inner).catch(() => undefined)
        await Promise.race([rung, slept])
        done.abort()
        wake = null
      }
      isRung = false
      signal.throwIfAborted()
    },
  }
}

const LONG_MS = 3_600_000
