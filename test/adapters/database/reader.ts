import type { Batch, Context, Cursor, Known, Session, SourceRecord } from '../../../adapters/contract.ts'
import { adapter } from '../../../adapters/database/adapter.ts'
import type { Transport } from '../../../adapters/database/transport.ts'
import { createSurroundings } from '../../kit/adapter-surroundings.ts'

/** A consumer of one feed, for tests that tell a story: what it takes is durable. One that `remembers` says what it knows. */
export type Reader = Readonly<{
  session: Session
  /** Takes batches until the poll ends, or so many. */
  poll(batchesMax?: number): Promise<readonly Batch[]>
  cursor(): Cursor | null
  resumeAt(cursor: Cursor | null): void
}>

export function createReader(
  transport: Transport,
  feed: object,
  options: Readonly<{ batchRecordsMax?: number; context?: Partial<Context>; remembers?: boolean }> = {},
): Reader {
  const { context } = createSurroundings({
    batchRecordsMax: options.batchRecordsMax ?? 100,
    marks: new Map(),
  })
  const feeds = { docs: adapter.feed.parse(feed) }
  const session = adapter.session(transport, feeds, { ...context, ...options.context })
  let at: Cursor | null = null
  const known = new Map<string, string | null>()
  const isKnown: Known = (reads) => reads.map(({ key, fingerprint }) => known.get(key) === fingerprint)
  const ask = options.remembers === true ? isKnown : undefined
  return {
    session,
    cursor: () => at,
    resumeAt(cursor) {
      at = cursor
    },
    async poll(batchesMax = Number.POSITIVE_INFINITY) {
      const batches: Batch[] = []
      for await (const batch of session.poll('docs', at, new AbortController().signal, ask)) {
        batches.push(batch)
        for (const record of batch.records) known.set(record.key, record.fingerprint)
        at = batch.next
        if (batches.length >= batchesMax) break
      }
      return batches
    },
  }
}

export function recordsOf(batches: readonly Batch[]): readonly SourceRecord[] {
  return batches.flatMap((batch) => batch.records)
}

/** Keys of what was read whole. */
export function keysOf(batches: readonly Batch[]): readonly string[] {
  return recordsOf(batches).map(({ key }) => key)
}

/** A feed by the time of the last change, over a table with `no` and `changed`; every poll looks back by all of the overlap. */
export function byTime(table: string, reach = '10m') {
  return { table, key: ['no'], cursor: { strategy: 'watermark', columns: ['changed'], overlap: [{ reach }] } }
}
