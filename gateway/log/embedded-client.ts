import type { Runtime } from '../runtime.ts'
import { assertTransaction, oversizeOf, refusalOf, topicUnknown } from './drafts.ts'
import type { EmbeddedCalls } from './embedded-calls.ts'
import { createCalls } from './embedded-calls.ts'
import { checkFolder } from './embedded-folder.ts'
import type { Reading } from './embedded-reading.ts'
import { openReading } from './embedded-reading.ts'
import type { EmbeddedDescriptor, PackedRecord, PositionRequest, Result } from './embedded-wire.ts'
import { pack } from './embedded-wire.ts'
import { LogError } from './errors.ts'
import { createGroups } from './groups.ts'
import { partitionOfBytes } from './partition.ts'
import type { Commit, Draft, Log, Placed, TopicPartition, Transaction, Writer } from './port.ts'
import { assertSpec } from './topic-faults.ts'

/** The log as one thread uses it: it reads the file itself and writes through the thread that writes. */
export interface EmbeddedConnection extends Log {
  /**
   * Drops what no topic's spec promises to keep at `now` (epoch ms), in small steps between the writers'
   * transactions. Resolves to the number of records dropped.
   */
  prune(now: number, signal: AbortSignal): Promise<number>
}

/**
 * Connects a thread to an embedded log that another thread of the process holds. `descriptor` comes from the
 * `connect` of that log and must be posted (or passed as worker data) with its port in the transfer list. Closing
 * waits for what is under way. Throws LOG_FOLDER_MISSING, LOG_FORMAT_UNKNOWN or LOG_CORRUPT.
 */
export function connectEmbeddedLog(descriptor: EmbeddedDescriptor, runtime: Runtime): EmbeddedConnection {
  const reading = openReading(checkFolder(descriptor.folder))
  const calls = createCalls(descriptor.port)
  const follow = (at: TopicPartition, from: number, signal: AbortSignal) =>
    reading.follow(at, from, (position) => calls.waitBeyond(reading.part(at), position, signal), signal)
  const groups = createGroups({ position: async (group, at) => reading.position(group, at), follow })
  return {
    async ensure(topics, signal) {
      signal.throwIfAborted()
      for (const topic of topics) assertSpec(topic)
      const specs = topics.map((topic) => ({ ...topic, id: hex(runtime.bytes(16)) }))
      const result = await calls.ask({ kind: 'ensure', specs, partitions: descriptor.partitions }, signal)
      return expect(result, 'topics').topics
    },
    async writer(identity, signal) {
      signal.throwIfAborted()
      const { writer } = expect(await calls.ask({ kind: 'writer', identity }, signal), 'writer')
      return createWriter(reading, calls, runtime, writer)
    },
    async end(partition) {
      calls.assertOpen()
      return reading.end(partition)
    },
    readTo(partition, from, options) {
      calls.assertOpen()
      return reading.readTo(partition, from, options)
    },
    async position(group, partition) {
      calls.assertOpen()
      return reading.position(group, partition)
    },
    subscribe(group, topics, signal) {
      calls.assertOpen()
      if (!descriptor.deals) {
        // Two dealers that do not know of each other would give one partition to two owners.
        throw new LogError(
          'LOG_MISUSED',
          'Groups are joined in the thread that opened the log, nowhere else.',
        )
      }
      const until = AbortSignal.any([signal, calls.closing])
      return groups.join(group, partitionsOf(reading, topics), until)
    },
    prune: (now, signal) => prune(reading, calls, now, signal),
    async close() {
      if (await calls.close()) reading.close()
    },
  }
}

function createWriter(reading: Reading, calls: EmbeddedCalls, runtime: Runtime, writer: number): Writer {
  let state: 'free' | 'busy' | 'spent' | 'closed' = 'free'
  return {
    async transact(transaction, signal) {
      assertTransaction(transaction)
      if (state !== 'free')
        throw new LogError('LOG_MISUSED', `A ${state} writer of the log was given a transaction.`)
      signal.throwIfAborted()
      const packed = packTransaction(reading, transaction)
      if ('kind' in packed) return packed
      state = 'busy'
      try {
        const { buffer, parts, positions } = packed
        const time = runtime.wall()
        const result = await calls.send({ kind: 'transact', writer, time, packed: buffer, positions }, signal)
        const commit = commitOf(result, parts)
        state = commit.kind === 'unknown' ? 'spent' : 'free'
        return commit
      } finally {
        if (state === 'busy') state = 'free'
      }
    },
    async close() {
      if (state === 'closed') return
      state = 'closed'
      if (calls.isOpen()) await calls.ask({ kind: 'release', writer })
    },
  }
}

