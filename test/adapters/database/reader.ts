import type { Batch, Context, Cursor, Session, SourceRecord } from '../../../adapters/contract.ts'
import { adapter } from '../../../adapters/database/adapter.ts'
import type { Transport } from '../../../adapters/database/transport.ts'
import { createSurroundings } from '../../kit/adapter-surroundings.ts'

/** A consumer of one feed, for tests that tell a story: what it takes is durable. */
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
  options: Readonly<{ batchRecordsMax?: number; context?: Partial<Context> }> = {},
): Reader {
  const { context } = createSurroundings({
    batchRecordsMax: options.batchRecordsMax ?? 100,
    marks: new Map(),
  })
  const feeds = { docs: adapter.feed.parse(feed) }
  const session = adapter.session(transport, feeds, { ...context, ...options.context })
  let at: Cursor | null = null
  return {
    session,
    cursor: () => at,
    resumeAt(cursor) {
      at = cursor
    },
    async poll(batchesMax = Number.POSITIVE_INFINITY) {
      const batches: Batch[] = []
      for await (const batch of session.poll('docs', at, new AbortController().signal)) {
        batches.push(batch)
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

export function keysOf(batches: readonly Batch[]): readonly string[] {
  return recordsOf(batches).map(({ key }) => key)
}

/** A feed by the time of the last change, over a table with `no` and `changed`. */
export function byTime(table: string, overlap = '10m') {
  return { table, key: ['no'], cursor: { strategy: 'watermark', columns: ['changed'], overlap } }
}
