import { createHash } from 'node:crypto'
import type { Runtime } from '../../gateway/runtime.ts'
import { type Random, seededRandom } from './random.ts'

/** Monday, 2 March 2026, 08:00 UTC: where every simulated clock starts. */
export const EPOCH_MS = Date.UTC(2026, 2, 2, 8)

/**
 * Time that passes only when nothing is left to do. Every sleep and deadline is an event in a queue ordered by (time,
 * sequence); between two events all microtasks run to their end, so the same seed gives the same run.
 */
export type SimulatedRuntime = Readonly<{
  /** What the gateway gets: its wall clock steps when `stepWall` says so. */
  runtime: Runtime
  /** The same clock without steps, for what must know when something really happened (log, ERP, checkers). */
  truth: Runtime
  random: Random
  /** True epoch milliseconds. */
  now(): number
  /** Moves the gateway's wall clock, as NTP does; timers do not notice. */
  stepWall(ms: number): void
  /** Runs something after `ms`; the returned function takes it back. */
  after(ms: number, run: () => void): () => void
  /**
   * Lets time pass until the moment `until` (true epoch ms), or until `isDone` says so. Throws when that takes more
   * than `stepsMax` events: something spins.
   */
  run(until: number, options: Readonly<{ stepsMax: number; isDone?: () => boolean }>): Promise<void>
  /** Events so far. */
  steps(): number
  /** Notes something that the same seed must repeat. */
  trace(line: string): void
  /** Hash over every event and every noted line. */
  traceHash(): string
}>

export function simulatedRuntime(seed: string, echo: (line: string) => void = () => {}): SimulatedRuntime {
  const random = seededRandom(seed)
  const queue = eventQueue()
  const digest = createHash('sha256')
  const clock = { elapsedMs: 0, skewMs: 0, steps: 0 }
  let untaken = ''
  const take = (line: string) => {
    untaken += line
    if (untaken.length < DIGEST_CHARACTERS) return
    digest.update(untaken)
    untaken = ''
  }
  const trace = (line: string) => {
    take(`${clock.elapsedMs} ${line}\n`)
    echo(`${(clock.elapsedMs / 1_000).toFixed(3).padStart(10)} ${line}`)
  }
  const after = (ms: number, run: () => void) => queue.add(clock.elapsedMs + Math.max(0, ms), run)
  const now = () => EPOCH_MS + clock.elapsedMs
  return {
    runtime: runtimeOn(after, () => now() + clock.skewMs, now, random.fork('gateway')),
    truth: runtimeOn(after, now, now, random.fork('truth')),
    random,
    now,
    after,
    trace,
    stepWall(ms) {
      clock.skewMs += ms
    },
    async run(until, { stepsMax, isDone = () => false }) {
      const limit = clock.steps + stepsMax
      for (;;) {
        await microtasks()
        if (isDone()) return
        const due = queue.take(until - EPOCH_MS)
        if (due === null) break
        clock.steps += 1
        if (clock.steps > limit) throw new Error(`More than ${stepsMax} events before ${until}: it spins.`)
        clock.elapsedMs = Math.max(clock.elapsedMs, due.at)
        take(`${due.at}\n`)
        due.run()
      }
      clock.elapsedMs = Math.max(clock.elapsedMs, until - EPOCH_MS)
    },
    steps: () => clock.steps,
    traceHash: () => digest.copy().update(untaken).digest('hex').slice(0, 16),
  }
}

/** Hashing many short lines one by one costs more than all else that the clock does. */
const DIGEST_CHARACTERS = 16_384

/** A macrotask: Node empties its microtask queue before it comes to one. */
function microtasks(): Promise<void> {
  return new Promise((resolve) => {
    setImmediate(resolve)
  })
}

type After = SimulatedRuntime['after']

function runtimeOn(after: After, wall: () => number, now: () => number, random: Random): Runtime {
  return {
    wall: () => Math.floor(wall()),
    mono: () => BigInt(Math.round((now() - EPOCH_MS) * 1_000)) * 1_000n,
    sleep: (ms, signal) =>
      new Promise((resolve, reject) => {
        if (signal.aborted) {
          reject(signal.reason)
          return
        }
        const aborted = () => {
          forget()
          reject(signal.reason)
        }
        const forget = after(ms, () => {
          signal.removeEventListener('abort', aborted)
          resolve()
        })
        signal.addEventListener('abort', aborted, { once: true })
      }),
    deadline(ms) {
      const controller = new AbortController()
      after(ms, () => controller.abort(new DOMException(`Not done within ${ms} ms.`, 'TimeoutError')))
      return controller.signal
    },
    uuid: () => uuidAt(Math.floor(wall()), random.bytes(10)),
    bytes: (length) => random.bytes(length),
    float: () => random.float(),
  }
}

/** A UUIDv7 (RFC 9562, 5.7) from a wall clock and ten random bytes. */
function uuidAt(wallMs: number, random: Uint8Array): string {
  const tail = Buffer.from(random)
  tail.writeUInt8((tail.readUInt8(0) & 0x0f) | 0x70, 0)
  tail.writeUInt8((tail.readUInt8(2) & 0x3f) | 0x80, 2)
  const hex = wallMs.toString(16).padStart(12, '0') + tail.toString('hex')
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join('-')
}

type Due = { readonly at: number; readonly sequence: number; readonly run: () => void; isForgotten: boolean }

type EventQueue = Readonly<{
  /** Returns what takes the event back. */
  add(at: number, run: () => void): () => void
  /** The next event not after `until`, or null. */
  take(until: number): Due | null
}>

/** A binary heap by (time, sequence); an event taken back stays in it and is skipped. */
function eventQueue(): EventQueue {
  const heap: Due[] = []
  let sequence = 0
  return {
    add(at, run) {
      const due: Due = { at, sequence: sequence++, run, isForgotten: false }
      heap.push(due)
      siftUp(heap, due)
      return () => {
        due.isForgotten = true
      }
    },
    take(until) {
      for (;;) {
        const first = heap[0]
        if (first === undefined || first.at > until) return null
        const last = heap.pop()
        if (last !== undefined && last !== first) {
          heap[0] = last
          siftDown(heap, last)
        }
        if (!first.isForgotten) return first
      }
    },
  }
}

function isBefore(left: Due, right: Due): boolean {
  return left.at === right.at ? left.sequence < right.sequence : left.at < right.at
}

function siftUp(heap: Due[], due: Due): void {
  let place = heap.length - 1
  while (place > 0) {
    const parentPlace = (place - 1) >> 1
    const parent = heap[parentPlace]
    if (parent === undefined || !isBefore(due, parent)) break
    heap[place] = parent
    place = parentPlace
  }
  heap[place] = due
}

function siftDown(heap: Due[], due: Due): void {
  let place = 0
  for (;;) {
    const leftPlace = 2 * place + 1
    const left = heap[leftPlace]
    if (left === undefined) break
    const right = heap[leftPlace + 1]
    const [child, childPlace] =
      right !== undefined && isBefore(right, left) ? [right, leftPlace + 1] : [left, leftPlace]
    if (!isBefore(child, due)) break
    heap[place] = child
    place = childPlace
  }
  heap[place] = due
}
