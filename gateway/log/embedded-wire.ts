import type { MessagePort } from 'node:worker_threads'
import type { LogErrorCode } from './errors.ts'
import type { TopicSpec, TopicState } from './port.ts'

/**
 * What crosses between the threads that use the embedded log and the one that writes it. Records cross as one buffer
 * per transaction, which is handed over and not copied.
 */
export type EmbeddedDescriptor = Readonly<{
  port: MessagePort
  folder: string
  /** Of topics that are made. */
  partitions: number
  /** Whether this thread deals the partitions of groups to their members; one thread of a log does. */
  deals: boolean
}>

export type Request = Readonly<
  | { kind: 'ensure'; id: number; specs: readonly TopicRequest[]; partitions: number }
  | { kind: 'writer'; id: number; identity: string }
  | { kind: 'release'; id: number; writer: number }
  | {
      kind: 'transact'
      id: number
      writer: number
      /** Epoch ms. */
      time: number
      packed: ArrayBuffer
      positions: readonly PositionRequest[]
    }
  | { kind: 'prune'; id: number; part: number; before: number }
  | { kind: 'watch'; id: number; part: number; from: number }
  | { kind: 'unwatch'; id: number }
>

/** A topic with the id that it gets if it has to be made. */
export type TopicRequest = TopicSpec & Readonly<{ id: string }>

export type PositionRequest = Readonly<{ group: string; part: number; position: number }>

export type Answer = Readonly<{ id: number; result: Result }>

export type Result = Readonly<
  | { kind: 'topics'; topics: readonly TopicState[] }
  | { kind: 'writer'; writer: number }
  /** The offset of the transaction's first record in each partition. */
  | { kind: 'committed'; firsts: ReadonlyMap<number, number> }
  | { kind: 'refused'; retryable: boolean; reason: string }
  | { kind: 'fenced' }
  | { kind: 'unknown'; reason: string }
  | { kind: 'pruned'; removed: number; isDone: boolean }
  | { kind: 'released' }
  | { kind: 'moved' }
  | { kind: 'failed'; code: LogErrorCode; message: string }
>

/** What the writer thread says to the thread that started it. */
export type WriterReport = Readonly<
  { kind: 'ready' } | { kind: 'failed'; code: LogErrorCode; message: string }
>

/** A record as it is packed; text in UTF-8. */
export type PackedRecord = Readonly<{
  part: number
  key: Uint8Array | null
  /** JSON, or null for none. */
  headers: Uint8Array | null
  value: Uint8Array | null
}>

/** Layout: the count; then four 32-bit numbers a record (partition, lengths, -1 for null); then all bytes. */
export function pack(records: readonly PackedRecord[]): ArrayBuffer {
  const headBytes = 4 + records.length * 16
  let whole = headBytes
  for (const { key, headers, value } of records) {
    whole += (key?.length ?? 0) + (headers?.length ?? 0) + (value?.length ?? 0)
  }
  const buffer = new ArrayBuffer(whole)
  const head = new Int32Array(buffer, 0, headBytes / 4)
  const bytes = new Uint8Array(buffer)
  head[0] = records.length
  let place = 1
  let at = headBytes
  for (const { part, key, headers, value } of records) {
    head[place] = part
    place += 1
    for (const field of [key, headers, value]) {
      head[place] = field === null ? -1 : field.length
      place += 1
      if (field === null) continue
      bytes.set(field, at)
      at += field.length
    }
  }
  return buffer
}

/** Calls back for each record in its order; the views are of the buffer itself. */
export function unpack(
  buffer: ArrayBuffer,
  each: (part: number, key: Uint8Array | null, headers: Uint8Array | null, value: Uint8Array | null) => void,
): void {
  const count = new Int32Array(buffer, 0, 1)[0] ?? 0
  const head = new Int32Array(buffer, 4, count * 4)
  let at = 4 + count * 16
  const field = (length: number) => {
    if (length === -1) return null
    const view = new Uint8Array(buffer, at, length)
    at += length
    return view
  }
  for (let place = 0; place < head.length; place += 4) {
    const key = field(head[place + 1] ?? -1)
    const headers = field(head[place + 2] ?? -1)
    const value = field(head[place + 3] ?? -1)
    each(head[place] ?? 0, key, headers, value)
  }
}
