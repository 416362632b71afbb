import type { MessagePort } from 'node:worker_threads'
import type { Answer, Request, Result } from './embedded-wire.ts'
import { LogError } from './errors.ts'

type WithoutId<Whole> = Whole extends unknown ? Omit<Whole, 'id'> : never
export type Question = WithoutId<Extract<Request, { kind: 'ensure' | 'writer' | 'release' | 'prune' }>>
export type Sending = WithoutId<Extract<Request, { kind: 'transact' }>>

/** Questions to the thread that writes, and their answers. */
export interface EmbeddedCalls {
  /** Rejects with the signal's reason when it aborts; then the question may still be acted on. */
  ask(question: Question, signal?: AbortSignal): Promise<Result>
  /**
   * Sends a transaction once there is room for it. Rejects when the signal aborts before that; once it is sent, an
   * abort or the end of the writing thread is answered with `unknown`.
   */
  send(sending: Sending, signal: AbortSignal): Promise<Result>
  /** Resolves when the partition goes beyond the position, or the signal aborts. Throws LOG_STOPPED. */
  waitBeyond(part: number, from: number, signal: AbortSignal): Promise<void>
  /** Throws LOG_CLOSED after `close`. */
  assertOpen(): void
  isOpen(): boolean
  /** Aborts when `close` begins. */
  readonly closing: AbortSignal
  /** Takes nothing more and waits for what is under way. False where it was closed before. */
  close(): Promise<boolean>
}

/** How many bytes of transactions one thread may have under way; a larger one goes alone. */
const IN_FLIGHT_BYTES_MAX = 8_000_000

export function createCalls(port: MessagePort): EmbeddedCalls {
  const calls: Calls = {
    port,
    pending: new Map(),
    waiting: [],
    inFlightBytes: 0,
    lastId: 0,
    state: 'open',
    closing: new AbortController(),
    drained: () => undefined,
  }
  port.on('message', ({ id, result }: Answer) => settle(calls, id, result))
  port.on('close', () => lose(calls))
  // A thread that waits for nothing of the log may end.
  port.unref()
  return {
    ask: (question, signal) => ask(calls, question, signal),
    send: (sending, signal) => send(calls, sending, signal),
    waitBeyond: (part, from, signal) => waitBeyond(calls, part, from, signal),
    assertOpen: () => assertOpen(calls),
    isOpen: () => calls.state === 'open',
    closing: calls.closing.signal,
    close: () => close(calls),
  }
}

type Pending = Readonly<{ kind: Request['kind']; bytes: number; settle: (result: Result) => void }>
type Waiting = Readonly<{ bytes: number; go: () => void }>

type Calls = {
  readonly port: MessagePort
  readonly pending: Map<number, Pending>
  /** Transactions that wait for room, in their order. */
  waiting: Waiting[]
  inFlightBytes: number
  lastId: number
  /** `lost`: the writing thread has ended. */
  state: 'open' | 'closed' | 'lost'
  readonly closing: AbortController
  drained: () => void
}

const ENDED = 'The thread that writes the log has ended; start the gateway again.'
const STOPPED: Result = { kind: 'failed', code: 'LOG_STOPPED', message: ENDED }

function assertOpen(calls: Calls): void {
  if (calls.state === 'closed') throw new LogError('LOG_CLOSED', 'The log was used after it was closed.')
}

async function ask(calls: Calls, question: Question, signal?: AbortSignal): Promise<Result> {
  assertOpen(calls)
  if (calls.state === 'lost') return STOPPED
  return await new Promise((resolve, reject) => {
    const aborted = () => reject(signal?.reason)
    signal?.addEventListener('abort', aborted, { once: true })
    post(calls, question, (result) => {
      signal?.removeEventListener('abort', aborted)
      resolve(result)
    })
  })
}

async function send(calls: Calls, sending: Sending, signal: AbortSignal): Promise<Result> {
  assertOpen(calls)
  const bytes = sending.packed.byteLength
  await takeRoom(calls, bytes, signal)
  if (signal.aborted) {
    calls.inFlightBytes -= bytes
    admit(calls)
    throw signal.reason
  }
  assertOpen(calls)
  if (calls.state === 'lost') return { kind: 'refused', retryable: true, reason: ENDED }
  return await new Promise((resolve) => {
    const aborted = () => {
      resolve({ kind: 'unknown', reason: 'The work was stopped while the log had not answered yet.' })
    }
    signal.addEventListener('abort', aborted, { once: true })
    post(calls, sending, (result) => {
      signal.removeEventListener('abort', aborted)
      resolve(result)
    })
  })
}

