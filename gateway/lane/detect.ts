import type { SourceRecord } from '../../adapters/contract.ts'
import type { Action, EventData, Origin } from '../event.ts'
import { type Digests, digestsOf, fingerprint, recordKey } from '../identity.ts'
import type { Mapped, Mapping } from '../mapping/mapping.ts'
import type { ProjectionRow } from '../ports.ts'
import { LaneStop } from './lane-stop.ts'
import { emptyRow } from './rebuild.ts'
import type { View } from './view.ts'

/** An event that detection decided on; it becomes an envelope when the batch is committed. */
export type Finding = Readonly<{
  action: Action
  row: ProjectionRow
  /** Of the revision before, for `changedfields`; null for created and deleted. */
  digestsBefore: string | null
  data: EventData
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
  readOrder: string
}>

/** A record with its place in the order of reads; `mapped` null where the row shows that nothing can have changed. */
export type Read = Readonly<{
  record: SourceRecord
  order: string
  fingerprint: string
  mapped: Mapped | null
}>

/** What a mapping edit does to rows whose source did not change. */
export type RemapPolicy = 'hold-back' | 'quiet' | 'publish'

export type DetectOptions = Readonly<{
  system: string
  mapping: Mapping
  origin: Origin
  remap: RemapPolicy
  /** Source keys that a point read has just shown to be gone. */
  gone: ReadonlySet<string>
  /**
   * Data of the newest event by record key, for rows that may be deleted in this batch; detection adds what it finds.
   */
  known: Map<string, EventData>
}>

export type Detected = {
  findings: Finding[]
  rejections: Rejection[]
  /** Read before something newer was published: to be read again, never published. */
  stale: string[]
  /** Rows that a new mapping would change, held back until `erpgw remap`. */
  heldBack: number
}

/** Three bytes each at most in UTF-8: with its envelope such an event stays below the log's limit of a record. */
const EVENT_UNITS_MAX = 300_000

/** The lane's own count of reads, as a read order; a source's own order begins with `s`. */
export function countedOrder(reads: number): string {
  return `n${String(reads).padStart(16, '0')}`
}

/** The count behind a read order that `countedOrder` made, or 0. */
export function readsCounted(order: string | null): number {
  return order?.startsWith('n') ? Number(order.slice(1)) : 0
}

/**
 * Prepares the records of one batch: fingerprints all, maps those that may have changed, and loads from the projection
 * what the decisions will need. A key that stands in the batch more than once is always mapped.
 */
export function prepare(
  records: readonly SourceRecord[],
  order: string,
  view: View,
  mapping: Mapping,
): readonly Read[] {
  view.preload(
    records.map((record) => record.key),
    [],
  )
  const repeated = repeatedKeys(records)
  return records.map((record): Read => {
    const print = record.fingerprint ?? fingerprint(record.data)
    const row = view.row(record.key)
    const isSettled =
      row !== null &&
      !row.deleted &&
      row.rejected === null &&
      row.sourceFingerprint === print &&
      row.mappingVersion === mapping.version &&
      !repeated.has(record.key)
    return {
      record,
      order: record.order === null ? order : `s${record.order}`,
      fingerprint: print,
      mapped: isSettled || record.op === 'delete' ? null : mapping.map(record),
    }
  })
}

function repeatedKeys(records: readonly SourceRecord[]): ReadonlySet<string> {
  const seen = new Set<string>()
  const repeated = new Set<string>()
  for (const { key } of records) (seen.has(key) ? repeated : seen).add(key)
  return repeated
}

/** The record keys that the reads of a batch claim. */
export function claimedKeys(reads: readonly Read[], system: string): readonly string[] {
  return reads.flatMap(({ mapped }) =>
    mapped?.kind === 'mapped' ? [recordKey(system, mapped.company, mapped.subject)] : [],
  )
}

/** Decides, record by record in the order of the batch, what is new; `view` moves along. */
export function detect(reads: readonly Read[], view: View, options: DetectOptions): Detected {
  const found: Detected = { findings: [], rejections: [], stale: [], heldBack: 0 }
  for (const read of reads) decide(read, view, options, found)
  return found
}

/** Publishes that a row's record is gone. */
export function deletion(
  row: ProjectionRow,
  order: string,
  view: View,
  options: Pick<DetectOptions, 'known' | 'origin' | 'mapping'>,
): Finding {
  const data = identityData(row, options)
  const gone: ProjectionRow = {
    ...row,
    revision: row.revision + 1,
    ...versionOf(digestsOf(data, [])),
    sourceFingerprint: '',
    readOrder: order > row.readOrder ? order : row.readOrder,
    rejected: null,
    deleted: true,
  }
  view.put(gone)
  return { action: 'deleted', row: gone, digestsBefore: null, data, time: null, origin: options.origin }
}

function identityData(row: ProjectionRow, options: Pick<DetectOptions, 'known' | 'mapping'>): EventData {
  const data = options.known.get(row.recordKey)
  if (data === undefined) throw new Error(`The data of ${row.recordKey} was not loaded before its deletion.`)
  return Object.fromEntries(options.mapping.identity.map((field) => [field, data[field] ?? null]))
}

