import type { Event } from '../../gateway/event.ts'
import { openEmbeddedReader } from '../../gateway/log/embedded.ts'
import type { LogRecord } from '../../gateway/log/port.ts'
import { createRuntime } from '../../gateway/node/runtime.ts'
import { type Published, publishedOf } from './checkers/facts.ts'

/** Every record of the topics that begin so, of an embedded log in a gateway's data folder. */
export async function readRecords(dataFolder: string, topicPrefix: string): Promise<readonly LogRecord[]> {
  const reader = openEmbeddedReader({ folder: `${dataFolder}/log`, runtime: createRuntime() })
  const { signal } = new AbortController()
  const records: LogRecord[] = []
  for (const { name, partitions } of await reader.topics()) {
    if (!name.startsWith(topicPrefix)) continue
    for (let partition = 0; partition < partitions; partition += 1) {
      for await (const chunk of reader.readTo({ topic: name, partition }, 0, { signal })) {
        records.push(...chunk.records)
      }
    }
  }
  await reader.close()
  return records
}

/** Every event of an entity, or of all (`''`). */
export async function readEvents(dataFolder: string, entity: string): Promise<readonly Published[]> {
  return publishedOf(await readRecords(dataFolder, entity === '' ? 'erp.' : `erp.${entity}.`))
}

/** The newest event by subject; a deleted record is left out. */
export function newestBySubject(events: readonly Published[]): ReadonlyMap<string, Event> {
  const newest = new Map<string, Event>()
  for (const { event } of events) {
    if (event.type.endsWith('.deleted.v1')) newest.delete(event.subject)
    else newest.set(event.subject, event)
  }
  return newest
}
