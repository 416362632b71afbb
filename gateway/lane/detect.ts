import type { SourceRecord } from '../../adapters/contract.ts'
import type { Action, EventData, Origin } from '../event.ts'
import { type Digests, digestsOf } from '../identity.ts'
import type { Mapping } from '../mapping/mapping.ts'
import type { ProjectionRow } from '../ports.ts'
import { decodeJson } from './cursor-record.ts'
import { LaneStop } from './lane-stop.ts'
import { isOlderRead, type ReadOrder } from './read-order.ts'
import { claimOf, type Read, type Version } from './reads.ts'
import { emptyRow } from './rebuild.ts'
import type { View } from './view.ts'

/** An event that detection decided on; it becomes an envelope when the batch is committed. */
export type Finding = Readonly<{
  action: Action
  row: ProjectionRow
  /** Of the revision before, for `changedfields`; null for created and deleted. */
  digestsBefore: string | null
  /** JSON of the data that is published, in UTF-8. */
  data: Uint8Array
  /** RFC 3339, or null: the time of reading. */
  time: string | null
  origin: Origin
}>

/** A record version that cannot become an event. */
export type Rejection = Readonly<{
  sourceKey: string
  code: string
  field: string | null
  line: number | null
  reason: string
  where: string
  raw: Uint8Array
  fingerprint: string
  readOrder: ReadOrder
}>

/** What a mapping edit does to rows whose source did not change. */
export type RemapPolicy = 'hold-back' | 'quiet' | 'publish'

export type DetectOptions = Readonly<{
  mapping: Mapping
  origin: Origin
  remap: RemapPolicy
  /** Source keys that a point read has just shown to be gone. */
  gone: ReadonlySet<string>
  /**
   * Data of the newest event as JSON, by record key, for rows that may be deleted in this batch; detection adds what it
   * finds.
   */
  known: Map<string, Uint8Array>
}>

/** With the reads whose record key was let go of because of an edited mapping. */
type Deciding = DetectOptions & Readonly<{ remapped: ReadonlySet<Read> }>

export type Detected = {
  findings: Finding[]
  rejections: Rejection[]
  /** Read before something newer was seen: to be read again, never published. */
  stale: SourceRecord[]
  /** Rows that a new mapping would change, held back until `erpgw remap`. */
  heldBack: number
}

/** Of an event's data in UTF-8: with its envelope it stays below the log's limit of a record. */
const DATA_BYTES_MAX = 900_000

/** Decides, record by record in the order of the batch, what is new; `view` moves along. */
export function detect(reads: readonly Read[], view: View, options: DetectOptions): Detected {
  const found: Detected = { findings: [], rejections: [], stale: [], heldBack: 0 }
  const deciding = { ...options, remapped: releaseKeys(reads, view, options, found) }
  const inBatch = new Set(reads.map((read) => read.record.key))
  let waiting = reads
  for (let round = 0; round < WAIT_ROUNDS && waiting.length > 0; round += 1) {
    waiting = decideAll(waiting, inBatch, view, deciding, found)
  }
  for (const read of waiting) decide(read, view, deciding, found)
  return found
}

/** How often claims are put off for what the same batch says of the other row. */
const WAIT_ROUNDS = 3

/**
 * Decides what can be decided. A record key whose holder stands in the batch as well may be free when the batch is
 * through (it is deleted further down): such claims, and whatever follows of the same row, are given back to wait.
 */
function decideAll(
  reads: readonly Read[],
  inBatch: ReadonlySet<string>,
  view: View,
  options: Deciding,
  found: Detected,
): readonly Read[] {
  const waiting: Read[] = []
  const held = new Set<string>()
  for (const read of reads) {
    const key = claimOf(read)
    const owner = key === null ? null : view.owner(key)
    const isTaken = owner !== null && !owner.deleted && owner.sourceKey !== read.record.key
    if (
      held.has(read.record.key) ||
      (isTaken && inBatch.has(owner.sourceKey) && !options.gone.has(owner.sourceKey))
    ) {
      held.add(read.record.key)
      waiting.push(read)
    } else decide(read, view, options, found)
  }
  return waiting
}

