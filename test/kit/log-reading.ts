import { randomUUID } from 'node:crypto'
import type { Event } from '../../gateway/event.ts'
import { openEmbeddedReader } from '../../gateway/log/embedded.ts'
import type { LogRecord } from '../../gateway/log/port.ts'
import type { LogReader } from '../../gateway/log/reader.ts'
import { createRuntime } from '../../gateway/node/runtime.ts'
import { type Published, publishedOf } from './checkers/facts.ts'
import { plainKafka } from './plain-kafka.ts'

/** Where a gateway of a test keeps its log. */
export type TestLog = Readonly<{
  /** The line of the config that says so. */
  config: string
  /** The log of a gateway with this data folder. */
  open(dataFolder: string): LogReader
}>

export const EMBEDDED: TestLog = {
  config: 'log: { driver: embedded }',
  open: (dataFolder) => openEmbeddedReader({ folder: `${dataFolder}/log`, runtime: createRuntime() }),
}

/** On a Kafka without security, under a prefix of its own; `address` is `host:port`. */
export function onKafka(address: string): TestLog & Readonly<{ prefix: string }> {
  const prefix = `t${randomUUID().slice(0, 8)}.`
  return {
    prefix,
    config: `log: { driver: kafka, brokers: ["${address}"], prefix: ${prefix} }`,
    open: () => plainKafka('platformatic', address, { prefix }),
  }
}

/** Every record of the topics that begin so, in the log of a gateway with this data folder. */
export async function readRecords(
  dataFolder: string,
  topicPrefix: string,
  log: TestLog = EMBEDDED,
): Promise<readonly LogRecord[]> {
  const reader = log.open(dataFolder)
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
export async function readEvents(
  dataFolder: string,
  entity: string,
  log: TestLog = EMBEDDED,
): Promise<readonly Published[]> {
  return publishedOf(await readRecords(dataFolder, entity === '' ? 'erp.' : `erp.${entity}.`, log))
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
