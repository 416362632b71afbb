import type { Mark } from '../../adapters/contract.ts'
import { EVENT_HEADERS, encodeEvent, TRACE_BYTES, traceparent } from '../envelope.ts'
import { changedFields, splitRecordKey } from '../identity.ts'
import type { Commit, Draft, Placed } from '../log/port.ts'
import type { ProjectionChange } from '../ports.ts'
import { entityTopic } from '../topics.ts'
import {
  type CursorRecord,
  cursorDraft,
  forgetMarkDrafts,
  markDrafts,
  type StoredMark,
} from './cursor-record.ts'
import type { Finding, Rejection } from './detect.ts'
import { type LaneOptions, laneName } from './lane-options.ts'
import { LaneStop } from './lane-stop.ts'
import { advance, type OpenLane, placeName, takeExpired } from './open.ts'
import { repeatedKeys } from './reads.ts'
import { rejectDraft, settledDraft } from './reject-record.ts'
import type { View } from './view.ts'

/** Of event values in one transaction: below what the embedded log takes, with room for keys and bookkeeping. */
const TRANSACTION_BYTES_MAX = 20_000_000

/** Marks that one transaction forgets. */
const TOMBSTONES_MAX = 1_000

/** Everything that one transaction of a lane carries. */
export type Change = Readonly<{
  findings: readonly Finding[]
  rejections: readonly Rejection[]
  marks: readonly Mark[]
  /** Decisions of people, and whatever else a verb adds. */
  extra: readonly Draft[]
  record: CursorRecord
  view: View
  seen?: NonNullable<ProjectionChange['seen']>
}>

/**
 * Makes a change durable: events and rejects, then the cursor record, in one transaction; only after a commit that is
 * known does the projection follow. Throws LaneStop for every other end. What is more than one transaction takes goes in
 * several, the cursor with the last of them; all versions of a key stay together.
 */
export async function commit(
  options: LaneOptions,
  lane: OpenLane,
  change: Change,
  signal: AbortSignal,
): Promise<void> {
  const { failpoints, runtime } = options.ports
  const now = runtime.wall()
  const at = new Date(now).toISOString()
  const marks = markDrafts(options.gateway, laneName(options), change.marks, now)
  const forgotten = lane.expired.slice(0, TOMBSTONES_MAX)
  const set = new Set(change.marks.map((mark) => mark.key))
  const items = itemsOf(options, change, at)
  const versions = repeatedKeys(items)
  const settled = settledKeys(change).map((key) => ({
    key,
    draft: settledDraft(options.gateway, laneName(options), key),
    finding: null,
  }))
  const more = [
    ...forgetMarkDrafts(
      options.gateway,
      laneName(options),
      forgotten.filter((key) => !set.has(key)),
    ),
    ...marks.drafts,
    ...change.extra,
  ]
  const slices = sliced([...items, ...settled])
  failpoints.hit('lane.before-transact')
  const early = options.mutations?.has('projection-before-commit') === true
  if (early) applyChange(options, lane, change, [])
  if (options.mutations?.has('cursor-outside-transaction') === true && change.findings.length > 0) {
    const ahead = cursorDraft(options.gateway, { ...change.record, sequence: lane.record.sequence + 1, at })
    await lane.writer.transact({ records: [ahead] }, signal)
  }
  const placed: PlacedItem[] = []
  for (const [index, slice] of slices.entries()) {
    const isLast = index === slices.length - 1
    const drafts = [...slice.map(({ draft }) => draft), ...(isLast ? more : [])]
    const record = isLast ? { ...change.record, partial: [] } : withPartial(lane.record, slice, versions)
    await transact(
      options,
      lane,
      drafts,
      { ...record, sequence: lane.record.sequence + 1, at },
      slice,
      placed,
      signal,
    )
  }
  failpoints.hit('lane.after-transact')
  lane.isRecorded = true
  lane.isLearnt = false
  if (!early) applyChange(options, lane, change, placed)
  lane.expired.splice(0, forgotten.length)
  rememberMarks(lane, marks.stored, now)
  failpoints.hit('lane.after-apply')
}

/** A record to append for a source key; `finding` null where it is a reject, or takes one back. */
type Item = Readonly<{ key: string; draft: Draft; finding: Finding | null }>
type PlacedItem = Readonly<{ item: Item; place: Placed }>

