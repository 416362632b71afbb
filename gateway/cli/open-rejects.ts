import type { RejectRecord } from '../lane/reject-record.ts'
import type { TopicPartition } from '../log/port.ts'
import type { LogReader } from '../log/reader.ts'
import { readLaneRecords } from './log-places.ts'

/** What must be known of a reject to say whether it is settled. */
export type RejectPlace = TopicPartition &
  Readonly<{
    offset: number
    /** `<gateway>/<lane>/<source key>` */
    key: string
  }> &
  Pick<RejectRecord, 'lineage' | 'sourceKey'>

/**
 * The names (`nameOfPlace`) of those rejects that are open: the newest record of their key in the topic, of the lineage
 * that their lane has now. A later reject of the same record stands in its place; what was understood since, or is gone,
 * was taken back by the lane.
 */
export async function stillOpen(
  reader: LogReader,
  rejects: readonly RejectPlace[],
  signal: AbortSignal,
): Promise<ReadonlySet<string>> {
  if (rejects.length === 0) return new Set()
  const lanes = await readLaneRecords(reader, signal)
  const isCurrent = ({ key, sourceKey, lineage }: RejectPlace) => {
    const lane = lanes.get(key.slice(0, -sourceKey.length - 1))
    return lane === undefined || lane.lineage === lineage
  }
  const current = rejects.filter(isCurrent)
  const newest = await newestOffsets(reader, current, signal)
  return new Set(current.filter(({ key, offset }) => newest.get(key) === offset).map(nameOfPlace))
}

/** A record's place in the log as one text. */
export function nameOfPlace({
  topic,
  partition,
  offset,
}: TopicPartition & { readonly offset: number }): string {
  return `${topic}/${partition}/${offset}`
}

/** Where the newest record of each key stands, as far as it matters for these. */
async function newestOffsets(
  reader: LogReader,
  rejects: readonly RejectPlace[],
  signal: AbortSignal,
): Promise<ReadonlyMap<string, number>> {
  const keys = new Set(rejects.map(({ key }) => key))
  const newest = new Map<string, number>()
  for (const some of Map.groupBy(rejects, ({ topic, partition }) => `${topic}/${partition}`).values()) {
    const [first] = [...some].sort((a, b) => a.offset - b.offset)
    if (first === undefined) continue
    for await (const { records } of reader.readTo(first, first.offset, { signal })) {
      for (const { key, offset } of records) if (key !== null && keys.has(key)) newest.set(key, offset)
    }
  }
  return newest
}
