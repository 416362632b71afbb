import { z } from 'zod'
import type { Adapter, Context, Session, Traits } from '../../adapters/contract.ts'
import { AdapterError } from '../../adapters/errors.ts'
import type { Delivered } from '../kit/checkers/cursor-never-ahead.ts'
import type { SimulatedRuntime } from '../kit/simulated-runtime.ts'
import { type Erp, FIELDS, type Moods, type ToyFeed, toyFeed, trouble } from './toy-calls.ts'
import { liveRows, pollOf, recordOf, settleQueue } from './toy-polls.ts'
import { dataOf, type World } from './world.ts'

export type ToyErp = Readonly<{
  adapter: Adapter<typeof connection, typeof toyFeed, ToyTransport>
  moods: Moods
  /** Every batch that was handed over, in order. */
  deliveries: readonly Delivered[]
}>

const connection = z.strictObject({})

/** The toy needs none: what it would do to a network, its moods do. */
export type ToyTransport = Readonly<{ isClosed: boolean }>

/** The adapter over the toy world. It hands over honest versions in awkward ways, and writes down what it handed over. */
export function createToyErp(
  simulated: SimulatedRuntime,
  world: World,
  source: string,
  mutations: ReadonlySet<string>,
): ToyErp {
  const moods: Moods = { isDown: false, troubleChance: 0, staleChance: 0, resendChance: 0 }
  const deliveries: Delivered[] = []
  const random = simulated.random.fork(`erp/${source}`)
  const erp: Erp = {
    world,
    moods,
    random,
    now: simulated.now,
    overlap: (spec) => (mutations.has('overlap-off') ? 0 : spec.overlapMs),
    queues: new Map(),
    note: (name, poll, batch, changes) =>
      deliveries.push({
        lane: `${source}.${name}`,
        poll,
        at: simulated.now(),
        next: batch.next,
        records: changes.map(({ recordKey, version, key, fields, ...stamp }) => ({
          recordKey,
          sourceKey: key,
          version,
          raw: fields === null ? null : JSON.stringify(dataOf(key, fields, stamp)),
        })),
      }),
    polls: 0,
    pages: 0,
  }
  return {
    moods,
    deliveries,
    adapter: {
      kind: 'toy',
      summary: 'A toy ERP that knows the truth.',
      connection,
      feed: toyFeed,
      example: { connection: {}, feeds: {} },
      traits: traitsOf,
      hosts: () => [],
      async connect(_connection, context, signal) {
        await trouble(erp, context, signal)
        return { isClosed: false }
      },
      session: (_transport, feeds, context) => openSession(erp, feeds, context),
    },
  }
}

function traitsOf(spec: ToyFeed): Traits {
  switch (spec.strategy) {
    case 'watermark':
      return { order: 'none', deletes: 'reported', replay: 'from-any-cursor' }
    case 'pass':
      return { order: 'none', deletes: 'by-pass', replay: 'from-any-cursor' }
    case 'queue':
      return { order: 'total', deletes: 'reported', replay: 'until-settled' }
  }
}

function openSession(erp: Erp, feeds: Readonly<Record<string, ToyFeed>>, context: Context): Session {
  const specOf = (name: string) => {
    const spec = feeds[name]
    if (spec === undefined) throw new AdapterError('ADAPTER_ENTITY_UNKNOWN', `There is no feed ${name}.`)
    return spec
  }
  const canRead = Object.values(feeds).every((spec) => spec.canRead)
  return {
    check: async () => (erp.moods.isDown ? { ok: false, reason: 'It is down.' } : { ok: true }),
    async identity(signal) {
      await trouble(erp, context, signal)
      return 'toy-erp/1'
    },
    discover: async () => Object.keys(feeds).map((name) => ({ name, key: ['key'], fields: FIELDS })),
    async preview(name, limit) {
      const spec = specOf(name)
      return liveRows(erp.world, spec.table)
        .slice(0, limit)
        .flatMap((change) => recordOf(change, spec, erp.world.sequence()) ?? [])
    },
    poll(name, cursor, signal) {
      erp.polls += 1
      return pollOf({ erp, name, spec: specOf(name), context, signal, number: erp.polls }, cursor)
    },
    ...(canRead
      ? {
          async read(name: string, keys: readonly string[], signal: AbortSignal) {
            await trouble(erp, context, signal)
            const spec = specOf(name)
            return keys.flatMap((key) => {
              const change = erp.world.rows(spec.table).get(key)
              if (!change?.fields) return []
              return recordOf(change, spec, erp.world.sequence()) ?? []
            })
          },
        }
      : {}),
    async settle(name, cursor, signal) {
      await trouble(erp, context, signal)
      const spec = specOf(name)
      if (spec.strategy === 'queue') settleQueue(erp, spec.table, cursor)
    },
    close: async () => {},
  }
}