/** What a change says of records: its events, then its rejects. */
function itemsOf(
  options: LaneOptions,
  { findings, rejections, record }: Change,
  at: string,
): readonly Item[] {
  const traces = options.ports.runtime.bytes(TRACE_BYTES * findings.length)
  const items: Item[] = findings.map((finding, index) => ({
    key: finding.row.sourceKey,
    draft: eventDraft(options, record, finding, at, traceparent(traces, index)),
    finding,
  }))
  for (const rejection of rejections) {
    const draft = rejectOf(options, record, rejection, at)
    items.push({ key: rejection.sourceKey, draft, finding: null })
  }
  return items
}

/** Source keys whose rejects, of this change or before it, are settled by it. */
function settledKeys({ rejections, view }: Change): readonly string[] {
  const understood = rejections.map(({ sourceKey }) => sourceKey)
  const isSettled = (key: string) => (view.row(key)?.rejected ?? null) === null
  return [...new Set([...view.settled(), ...understood.filter(isSettled)])]
}

async function transact(
  options: LaneOptions,
  lane: OpenLane,
  drafts: readonly Draft[],
  record: CursorRecord,
  slice: readonly Item[],
  placed: PlacedItem[],
  signal: AbortSignal,
): Promise<void> {
  const cursor = cursorDraft(options.gateway, record)
  const places = placedOrStop(await lane.writer.transact({ records: [...drafts, cursor] }, signal))
  const written = slice.flatMap((item, index): PlacedItem[] => {
    const place = places[index]
    return place === undefined ? [] : [{ item, place }]
  })
  for (const one of written) placed.push(one)
  const events = written.filter(({ item }) => item.finding !== null)
  lane.record = withOffsets(
    options,
    record,
    lane,
    events.map(({ place }) => place),
  )
}

/** Until the last piece the cursor stays where it was, and a restart must not take old versions for new ones. */
function withPartial(
  record: CursorRecord,
  slice: readonly Item[],
  versions: ReadonlySet<string>,
): CursorRecord {
  const keys = slice.map(({ key }) => key).filter((key) => versions.has(key))
  return { ...record, partial: [...new Set([...record.partial, ...keys])] }
}

/**
 * Records in pieces that the log takes in one transaction, at least one; those of a key stay in order, and together as
 * long as they fit.
 */
function sliced(items: readonly Item[]): readonly (readonly Item[])[] {
  if (bytesOf(items) <= TRANSACTION_BYTES_MAX) return [items]
  const slices: Item[][] = [[]]
  let bytes = 0
  const add = (some: readonly Item[], size: number) => {
    if (bytes > 0 && bytes + size > TRANSACTION_BYTES_MAX) {
      slices.push([])
      bytes = 0
    }
    slices.at(-1)?.push(...some)
    bytes += size
  }
  for (const group of related(items)) {
    const size = bytesOf(group)
    if (size <= TRANSACTION_BYTES_MAX) add(group, size)
    else for (const item of group) add([item], sizeOf(item.draft))
  }
  return slices
}

/**
 * Records that have a source key or a record key in common, directly or by way of others: a record key may go from one
 * row to another within a batch, and then the order between the two counts as well.
 */
function related(items: readonly Item[]): Iterable<readonly Item[]> {
  const parents = new Map<string, string>()
  const rootOf = (name: string): string => {
    let root = name
    for (let next = parents.get(root); next !== undefined; next = parents.get(root)) root = next
    if (root !== name) parents.set(name, root)
    return root
  }
  for (const { key, draft } of items) {
    const [source, record] = [rootOf(`source ${key}`), rootOf(`record ${draft.key}`)]
    if (source !== record) parents.set(record, source)
  }
  return Map.groupBy(items, ({ key }) => rootOf(`source ${key}`)).values()
}

function bytesOf(items: readonly Item[]): number {
  return items.reduce((sum, { draft }) => sum + sizeOf(draft), 0)
}

function sizeOf(draft: Draft): number {
  return draft.value?.byteLength ?? 0
}