/** Publishes that a row's record is gone, as a read at `order` showed. */
export function deletion(
  row: ProjectionRow,
  order: ReadOrder,
  view: View,
  options: Pick<DetectOptions, 'known' | 'origin' | 'mapping'>,
): Finding {
  const digests = digestsOf(identityData(row, options), [])
  const gone: ProjectionRow = {
    ...row,
    revision: row.revision + 1,
    ...versionOf(digests),
    sourceFingerprint: '',
    readOrder: isOlderRead(order, row.readOrder) ? row.readOrder : order,
    rejected: null,
    deleted: true,
  }
  view.put(gone)
  return {
    action: 'deleted',
    row: gone,
    digestsBefore: null,
    data: digests.json,
    time: null,
    origin: options.origin,
  }
}

function identityData(row: ProjectionRow, options: Pick<DetectOptions, 'known' | 'mapping'>): EventData {
  const json = options.known.get(row.recordKey)
  if (json === undefined) throw new Error(`The data of ${row.recordKey} was not loaded before its deletion.`)
  const data = decodeJson(json) as EventData
  return Object.fromEntries(options.mapping.identity.map((field) => [field, data[field] ?? null]))
}

/**
 * Lets go of every record key that a row of the batch no longer has, before any is claimed: business numbers may move
 * up by one, or two rows may swap theirs, in whatever order the batch has them. Returns the reads that had another key
 * before for no other reason than an edited mapping.
 */
function releaseKeys(
  reads: readonly Read[],
  view: View,
  options: DetectOptions,
  found: Detected,
): ReadonlySet<Read> {
  const remapped = new Set<Read>()
  const deciding = { ...options, remapped }
  const met = new Set<string>()
  for (const read of reads) {
    const row = view.row(read.record.key)
    const key = claimOf(read)
    if (key === null || met.has(read.record.key) || row === null || isOlderRead(read.order, row.readOrder))
      continue
    met.add(read.record.key)
    if (row.revision === 0 || row.deleted || row.recordKey === key || isHeldBack(read, row, options)) continue
    if (isEdit(read, row, options.mapping)) remapped.add(read)
    found.findings.push(deletion(row, read.order, view, withCause(read, row, deciding)))
    view.moveAway(view.row(row.sourceKey) ?? row)
  }
  return remapped
}

function decide(read: Read, view: View, options: Deciding, found: Detected): void {
  const { record } = read
  const row = view.row(record.key)
  if (row !== null && isOlderRead(read.order, row.readOrder)) {
    found.stale.push(record)
    return
  }
  if (record.op === 'delete') {
    if (row !== null && row.revision > 0 && !row.deleted) {
      found.findings.push(deletion(row, read.order, view, options))
    } else if (row !== null && row.rejected !== null) {
      view.put({ ...row, rejected: null, readOrder: read.order })
    } else {
      // An older version may still come, and must not be taken for a new record.
      touch(read, row ?? emptyRow(record.key), view)
    }
    return
  }
  if (read.version !== null) publish(read, read.version, row, view, options, found)
  else if (read.rejected !== null) reject(read, read.rejected, view, found)
  else touch(read, row ?? emptyRow(record.key), view)
}

/**
 * A version found equal must be remembered as read where versions can arrive out of order; where only the lane's own
 * count tells them apart they cannot, and the write is spared.
 */
function touch(read: Read, row: ProjectionRow, view: View): void {
  const { order, rowVersion } = read.record
  if (order !== null || rowVersion !== null) view.put({ ...row, readOrder: read.order })
}

function reject(
  read: Read,
  why: Readonly<{ code: string; field: string | null; line: number | null; reason: string }>,
  view: View,
  found: Detected,
): void {
  const row = view.row(read.record.key)
  if (row?.rejected === read.fingerprint) return
  const { code, field, line, reason } = why
  found.rejections.push({
    sourceKey: read.record.key,
    code,
    field,
    line,
    reason,
    where: `${read.record.type} ${read.record.key}`,
    raw: new TextEncoder().encode(JSON.stringify(read.record.data)),
    fingerprint: read.fingerprint,
    readOrder: read.order,
  })
  view.put({ ...(row ?? emptyRow(read.record.key)), rejected: read.fingerprint, readOrder: read.order })
}

