import { expect, onTestFinished } from 'vitest'
import type {
  Chunk,
  Commit,
  Draft,
  GroupPosition,
  Log,
  LogRecord,
  Placed,
  TopicPartition,
  TopicSpec,
  TopicState,
  Transaction,
  Writer,
} from '../../gateway/log/port.ts'
import { CURSORS, type LogWorld, type MakeLogWorld, ORDERS, REJECTS } from './log-contract.ts'

export const NEVER = new AbortController().signal

/** A world that ends with the test, a log in it, and its topics. */
export async function begin(
  makeWorld: MakeLogWorld,
): Promise<Readonly<{ world: LogWorld; log: Log; topics: readonly TopicState[] }>> {
  const world = await makeWorld()
  onTestFinished(() => world.close())
  const log = await world.open()
  return { world, log, topics: await log.ensure([ORDERS, CURSORS, REJECTS], NEVER) }
}

export function bytes(text: string): Uint8Array {
  return new TextEncoder().encode(text)
}

export function textOf(record: Pick<LogRecord, 'value'>): string | null {
  return record.value === null ? null : new TextDecoder().decode(record.value)
}

export function draft(topic: TopicSpec, key: string | null, value: string | null): Draft {
  return { topic: topic.name, key, value: value === null ? null : bytes(value) }
}

export function order(key: string, value: string | null = key): Draft {
  return draft(ORDERS, key, value)
}

/** Transacts and insists on success. */
export async function commit(
  writer: Writer,
  records: readonly Draft[],
  positions?: readonly GroupPosition[],
): Promise<readonly Placed[]> {
  const answer = await writer.transact(positions === undefined ? { records } : { records, positions }, NEVER)
  return placedOf(answer)
}

export function placedOf(answer: Commit): readonly Placed[] {
  expect(answer).toMatchObject({ kind: 'committed' })
  return answer.kind === 'committed' ? answer.placed : []
}

/** Opens a writer, transacts once and closes it. */
export async function write(log: Log, identity: string, transaction: Transaction): Promise<Commit> {
  const writer = await log.writer(identity, NEVER)
  const answer = await writer.transact(transaction, NEVER)
  await writer.close()
  return answer
}

export async function readPartition(
  log: Log,
  at: TopicPartition,
  from = 0,
  to?: number,
): Promise<Readonly<{ records: readonly LogRecord[]; position: number; chunks: number }>> {
  const records: LogRecord[] = []
  let position = from
  let chunks = 0
  for await (const chunk of log.readTo(
    at,
    from,
    to === undefined ? { signal: NEVER } : { to, signal: NEVER },
  )) {
    records.push(...chunk.records)
    expect(chunk.position).toBeGreaterThan(position)
    position = chunk.position
    chunks += 1
  }
  return { records, position, chunks }
}

/** All records of a topic, partition by partition. */
export async function readTopic(
  log: Log,
  topic: TopicSpec,
  partitions: number,
): Promise<readonly LogRecord[]> {
  const records: LogRecord[] = []
  for (let partition = 0; partition < partitions; partition += 1) {
    records.push(...(await readPartition(log, { topic: topic.name, partition })).records)
  }
  return records
}

/** The values of a key, in the order in which a reader gets them. */
export async function valuesOf(
  log: Log,
  topic: TopicSpec,
  partitions: number,
  key: string,
): Promise<readonly (string | null)[]> {
  return (await readTopic(log, topic, partitions)).filter((record) => record.key === key).map(textOf)
}

/** Follows until `isDone` says so of what came so far. */
export async function followUntil(
  chunks: AsyncIterable<Chunk>,
  isDone: (records: readonly LogRecord[]) => boolean,
): Promise<readonly LogRecord[]> {
  const records: LogRecord[] = []
  for await (const chunk of chunks) {
    records.push(...chunk.records)
    if (isDone(records)) break
  }
  return records
}
