import { createHash } from 'node:crypto'
import type { Batch, Pass, SourceRecord, Unreadable } from '../contract.ts'
import { joinKey } from '../cursor.ts'
import { AdapterError } from '../errors.ts'
import type { CsvItem } from '../shared/formats/csv.ts'
import { decodeCsv } from '../shared/formats/csv.ts'
import type { State } from './cursor.ts'
import { codec } from './cursor.ts'
import { fileMark } from './ledger.ts'
import type { Feed } from './settings.ts'
import type { FileEntry, Transport } from './transport.ts'

/** One file on its way into batches. `skip`: records that an earlier session delivered. */
export type FileReading = Readonly<{
  transport: Transport
  feedName: string
  feed: Feed
  entry: FileEntry
  sha256: string
  delivered: number
  skip: number
  broken: boolean
  recordsMax: number
}>

/** The hash of a file's bytes. */
export async function hashOf(transport: Transport, name: string, signal: AbortSignal): Promise<string> {
  const hash = createHash('sha256')
  for await (const chunk of transport.read(name, signal)) hash.update(chunk)
  return hash.digest('hex')
}

/**
 * A file as batches, none with records of two files. The last one carries the mark that the file is done. In a full
 * file a record that cannot be read leaves it open which key it has, so the pass does not end: nothing may be taken
 * for deleted on its account.
 */
export async function* readFile(reading: FileReading, signal: AbortSignal): AsyncGenerator<Batch> {
  const { feed, entry, sha256, delivered, skip, recordsMax } = reading
  let broken = reading.broken
  let done = skip
  let isFirst = skip === 0
  let fault: string | null = null
  let fields: Readonly<Record<string, string>> | null = null
  let pending: (SourceRecord | Unreadable)[] = []
  const portion = (next: State, isLast: boolean): Batch => {
    const begins = isFirst
    isFirst = false
    const batch = batchOf(pending, codec.encode(next), fields)
    pending = []
    if (feed.content !== 'full') return batch
    const pass: Pass = { id: `${sha256}-${delivered}`, begins, ends: isLast && !broken && fault === null }
    return { ...batch, pass }
  }
  for await (const item of readItems(reading, signal)) {
    if (item.kind === 'header') {
      fields = Object.fromEntries(item.columns.map((column) => [column, 'text']))
      continue
    }
    if (item.kind !== 'fault' && item.number <= skip) continue
    if (pending.length >= recordsMax)
      yield portion({ delivered, file: { name: entry.name, sha256, records: done, broken } }, false)
    const said = item.kind === 'record' ? recordOf(reading, fields, item) : unreadableOf(entry, item)
    pending.push(said)
    if (item.kind === 'fault') fault = item.reason
    else done = item.number
    if (!('op' in said)) broken = true
  }
  const { size, stamp } = entry
  const mark = fileMark(entry.name, { size, stamp, sha256, sequence: delivered, fault })
  yield { ...portion({ delivered: delivered + 1, file: null }, true), marks: [mark] }
}

/** The first records of a file and its columns, and nothing moved. */
export async function peekIntoFile(
  reading: FileReading,
  limit: number,
  signal: AbortSignal,
): Promise<Readonly<{ fields: Readonly<Record<string, string>>; records: readonly SourceRecord[] }>> {
  let fields: Readonly<Record<string, string>> = {}
  const records: SourceRecord[] = []
  for await (const item of readItems(reading, signal)) {
    if (item.kind === 'header') fields = Object.fromEntries(item.columns.map((column) => [column, 'text']))
    const said = item.kind === 'record' ? recordOf(reading, fields, item) : null
    if (said !== null && 'op' in said) records.push(said)
    if (records.length >= limit) break
  }
  return { fields, records }
}

/**
 * Decodes a file while hashing it once more: if it is not what was hashed before, somebody writes to it, and what was
 * read of it is not a file.
 */
async function* readItems(reading: FileReading, signal: AbortSignal): AsyncGenerator<CsvItem> {
  const { transport, entry, feed, sha256 } = reading
  const hash = createHash('sha256')
  let isAtEnd = false
  async function* hashed(): AsyncGenerator<Uint8Array> {
    for await (const chunk of transport.read(entry.name, signal)) {
      hash.update(chunk)
      yield chunk
    }
    isAtEnd = true
  }
  for await (const items of decodeCsv(hashed(), feed.format)) {
    for (const item of items) {
      const fault = item.kind === 'header' ? missingKey(feed, item.columns) : null
      if (fault !== null) {
        yield { kind: 'fault', line: 1, raw: new TextEncoder().encode(entry.name), reason: fault }
        return
      }
      yield item
    }
  }
  if (isAtEnd && hash.digest('hex') !== sha256)
    throw new AdapterError(
      'ADAPTER_UNREACHABLE',
      `${entry.name} was changed while it was read; have the producer write under another name and rename it when it is whole.`,
    )
}

function missingKey(feed: Feed, columns: readonly string[]): string | null {
  const missing = (feed.key ?? []).find((column) => !columns.includes(column))
  return missing === undefined ? null : `its header has no column ${missing}, which is part of the key`
}

function recordOf(
  reading: FileReading,
  fields: Readonly<Record<string, string>> | null,
  item: Extract<CsvItem, { kind: 'record' }>,
): SourceRecord | Unreadable {
  const data: Record<string, string> = {}
  for (const [place, column] of Object.keys(fields ?? {}).entries()) data[column] = item.values[place] ?? ''
  const parts = reading.feed.key?.map((column) => data[column] ?? '')
  if (parts?.every((part) => part === '') === true)
    return {
      where: `${reading.entry.name} line ${item.line}`,
      key: null,
      raw: new TextEncoder().encode(JSON.stringify(item.values)),
      reason: `has no key: ${reading.feed.key?.join(', ')} is empty`,
    }
  return {
    type: reading.feedName,
    key: joinKey(parts ?? [reading.sha256, String(item.number)]),
    op: 'upsert',
    order: null,
    rowVersion: null,
    fingerprint: null,
    changedAt: null,
    data,
  }
}

function unreadableOf(
  entry: FileEntry,
  item: Extract<CsvItem, { kind: 'unreadable' | 'fault' }>,
): Unreadable {
  return {
    where: item.kind === 'fault' ? entry.name : `${entry.name} line ${item.line}`,
    key: null,
    raw: item.raw,
    reason: item.reason,
  }
}

function batchOf(
  items: readonly (SourceRecord | Unreadable)[],
  next: Batch['next'],
  fields: Readonly<Record<string, string>> | null,
): Batch {
  return {
    records: items.filter((item): item is SourceRecord => 'op' in item),
    unreadable: items.filter((item): item is Unreadable => !('op' in item)),
    next,
    ...(fields === null ? {} : { fields }),
  }
}