function decide(read: Read, view: View, options: DetectOptions, found: Detected): void {
  const { record } = read
  const row = view.row(record.key)
  if (row !== null && isOlder(read, row)) {
    found.stale.push(record.key)
    return
  }
  if (record.op === 'delete') {
    if (row !== null && row.revision > 0 && !row.deleted) {
      found.findings.push(deletion(row, read.order, view, options))
    }
    return
  }
  if (read.mapped === null) touch(read, row, view)
  else if (read.mapped.kind === 'rejected') reject(read, read.mapped, row, view, found)
  else publish(read, read.mapped, row, view, options, found)
}

/** Whether this read began before the one last published, or shows an older version of the row. */
function isOlder(read: Read, row: ProjectionRow): boolean {
  const sameKind = read.order[0] === row.readOrder[0]
  if (sameKind && read.order < row.readOrder) return true
  const { rowVersion } = read.record
  return rowVersion !== null && row.rowVersion !== null && rowVersion < row.rowVersion
}

/**
 * A version found equal must be remembered as read where versions can arrive out of order; where the lane counts its
 * own reads they cannot, and the write is spared.
 */
function touch(read: Read, row: ProjectionRow | null, view: View): void {
  if (row === null) return
  const { order, rowVersion } = read.record
  if (order === null && (rowVersion === null || rowVersion === row.rowVersion)) return
  view.put({ ...row, readOrder: read.order, rowVersion: rowVersion ?? row.rowVersion })
}

function reject(
  read: Read,
  why: Readonly<{ code: string; field: string | null; line: number | null; reason: string }>,
  row: ProjectionRow | null,
  view: View,
  found: Detected,
): void {
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

type MappedRecord = Extract<Mapped, { kind: 'mapped' }>

function publish(
  read: Read,
  mapped: MappedRecord,
  row: ProjectionRow | null,
  view: View,
  options: DetectOptions,
  found: Detected,
): void {
  const key = recordKey(options.system, mapped.company, mapped.subject)
  if (view.isForeign(key)) {
    throw new LaneStop(
      'KEY_OWNED_ELSEWHERE',
      `Record ${key} is published by another feed already; two feeds must not write one record.`,
      { recordKey: key, sourceKey: read.record.key },
    )
  }
  const owner = view.owner(key)
  if (owner !== null && owner.sourceKey !== read.record.key && !owner.deleted) {
    if (!options.gone.has(owner.sourceKey)) {
      const reason = `Record ${key} belongs to source key ${owner.sourceKey} already.`
      reject(read, { code: 'KEY_COLLISION', field: null, line: null, reason }, row, view, found)
      return
    }
    found.findings.push(deletion(owner, read.order, view, options))
  }
  const before = takeOver(key, read, row, view, options, found)
  compare(key, read, mapped, before, view, options, found)
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
  options: DetectOptions,
  found: Detected,
): ProjectionRow | null {
  if (row !== null && row.revision > 0 && row.recordKey !== key) {
    if (!row.deleted) found.findings.push(deletion(row, read.order, view, options))
    view.moveAway(view.row(row.sourceKey) ?? row)
  }
  const owner = view.owner(key)
  if (owner !== null && owner.sourceKey !== read.record.key) view.forget(owner.sourceKey)
  return owner
}

function compare(
  key: string,
  read: Read,
  mapped: MappedRecord,
  before: ProjectionRow | null,
  view: View,
  options: DetectOptions,
  found: Detected,
): void {
  const { mapping } = options
  const digests = digestsOf(mapped.data, mapping.volatile)
  const isLive = before !== null && before.revision > 0 && !before.deleted
  if (isLive && before.contentHash === digests.contentHash) {
    view.put({
      ...before,
      sourceFingerprint: read.fingerprint,
      readOrder: read.order,
      rowVersion: read.record.rowVersion ?? before.rowVersion,
      mappingVersion: mapping.version,
      rejected: null,
    })
    return
  }
  if (digests.size > EVENT_UNITS_MAX) {
    const reason = `Its event would hold ${digests.size} characters, more than the ${EVENT_UNITS_MAX} that the log takes.`
    reject(read, { code: 'TOO_LARGE', field: null, line: null, reason }, before, view, found)
    return
  }
  const isRemap =
    isLive && before.sourceFingerprint === read.fingerprint && before.mappingVersion !== mapping.version
  if (isRemap && options.remap !== 'publish') {
    if (options.remap === 'hold-back') found.heldBack += 1
    if (before.rejected !== null) view.put({ ...before, rejected: null })
    return
  }
  const row: ProjectionRow = {
    sourceKey: read.record.key,
    recordKey: key,
    revision: (before?.revision ?? 0) + 1,
    ...versionOf(digests),
    sourceFingerprint: read.fingerprint,
    readOrder: read.order,
    rowVersion: read.record.rowVersion,
    mappingVersion: mapping.version,
    deleted: false,
    rejected: null,
    partition: 0,
    offset: 0,
  }
  view.put(row)
  options.known.set(key, mapped.data)
  found.findings.push({
    action: isLive ? 'changed' : 'created',
    row,
    digestsBefore: isLive ? before.fieldDigests : null,
    data: mapped.data,
    time: mapped.time ?? read.record.changedAt,
    origin: isRemap ? 'remap' : options.origin,
  })
}

function versionOf({
  contentHash,
  fieldDigests,
}: Digests): Pick<ProjectionRow, 'contentHash' | 'fieldDigests'> {
  return { contentHash, fieldDigests }
}
