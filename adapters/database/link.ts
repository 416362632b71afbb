import type { Context } from '../contract.ts'
import { AdapterError } from '../errors.ts'

/** One connection: every call has a deadline that cuts the socket, since nothing else ends a wait on a dead peer. */
export type Link<Client> = Readonly<{
  run<Result>(call: (client: Client) => Promise<Result>, ms: number, signal: AbortSignal): Promise<Result>
  /** Hangs up in good order, or cuts after five seconds. */
  close(): Promise<void>
}>

export const CONNECT_MS = 15_000

/** Over the server's own limit of a statement, so that the server usually ends it first and says so. */
export const GRACE_MS = 5_000

/** What an orderly end of a transaction or connection may take. */
export const END_MS = 5_000

/**
 * Guards a client of a driver. `cut` destroys its socket; `broken` is the error by which it died between two calls,
 * if it did; `asError` makes an AdapterError of what the driver threw.
 */
export function createLink<Client>(
  of: Readonly<{
    client: Client
    /** For people: `host:port`. */
    target: string
    runtime: Context['runtime']
    cut(): void
    end(): Promise<void>
    broken(): unknown
    asError(error: unknown): AdapterError
  }>,
): Link<Client> {
  const { client, target, runtime } = of
  return {
    async run(call, ms, signal) {
      signal.throwIfAborted()
      const dead = of.broken()
      if (dead !== null) throw of.asError(dead)
      const deadline = runtime.deadline(ms)
      const either = AbortSignal.any([signal, deadline])
      either.addEventListener('abort', of.cut, { once: true })
      try {
        return await untilCut(call(client), either)
      } catch (error) {
        signal.throwIfAborted()
        if (deadline.aborted)
          throw new AdapterError(
            'ADAPTER_TIMEOUT',
            `${target} gave no answer within ${ms} ms; is the server overloaded or the network cut?`,
            { cause: error, details: { ms } },
          )
        throw of.asError(error)
      } finally {
        either.removeEventListener('abort', of.cut)
      }
    },
    async close() {
      const deadline = runtime.deadline(END_MS)
      deadline.addEventListener('abort', of.cut, { once: true })
      try {
        await untilCut(of.end(), deadline)
      } catch {
        of.cut()
      } finally {
        deadline.removeEventListener('abort', of.cut)
      }
    },
  }
}

/** Some drivers do not settle a call whose socket was destroyed: the wait ends all the same. */
function untilCut<Result>(call: Promise<Result>, cut: AbortSignal): Promise<Result> {
  if (cut.aborted) return Promise.reject(cut.reason)
  const { promise, reject } = Promise.withResolvers<never>()
  const onAbort = () => reject(cut.reason)
  cut.addEventListener('abort', onAbort, { once: true })
  return Promise.race([call, promise]).finally(() => cut.removeEventListener('abort', onAbort))
}
