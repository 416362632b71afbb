import type { Session } from '../../adapters/contract.ts'
import { AdapterError } from '../../adapters/errors.ts'
import type { Logger, Runtime } from '../runtime.ts'

/** Opens a session with the source; what a restart of the connection calls again. */
export type OpenSession = (signal: AbortSignal) => Promise<Session>

export type TurnLimits = Readonly<{ connectMs: number; callMs: number }>

const DEFAULT_TURN_LIMITS: TurnLimits = { connectMs: 30_000, callMs: 60_000 }

/** A source that hung is left behind after this long: others wait for the turn, or for the end of the gateway. */
const RETURN_MS = 2_000

/**
 * One source's session, shared by its lanes. Calls take turns, so that an adapter never sees two at once; each has a
 * deadline of ours, kept whether or not the adapter heeds its signal. After a failure the session is dropped and the
 * next call opens another, with a higher `generation`.
 */
export class SourceConnection {
  readonly #open: OpenSession
  readonly #runtime: Runtime
  readonly #logger: Logger
  readonly #limits: TurnLimits
  #session: Session | null = null
  #generation = 0
  #tail: Promise<unknown> = Promise.resolve()
  #asked: Readonly<{ what: string; at: bigint }> | null = null

  constructor(
    options: Readonly<{ open: OpenSession; runtime: Runtime; logger: Logger; limits?: TurnLimits }>,
  ) {
    this.#open = options.open
    this.#runtime = options.runtime
    this.#logger = options.logger
    this.#limits = options.limits ?? DEFAULT_TURN_LIMITS
  }

  /**
   * Runs one call of the session when it is this caller's turn. `generation` rises with every new session: what was
   * learnt of one does not hold for the next. Throws ADAPTER_TIMEOUT when the deadline passes, and the signal's reason
   * as soon as it aborts, also where others are still before it; any AdapterError that asks for a retry costs the
   * session.
   */
  turn<Answer>(
    what: string,
    signal: AbortSignal,
    call: (session: Session, signal: AbortSignal, generation: number) => Promise<Answer>,
  ): Promise<Answer> {
    const mine = this.#tail.then(async () => {
      signal.throwIfAborted()
      const session = await this.#current(signal)
      try {
        return await this.#within(this.#limits.callMs, what, signal, (inner) =>
          call(session, inner, this.#generation),
        )
      } catch (error) {
        if (!(error instanceof AdapterError) || error.remedy === 'retry') this.#drop(session)
        throw error
      }
    })
    this.#tail = mine.catch(() => undefined)
    return untilAborted(mine, signal)
  }

  /**
   * Runs what remains to be done on something that a session gave (the end of an iterator), when its turn comes and
   * whether or not the session still lives. How it ends is of no interest; a session that cannot come to an end is
   * dropped, and nobody waits for it long.
   */
  afterwards(call: () => Promise<unknown>): void {
    const session = this.#session
    const never = new AbortController().signal
    const mine = this.#tail.then(() => this.#within(RETURN_MS, 'return', never, call))
    this.#tail = mine.catch(() => {
      if (session !== null && this.#session === session) this.#drop(session)
    })
  }

  /** Which answer of the source is waited for now, and how long already; null: none. */
  awaits(): Readonly<{ what: string; ms: number }> | null {
    if (this.#asked === null) return null
    const { what, at } = this.#asked
    return { what, ms: Number((this.#runtime.mono() - at) / 1_000_000n) }
  }

  /** Lets go of the session after the turn under way. */
  async close(): Promise<void> {
    await this.#tail
    const session = this.#session
    if (session !== null) this.#drop(session)
  }

  async #current(signal: AbortSignal): Promise<Session> {
    if (this.#session === null) {
      this.#session = await this.#within(this.#limits.connectMs, 'connect', signal, this.#open)
      this.#generation += 1
    }
    return this.#session
  }

  #drop(session: Session): void {
    if (this.#session === session) this.#session = null
    session.close().catch((error: unknown) => {
      this.#logger.warn('A session did not close cleanly.', {
        reason: error instanceof Error ? error.message : String(error),
      })
    })
  }

  async #within<Answer>(
    ms: number,
    what: string,
    signal: AbortSignal,
    call: (signal: AbortSignal) => Promise<Answer>,
  ): Promise<Answer> {
    const done = new AbortController()
    const inner = AbortSignal.any([signal, done.signal])
    const deadline = this.#runtime.sleep(ms, inner).then(
      () => {
        throw new AdapterError('ADAPTER_TIMEOUT', `The source did not answer ${what} within ${ms} ms.`, {
          details: { what, timeoutMs: ms },
        })
      },
      (error: unknown) => {
        if (signal.aborted) throw error
        return new Promise<never>(() => undefined)
      },
    )
    this.#asked = { what, at: this.#runtime.mono() }
    try {
      return await Promise.race([call(inner), deadline])
    } finally {
      this.#asked = null
      done.abort()
    }
  }
}

/** Waits no longer than the signal lets it. */
async function untilAborted<Answer>(answer: Promise<Answer>, signal: AbortSignal): Promise<Answer> {
  const { promise: aborted, reject } = Promise.withResolvers<never>()
  const abort = () => reject(signal.reason)
  signal.addEventListener('abort', abort, { once: true })
  try {
    return await Promise.race([answer, aborted])
  } finally {
    signal.removeEventListener('abort', abort)
  }
}