/** Lets the projection follow without a transaction, where nothing was published. */
export function applyOnly(lane: OpenLane, change: Pick<Change, 'view' | 'seen'>): void {
  const { rows, forgotten } = change.view.changes()
  if (rows.length === 0 && forgotten.length === 0 && change.seen === undefined) return
  lane.projection.apply({
    rows,
    forgotten,
    applied: lane.projection.applied() ?? advance(lane, {}),
    ...(change.seen === undefined ? {} : { seen: change.seen }),
  })
}

function placedOrStop(result: Commit): readonly Placed[] {
  switch (result.kind) {
    case 'committed':
      return result.placed
    case 'fenced':
      throw new LaneStop('FENCED', 'Another writer has taken over this lane; this one stops.')
    case 'unknown':
      throw new LaneStop(
        'COMMIT_UNKNOWN',
        `Nobody can say whether the transaction took effect: ${asEnd(result.reason)}`,
      )
    case 'refused':
      throw new LaneStop(
        result.retryable ? 'LOG_UNAVAILABLE' : 'LOG_REFUSED',
        `The log refused the transaction: ${asEnd(result.reason)}`,
      )
  }
}

/** A reason as the end of a sentence: drivers give theirs with a full stop or without. */
function asEnd(reason: string): string {
  return reason.endsWith('.') ? reason : `${reason}.`
}

function applyChange(
  options: LaneOptions,
  lane: OpenLane,
  change: Change,
  placed: readonly PlacedItem[],
): void {
  const positions: Record<string, number> = {}
  for (const { item, place } of placed) {
    const { finding, draft } = item
    const row = finding === null ? null : change.view.owner(finding.row.recordKey)
    if (row !== null) change.view.put({ ...row, partition: place.partition, offset: place.offset })
    // Where other feeds write the same entity, what stands between is not skipped but read by the next catch-up.
    if (finding !== null && options.sharesEntity) continue
    const name = placeName(draft.topic, place.partition)
    positions[name] = Math.max(positions[name] ?? 0, place.offset + 1)
  }
  const { rows, forgotten } = change.view.changes()
  lane.projection.apply({
    rows,
    forgotten,
    applied: advance(lane, positions),
    ...(change.seen === undefined ? {} : { seen: change.seen }),
  })
}

function eventDraft(
  options: LaneOptions,
  record: CursorRecord,
  finding: Finding,
  at: string,
  trace: string,
): Draft {
  const { row } = finding
  // The key's own system: a row may have been published under another name of the source.
  const { system, company, subject } = splitRecordKey(row.recordKey)
  const value = encodeEvent({
    entity: options.mapping.entity,
    action: finding.action,
    system,
    company,
    subject,
    recordKey: row.recordKey,
    time: finding.time ?? at,
    traceparent: trace,
    revision: row.revision,
    lineage: record.lineage,
    contentHash: row.contentHash,
    origin: finding.origin,
    sourceKey: row.sourceKey,
    sourceFingerprint: row.sourceFingerprint,
    mappingVersion: row.mappingVersion,
    readOrder: row.readOrder,
    changedFields:
      finding.digestsBefore === null ? null : changedFields(finding.digestsBefore, row.fieldDigests),
    data: finding.data,
  })
  return {
    topic: entityTopic(options.mapping.entity),
    key: row.recordKey,
    value,
    headers: EVENT_HEADERS,
  }
}

function rejectOf(options: LaneOptions, record: CursorRecord, rejection: Rejection, at: string): Draft {
  return rejectDraft(rejection, {
    gateway: options.gateway,
    lane: laneName(options),
    lineage: record.lineage,
    mappingName: options.mapping.name,
    mappingVersion: options.mapping.version,
    at,
  })
}

function withOffsets(
  options: LaneOptions,
  record: CursorRecord,
  lane: OpenLane,
  placed: readonly Placed[],
): CursorRecord {
  if (placed.length === 0) return record
  const topic = entityTopic(options.mapping.entity)
  const last: Record<string, number> = { ...record.topics[topic]?.last }
  for (const { partition, offset } of placed) last[partition] = Math.max(last[partition] ?? -1, offset)
  const id = lane.topics.get(topic)?.id ?? null
  return { ...record, topics: { ...record.topics, [topic]: { id, last } } }
}

function rememberMarks(lane: OpenLane, stored: readonly StoredMark[], now: number): void {
  if (stored.length === 0) return
  for (const mark of stored) lane.marks.set(mark.key, mark)
  lane.expired.push(...takeExpired(lane.marks, now))
}
