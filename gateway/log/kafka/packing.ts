import { refusalOf, topicUnknown } from '../drafts.ts'
import { partitionOfBytes } from '../partition.ts'
import type { Commit, Draft, TopicPartition, Transaction } from '../port.ts'
import { type BatchRecord, batchesOf, encodeHeaders, type RecordBatch } from './record-batch.ts'
import type { KnownTopic, Topics } from './topics.ts'

/** What a transaction writes to one partition. */
export type PartitionWrites = TopicPartition &
  Readonly<{
    wire: string
    batches: readonly RecordBatch[]
    /** Of each record, in order: which draft it is. */
    drafts: readonly number[]
  }>

export type Refused = Extract<Commit, { kind: 'refused' }>

/** Divides a transaction by partition, or says why it can never be taken. Asks the cluster for topics that are new. */
export async function pack(
  topics: Topics,
  transaction: Transaction,
): Promise<readonly PartitionWrites[] | Refused> {
  const known = new Map<string, KnownTopic>()
  const named = [...transaction.records, ...(transaction.positions ?? [])].map(({ topic }) => topic)
  for (const name of new Set(named)) {
    const topic = await topics.find(name)
    if (topic === null) return refusedForGood(topicUnknown(name))
    known.set(name, topic)
  }
  return packRecords(known, transaction.records)
}

function packRecords(
  known: ReadonlyMap<string, KnownTopic>,
  drafts: readonly Draft[],
): readonly PartitionWrites[] | Refused {
  const headersOf = createHeaderEncoder()
  const parts = new Map<KnownTopic, Map<number, Writes>>()
  for (const [place, draft] of drafts.entries()) {
    const topic = known.get(draft.topic)
    if (topic === undefined) return refusedForGood(topicUnknown(draft.topic))
    const key = draft.key === null ? null : Buffer.from(draft.key, 'utf8')
    const headers = headersOf(draft.headers)
    const bytes = (key?.length ?? 0) + headers.length + (draft.value?.length ?? 0)
    const reason = refusalOf(draft, topic.cleanup, bytes)
    if (reason !== null) return refusedForGood(reason)
    const writes = writesOf(parts, topic, partitionOfBytes(key, topic.leaders.length))
    writes.records.push({ key, value: draft.value, headers })
    writes.drafts.push(place)
  }
  return [...parts].flatMap(([{ name, wire }, own]) =>
    [...own].map(([partition, { records, drafts: places }]) => ({
      topic: name,
      wire,
      partition,
      batches: batchesOf(records),
      drafts: places,
    })),
  )
}

type Writes = Readonly<{ records: BatchRecord[]; drafts: number[] }>

function writesOf(parts: Map<KnownTopic, Map<number, Writes>>, topic: KnownTopic, partition: number): Writes {
  let own = parts.get(topic)
  if (own === undefined) {
    own = new Map()
    parts.set(topic, own)
  }
  let writes = own.get(partition)
  if (writes === undefined) {
    writes = { records: [], drafts: [] }
    own.set(partition, writes)
  }
  return writes
}

const NO_HEADERS = encodeHeaders({})

/** Encodes each object of headers once: all events of a lane share theirs. */
function createHeaderEncoder(): (headers: Draft['headers']) => Uint8Array {
  const encoded = new Map<NonNullable<Draft['headers']>, Uint8Array>()
  return (headers) => {
    if (headers === undefined) return NO_HEADERS
    let bytes = encoded.get(headers)
    if (bytes === undefined) {
      bytes = encodeHeaders(headers)
      encoded.set(headers, bytes)
    }
    return bytes
  }
}

function refusedForGood(reason: string): Refused {
  return { kind: 'refused', retryable: false, reason }
}