function publish(
  read: Read,
  version: Version,
  row: ProjectionRow | null,
  view: View,
  options: Deciding,
  found: Detected,
): void {
  const { recordKey: key, digests } = version
  if (row !== null && isHeldBack(read, row, options) && isNews(row, key, digests)) {
    if (options.remap === 'hold-back') found.heldBack += 1
    if (row.rejected !== null) view.put({ ...row, rejected: null })
    return
  }
  if (digests.json.byteLength > DATA_BYTES_MAX) {
    const reason = `Its event would hold ${digests.json.byteLength} bytes, more than the ${DATA_BYTES_MAX} that the log takes.`
    reject(read, { code: 'TOO_LARGE', field: null, line: null, reason }, view, found)
    return
  }
  if (view.isForeign(key)) {
    throw new LaneStop(
      'KEY_OWNED_ELSEWHERE',
      `Record ${key} is published by another feed already; two feeds must not write one record. Take one of them away; if this feed only has a new name, run \`erpgw resync --new-lineage\`.`,
      { recordKey: key, sourceKey: read.record.key },
    )
  }
  const owner = view.owner(key)
  if (owner !== null && owner.sourceKey !== read.record.key && !owner.deleted) {
    if (!options.gone.has(owner.sourceKey)) {
      const reason = `Record ${key} belongs to source key ${owner.sourceKey} already.`
      reject(read, { code: 'KEY_COLLISION', field: null, line: null, reason }, view, found)
      return
    }
    found.findings.push(deletion(owner, read.order, view, options))
  }
  // Before the row is let go, if its key changes: the old key's end and the new one's beginning have one cause.
  const caused = withCause(read, row, options)
  const before = takeOver(key, read, row, view, caused, found)
  compare(read, version, before, view, caused, found)
}

/** With origin `remap` where the source says what it said, and only the mapping is another one. */
function withCause(read: Read, row: ProjectionRow | null, options: Deciding): Deciding {
  const isRemap = options.remapped.has(read) || (row !== null && isEdit(read, row, options.mapping))
  return isRemap ? { ...options, origin: 'remap' } : options
}

function isEdit(read: Read, row: ProjectionRow, mapping: Mapping): boolean {
  return (
    row.revision > 0 &&
    !row.deleted &&
    row.sourceFingerprint === read.fingerprint &&
    row.mappingVersion !== mapping.version
  )
}

/** A row whose source says what it said, under a mapping that was edited and is not to be published. */
function isHeldBack(read: Read, row: ProjectionRow, { mapping, remap }: DetectOptions): boolean {
  return remap !== 'publish' && isEdit(read, row, mapping)
}

function isNews(row: ProjectionRow, key: string, digests: Digests): boolean {
  return row.recordKey !== key || row.contentHash !== digests.contentHash
}

/**
 * The state of the record key before this read, with the source key freed for it: a record that changed its key ends
 * under the old one, and one that came back under another source key goes on counting.
 */
function takeOver(
  key: string,
  read: Read,
  row: ProjectionRow | null,
  view: View,
  options: Deciding,
  found: Detected,
): ProjectionRow | null {
  if (row !== null && row.revision > 0 && row.recordKey !== key) {
    if (!row.deleted) found.findings.push(deletion(row, read.order, view, options))
    view.moveAway(view.row(row.sourceKey) ?? row)
  }
  const owner = view.owner(key)
  if (owner !== null && owner.sourceKey !== read.record.key) view.letGo(owner)
  return owner
}

function compare(
  read: Read,
  { recordKey, digests, time }: Version,
  before: ProjectionRow | null,
  view: View,
  options: DetectOptions,
  found: Detected,
): void {
  const { mapping } = options
  const seen = { sourceFingerprint: read.fingerprint, readOrder: read.order, mappingVersion: mapping.version }
  const isLive = before !== null && before.revision > 0 && !before.deleted
  if (isLive && before.contentHash === digests.contentHash) {
    view.put({ ...before, ...seen, rejected: null })
    return
  }
  const row: ProjectionRow = {
    ...emptyRow(read.record.key),
    ...seen,
    ...versionOf(digests),
    recordKey,
    revision: (before?.revision ?? 0) + 1,
  }
  view.put(row)
  options.known.set(recordKey, digests.json)
  found.findings.push({
    action: isLive ? 'changed' : 'created',
    row,
    digestsBefore: isLive ? before.fieldDigests : null,
    data: digests.json,
    time: time ?? instantOrNull(read.record.changedAt),
    origin: options.origin,
  })
}

/** A date-time without offset says nothing here: only the mapping knows how this ERP means it. */
function instantOrNull(text: string | null): string | null {
  return text !== null && /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(\.\d+)?(Z|[+-]\d{2}:\d{2})$/.test(text)
    ? text
    : null
}

function versionOf({
  contentHash,
  fieldDigests,
}: Digests): Pick<ProjectionRow, 'contentHash' | 'fieldDigests'> {
  return { contentHash, fieldDigests }
}
