import { AdapterError } from '../../adapters/errors.ts'

/** Where a call is cut off: before it reaches the source, or after it did and before the answer came. */
export type FaultMoment = 'request' | 'reply'

/** Fails the call with this number (from 1), once; 'all' fails every one. */
export type FaultPlan = Readonly<{ at: number | 'all'; moment: FaultMoment }>

/** A transport that counts its calls and fails as planned. */
export type Watched<Transport> = Readonly<{
  transport: Transport
  calls(): number
  hasFired(): boolean
}>

/** A poll that makes more calls than this does not end. */
const CALLS_MAX = 20_000

/**
 * Wraps any transport whose methods return promises, async iterables or, by a promise, further objects with methods.
 * Each call and each step of an iteration counts.
 */
export function watched<Transport extends object>(
  transport: Transport,
  plan: FaultPlan | null = null,
): Watched<Transport> {
  const counter = { calls: 0, fired: false }
  const begin = (): 'passes' | FaultMoment => {
    counter.calls += 1
    if (counter.calls > CALLS_MAX) throw new Error(`More than ${CALLS_MAX} calls: this does not end.`)
    if (plan === null || (plan.at !== 'all' && plan.at !== counter.calls)) return 'passes'
    counter.fired = true
    return plan.moment
  }
  const wrapResult = async (moment: 'passes' | FaultMoment, result: unknown): Promise<unknown> => {
    const value = await result
    if (moment === 'reply') throw cut()
    return hasMethods(value) ? wrapObject(value) : value
  }
  const wrapIterable = async function* (iterable: AsyncIterable<unknown>): AsyncGenerator {
    const iterator = iterable[Symbol.asyncIterator]()
    try {
      for (;;) {
        const moment = begin()
        if (moment === 'request') throw cut()
        const step = await iterator.next()
        if (moment === 'reply') throw cut()
        if (step.done === true) return
        yield step.value
      }
    } finally {
      await iterator.return?.()
    }
  }
  const wrapObject = (target: object): object =>
    new Proxy(target, {
      get(object, property) {
        const member: unknown = Reflect.get(object, property)
        if (typeof member !== 'function') return member
        return (...parameters: unknown[]): unknown => {
          const moment = begin()
          if (moment === 'request') return failed(cut())
          const result: unknown = Reflect.apply(member, object, parameters)
          if (isAsyncIterable(result)) return moment === 'reply' ? failed(cut()) : wrapIterable(result)
          return result instanceof Promise ? wrapResult(moment, result) : result
        }
      },
    })
  return {
    transport: wrapObject(transport) as Transport,
    calls: () => counter.calls,
    hasFired: () => counter.fired,
  }
}

function cut(): AdapterError {
  return new AdapterError('ADAPTER_UNREACHABLE', 'The kit cut the connection.')
}

/** A call that fails however its result is used: what it would have returned is not known without making it. */
function failed(error: AdapterError): Promise<never> & AsyncIterable<never> {
  const rejection = Promise.reject<never>(error)
  rejection.catch(() => undefined)
  return Object.assign(rejection, {
    [Symbol.asyncIterator]: () => ({ next: () => Promise.reject<IteratorResult<never>>(error) }),
  })
}

function hasMethods(value: unknown): value is object {
  return (
    typeof value === 'object' &&
    value !== null &&
    !Array.isArray(value) &&
    Object.values(value).some((member) => typeof member === 'function')
  )
}

function isAsyncIterable(value: unknown): value is AsyncIterable<unknown> {
  return typeof value === 'object' && value !== null && Symbol.asyncIterator in value
}