type PackedTransaction = Readonly<{
  buffer: ArrayBuffer
  /** By record: the number of its partition and the partition. */
  parts: readonly Readonly<{ part: number; partition: number }>[]
  positions: readonly PositionRequest[]
}>

type Refused = Extract<Commit, { kind: 'refused' }>

function packTransaction(reading: Reading, transaction: Transaction): PackedTransaction | Refused {
  const records: PackedRecord[] = []
  const parts: { part: number; partition: number }[] = []
  const encodeHeaders = createHeaderEncoder()
  let whole = 0
  for (const draft of transaction.records) {
    const topic = reading.topic(draft.topic)
    if (topic === null) return refused(topicUnknown(draft.topic))
    const key = draft.key === null ? null : Buffer.from(draft.key, 'utf8')
    const headers = encodeHeaders(draft.headers)
    const bytes = (key?.length ?? 0) + (headers?.length ?? 0) + (draft.value?.length ?? 0)
    const reason = refusalOf(draft, topic.cleanup, bytes)
    if (reason !== null) return refused(reason)
    whole += bytes
    const partition = partitionOfBytes(key, topic.partitions)
    const part = topic.firstPart + partition
    parts.push({ part, partition })
    records.push({ part, key, headers, value: draft.value })
  }
  const oversize = oversizeOf(records.length, whole)
  if (oversize !== null) return refused(oversize)
  const positions: PositionRequest[] = []
  for (const { group, position, ...at } of transaction.positions ?? []) {
    if (reading.topic(at.topic) === null) return refused(topicUnknown(at.topic))
    positions.push({ group, position, part: reading.part(at) })
  }
  return { buffer: pack(records), parts, positions }
}

function createHeaderEncoder(): (headers: Draft['headers']) => Uint8Array | null {
  const encoded = new Map<NonNullable<Draft['headers']>, Uint8Array | null>()
  return (headers) => {
    if (headers === undefined) return null
    const known = encoded.get(headers)
    if (known !== undefined) return known
    const bytes = Object.keys(headers).length === 0 ? null : Buffer.from(JSON.stringify(headers), 'utf8')
    encoded.set(headers, bytes)
    return bytes
  }
}

function refused(reason: string): Refused {
  return { kind: 'refused', retryable: false, reason }
}

/** The offsets of a transaction's records follow on from its first one in each partition. */
function commitOf(result: Result, parts: PackedTransaction['parts']): Commit {
  switch (result.kind) {
    case 'committed': {
      const nexts = new Map(result.firsts)
      const placed = parts.map(({ part, partition }): Placed => {
        const offset = nexts.get(part) ?? 0
        nexts.set(part, offset + 1)
        return { partition, offset }
      })
      return { kind: 'committed', placed }
    }
    case 'refused':
    case 'fenced':
    case 'unknown':
      return result
    default:
      throw unexpected(result)
  }
}

async function prune(
  reading: Reading,
  calls: EmbeddedCalls,
  now: number,
  signal: AbortSignal,
): Promise<number> {
  let removed = 0
  for (const topic of reading.topics()) {
    for (let partition = 0; partition < topic.partitions; partition += 1) {
      for (let isDone = false; !isDone; ) {
        signal.throwIfAborted()
        const part = topic.firstPart + partition
        const result = await calls.ask({ kind: 'prune', part, before: now - topic.keepMs }, signal)
        const step = expect(result, 'pruned')
        removed += step.removed
        isDone = step.isDone
      }
    }
  }
  return removed
}

function partitionsOf(reading: Reading, topics: readonly string[]): readonly TopicPartition[] {
  return topics.flatMap((name) => {
    const topic = reading.topic(name)
    if (topic === null) throw new LogError('LOG_TOPIC_UNKNOWN', topicUnknown(name))
    return Array.from({ length: topic.partitions }, (_, partition) => ({ topic: name, partition }))
  })
}

function expect<Kind extends Result['kind']>(result: Result, kind: Kind): Extract<Result, { kind: Kind }> {
  if (isKind(result, kind)) return result
  throw unexpected(result)
}

function isKind<Kind extends Result['kind']>(
  result: Result,
  kind: Kind,
): result is Extract<Result, { kind: Kind }> {
  return result.kind === kind
}

function unexpected(result: Result): LogError {
  if (result.kind === 'failed') return new LogError(result.code, result.message)
  return new LogError('LOG_MISUSED', `The log answered "${result.kind}" to another question.`)
}

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex')
}
