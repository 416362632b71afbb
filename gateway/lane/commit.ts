import type { Mark } from '../../adapters/contract.ts'
import { buildEvent, EVENT_HEADERS, encodeEvent, traceparent } from '../envelope.ts'
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
import { rejectDraft } from './reject-record.ts'
import type { View } from './view.ts'

/** Half of what the embedded log takes in one transaction, for keys, headers and bookkeeping leave the rest. */
const TRANSACTION_BYTES_MAX = 12_000_000

/** Marks that one transaction forgets. */
const TOMBSTONES_MAX = 1_000

/** Of a W3C trace context: 16 for the trace, 8 for the span. */
const TRACE_BYTES = 24

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
 * known does the projection follow. Throws LaneStop for every other end. Returns how many events were written.
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
  const record = { ...change.record, at }
  const events = change.findings.map((finding) => eventDraft(options, record, finding, at))
  const rejects = change.rejections.map((rejection) => rejectOf(options, record, rejection, at))
  const marks = markDrafts(options.gateway, laneName(options), change.marks, now)
  const forgotten = lane.expired.slice(0, TOMBSTONES_MAX)
  const drafts = [
    ...events,
    ...rejects,
    ...marks.drafts,
    ...forgetMarkDrafts(options.gateway, laneName(options), forgotten),
    ...change.extra,
  ]
  const slices = sliced(drafts)
  failpoints.hit('lane.before-transact')
  const early = options.mutations?.has('projection-before-commit') === true
  if (early) applyChange(options, lane, change, [])
  if (options.mutations?.has('cursor-outside-transaction') === true && drafts.length > 0) {
    await lane.writer.transact({ records: [cursorDraft(options.gateway, record)] }, signal)
  }
  const placed: Placed[] = []
  for (const [index, slice] of slices.entries()) {
    // Until the last slice the cursor stays where it was: what a crash leaves undone is read again.
    const isLast = index === slices.length - 1
    const cursor = cursorDraft(options.gateway, isLast ? record : { ...lane.record, at })
    placed.push(
      ...placedOrStop(await lane.writer.transact({ records: [...slice, cursor] }, signal)).slice(
        0,
        slice.length,
      ),
    )
  }
  failpoints.hit('lane.after-transact')
  lane.record = withOffsets(options, record, lane, placed.slice(0, events.length))
  lane.isRecorded = true
  if (!early) applyChange(options, lane, change, placed)
  rememberMarks(lane, marks.stored, forgotten.length, now)
  failpoints.hit('lane.after-apply')
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

/** Drafts in pieces that the log takes in one transaction; at least one piece, which may be empty. */
function sliced(drafts: readonly Draft[]): readonly (readonly Draft[])[] {
  const slices: Draft[][] = [[]]
  let bytes = 0
  for (const draft of drafts) {
    const size = draft.value?.byteLength ?? 0
    if (bytes > 0 && bytes + size > TRANSACTION_BYTES_MAX) {
      slices.push([])
      bytes = 0
    }
    slices.at(-1)?.push(draft)
    bytes += size
  }
  return slices
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
        `Nobody can say whether the transaction took effect: ${result.reason}.`,
      )
    case 'refused':
      throw new LaneStop(
        result.retryable ? 'LOG_UNAVAILABLE' : 'LOG_REFUSED',
        `The log refused the transaction: ${result.reason}.`,
      )
  }
}

function applyChange(options: LaneOptions, lane: OpenLane, change: Change, placed: readonly Placed[]): void {
  const topic = entityTopic(options.mapping.entity)
  const positions: Record<string, number> = {}
  for (const [index, finding] of change.findings.entries()) {
    const place = placed[index]
    if (place === undefined) continue
    const row = change.view.owner(finding.row.recordKey)
    if (row !== null) change.view.put({ ...row, partition: place.partition, offset: place.offset })
    positions[placeName(topic, place.partition)] = place.offset + 1
  }
  const { rows, forgotten } = change.view.changes()
  lane.projection.apply({
    rows,
    forgotten,
    // Where other feeds write the same entity, what stands between is not skipped but read by the next catch-up.
    applied: advance(lane, options.sharesEntity ? {} : positions),
    ...(change.seen === undefined ? {} : { seen: change.seen }),
  })
}

function eventDraft(options: LaneOptions, record: CursorRecord, finding: Finding, at: string): Draft {
  const { row } = finding
  const { company, subject } = splitRecordKey(row.recordKey)
  const event = buildEvent({
    entity: options.mapping.entity,
    action: finding.action,
    system: options.system,
    company,
    subject,
    recordKey: row.recordKey,
    time: finding.time ?? at,
    traceparent: traceparent(options.ports.runtime.bytes(TRACE_BYTES)),
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
    value: encodeEvent(event),
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

function rememberMarks(lane: OpenLane, stored: readonly StoredMark[], forgotten: number, now: number): void {
  lane.expired.splice(0, forgotten)
  if (stored.length === 0) return
  for (const mark of stored) lane.marks.set(mark.key, mark)
  lane.expired.push(...takeExpired(lane.marks, now))
}