/** Resolves when so many bytes may be sent and are counted, or there is nobody left to send them to. */
async function takeRoom(calls: Calls, bytes: number, signal: AbortSignal): Promise<void> {
  if (calls.waiting.length === 0 && fits(calls, bytes)) {
    calls.inFlightBytes += bytes
    return
  }
  await new Promise<void>((resolve, reject) => {
    const aborted = () => {
      calls.waiting = calls.waiting.filter((other) => other !== waiting)
      reject(signal.reason)
    }
    const waiting: Waiting = {
      bytes,
      go: () => {
        signal.removeEventListener('abort', aborted)
        resolve()
      },
    }
    signal.addEventListener('abort', aborted, { once: true })
    calls.waiting.push(waiting)
  })
}

function fits(calls: Calls, bytes: number): boolean {
  return calls.inFlightBytes === 0 || calls.inFlightBytes + bytes <= IN_FLIGHT_BYTES_MAX
}

async function waitBeyond(calls: Calls, part: number, from: number, signal: AbortSignal): Promise<void> {
  if (signal.aborted || calls.state === 'closed') return
  if (calls.state === 'lost') throw new LogError('LOG_STOPPED', ENDED)
  const result = await new Promise<Result>((resolve) => {
    const aborted = () => {
      calls.port.postMessage({ kind: 'unwatch', id } satisfies Request)
      settle(calls, id, { kind: 'moved' })
    }
    const id = post(calls, { kind: 'watch', part, from }, (answer) => {
      signal.removeEventListener('abort', aborted)
      resolve(answer)
    })
    signal.addEventListener('abort', aborted, { once: true })
  })
  if (result.kind === 'failed') throw new LogError(result.code, result.message)
}

type Body = Question | Sending | WithoutId<Extract<Request, { kind: 'watch' }>>

function post(calls: Calls, body: Body, settled: (result: Result) => void): number {
  const id = calls.lastId + 1
  const bytes = body.kind === 'transact' ? body.packed.byteLength : 0
  calls.lastId = id
  calls.pending.set(id, { kind: body.kind, bytes, settle: settled })
  calls.port.ref()
  const request: Request = { ...body, id }
  calls.port.postMessage(request, body.kind === 'transact' ? [body.packed] : [])
  return id
}

function settle(calls: Calls, id: number, result: Result): void {
  const pending = calls.pending.get(id)
  if (pending === undefined) return
  calls.pending.delete(id)
  calls.inFlightBytes -= pending.bytes
  if (calls.pending.size === 0) calls.port.unref()
  pending.settle(result)
  admit(calls)
  calls.drained()
}

/** Lets waiting transactions go while there is room. */
function admit(calls: Calls): void {
  for (;;) {
    const first = calls.waiting[0]
    if (first === undefined || !fits(calls, first.bytes)) return
    calls.waiting = calls.waiting.slice(1)
    calls.inFlightBytes += first.bytes
    first.go()
  }
}

/** The writing thread is gone. What it was told to commit, it may have committed. */
function lose(calls: Calls): void {
  if (calls.state === 'open') calls.state = 'lost'
  for (const [id, { kind }] of [...calls.pending]) {
    settle(calls, id, kind === 'transact' ? { kind: 'unknown', reason: ENDED } : STOPPED)
  }
  for (const { go } of calls.waiting) go()
  calls.waiting = []
}

async function close(calls: Calls): Promise<boolean> {
  if (calls.state === 'closed') return false
  const wasLost = calls.state === 'lost'
  calls.state = 'closed'
  calls.closing.abort(new LogError('LOG_CLOSED', 'The log was closed.'))
  for (const [id, { kind }] of [...calls.pending]) if (kind === 'watch') settle(calls, id, { kind: 'moved' })
  for (const { go } of calls.waiting) go()
  calls.waiting = []
  if (!wasLost && calls.pending.size > 0) {
    await new Promise<void>((resolve) => {
      calls.drained = () => {
        if (calls.pending.size === 0) resolve()
      }
    })
  }
  calls.port.close()
  return true
}
