import type { ProjectionRow } from '../ports.ts'
import { entityTopic } from '../topics.ts'
import { encodeJson } from './cursor-record.ts'
import { LaneStop } from './lane-stop.ts'
import { readEvent } from './open.ts'
import type { Work } from './work.ts'

/**
 * The data of the newest events of these rows as JSON, by record key: a deletion is published with the identity fields that its
 * record had. The projection does not keep them, the log does.
 */
export async function dataInLog(
  work: Work,
  rows: readonly ProjectionRow[],
): Promise<Map<string, Uint8Array>> {
  const topic = entityTopic(work.options.mapping.entity)
  const found = new Map<string, Uint8Array>()
  for (const row of rows) {
    const range = { to: row.offset + 1, signal: work.signal }
    const place = { topic, partition: row.partition }
    for await (const chunk of work.options.ports.log.readTo(place, row.offset, range)) {
      for (const record of chunk.records) {
        if (record.key === row.recordKey) found.set(row.recordKey, encodeJson(readEvent(record).data))
      }
    }
    if (!found.has(row.recordKey)) {
      throw new LaneStop(
        'LOG_UNREADABLE',
        `The newest event of ${row.recordKey} is not where it was written (${topic} partition ${row.partition} offset ${row.offset}).`,
      )
    }
  }
  return found
}
