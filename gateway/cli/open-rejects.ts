import { decodeEvent } from '../envelope.ts'
import type { RejectRecord } from '../lane/reject-record.ts'
import type { LogRecord, TopicPartition } from '../log/port.ts'
import type { LogReader } from '../log/reader.ts'
import { partitionsOf, readLaneRecords } from './log-places.ts'

/** What must be known of a reject to say whether it is settled. */
export type RejectPlace = Readonly<{
  topic: string
  partition: number
  offset: number
  /** Epoch ms at which the log took it. */
  time: number
  /** `<gateway>/<lane>/<source key>` */
  key: string
}> &
  Pick<RejectRecord, 'lineage' | 'sourceKey' | 'readOrder'>

/**
 * The names (`nameOfPlace`) of those rejects that nothing later in the log has settled: no later reject of the same
 * record, no event that was read after it, no new lineage of its lane. Where a record came back to what was published
 * already there is no event, so it counts as open; a running gateway's own tables, which know, cannot be read beside it.
 */
export async function stillOpen(
  reader: LogReader,
  rejects: readonly RejectPlace[],
  signal: AbortSignal,
): Promise<ReadonlySet<string>> {
  if (rejects.length === 0) return new Set()
  const newest = new Map<string, RejectPlace>()
  for (const reject of rejects) {
    const other = newest.get(reject.key)
    if (other === undefined || other.offset < reject.offset) newest.set(reject.key, reject)
  }
  const lanes = await readLaneRecords(reader, signal)
  const open = new Map<string, RejectPlace>()
  let oldest = Number.POSITIVE_INFINITY
  for (const reject of newest.values()) {
    const lane = reject.key.slice(0, -reject.sourceKey.length - 1)
    const current = lanes.get(lane)?.lineage
    if (current !== undefined && current !== reject.lineage) continue
    open.set(rowOf(reject.lineage, reject.sourceKey), reject)
    oldest = Math.min(oldest, reject.time)
  }
  for (const place of partitionsOf(reader, null, 'erp.')) {
    await dropUnderstood(reader, place, open, oldest - CLOCK_STEP_MS, signal)
  }
  return new Set([...open.values()].map(nameOfPlace))
}

/** A record's place in the log as one text. */
export function nameOfPlace({
  topic,
  partition,
  offset,
}: TopicPartition & { readonly offset: number }): string {
  return `${topic}/${partition}/${offset}`
}

/** The log's times are those of a clock that may be set back. */
const CLOCK_STEP_MS = 3_600_000

/** How much of a partition is looked through at a time, from its end. */
const SPAN = 10_000

/** Takes out of `open` what an event shows to be understood. Reads no further back than to the oldest reject. */
async function dropUnderstood(
  reader: LogReader,
  place: TopicPartition,
  open: Map<string, RejectPlace>,
  oldest: number,
  signal: AbortSignal,
): Promise<void> {
  let to = await reader.end(place, signal)
  while (to > 0 && open.size > 0) {
    const from = Math.max(0, to - SPAN)
    let first: number | null = null
    for await (const { records } of reader.readTo(place, from, { to, signal })) {
      first ??= records[0]?.time ?? null
      for (const record of records) dropIfUnderstood(record, open)
    }
    if (first !== null && first < oldest) return
    to = from
  }
}

function dropIfUnderstood({ value }: LogRecord, open: Map<string, RejectPlace>): void {
  if (value === null) return
  const event = decodeEvent(value)
  const row = rowOf(event.lineage, event.sourcekey)
  const reject = open.get(row)
  if (reject !== undefined && event.readorder > reject.readOrder) open.delete(row)
}

/** A lineage belongs to one lane. */
function rowOf(lineage: string, sourceKey: string): string {
  return `${lineage}/${sourceKey}`
}
