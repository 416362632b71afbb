import type { Batch, SourceRecord, Unreadable } from '../../adapters/contract.ts'
import type { EventData } from '../event.ts'
import { fingerprint, recordKey } from '../identity.ts'
import type { ProjectionRow } from '../ports.ts'
import type { CursorRecord } from './cursor-record.ts'
import { claimedKeys, type Detected, detect, prepare, type Read, type Rejection } from './detect.ts'
import { blownFuse, rejectsTooMany } from './fuses.ts'
import { dataInLog } from './identity-data.ts'
import { laneName } from './lane-options.ts'
import { LaneStop } from './lane-stop.ts'
import { emptyRow } from './rebuild.ts'
import type { View } from './view.ts'
import type { Work } from './work.ts'

/** How many keys a stop shows to the person who decides. */
const SHOWN_KEYS = 20

/**
 * Decides what the records of a batch mean. Versions read before something newer was published are read again, once,
 * and counted in the same batch. Nothing is written.
 */
export async function decideBatch(
  work: Work,
  records: readonly SourceRecord[],
  order: string,
  view: View,
): Promise<Detected> {
  const known = new Map<string, EventData>()
  const found = await decideRecords(work, records, order, view, known)
  if (found.stale.length > 0) {
    const again = await work.source.read([...new Set(found.stale)])
    const more = await decideRecords(work, again.records, again.order, view, known)
    found.findings.push(...more.findings)
    found.rejections.push(...more.rejections)
  }
  const { counts } = work.run
  counts.read += records.length
  for (const finding of found.findings) counts[finding.action] += 1
  counts.rejected += found.rejections.length
  work.run.heldBack += found.heldBack
  return found
}

/** Rejections for what the adapter could not read, each written once however often it is met. */
export function decideUnreadable(
  work: Work,
  unreadable: readonly Unreadable[],
  order: string,
  view: View,
): readonly Rejection[] {
  const rejections: Rejection[] = []
  for (const { where, key, raw, reason } of unreadable) {
    const sourceKey = key ?? `?${where}`
    const print = fingerprint({ raw: Buffer.from(raw).toString('base64') })
    const row = view.row(sourceKey)
    if (row?.rejected === print) continue
    view.put({ ...(row ?? emptyRow(sourceKey)), rejected: print, readOrder: order })
    rejections.push({
      sourceKey,
      code: 'UNREADABLE',
      field: null,
      line: null,
      reason,
      where,
      raw,
      fingerprint: print,
      readOrder: order,
    })
  }
  work.run.counts.read += unreadable.length
  work.run.counts.rejected += rejections.length
  return rejections
}

/**
 * The fields to remember, once this batch is through. Throws SCHEMA_CHANGED where a known field is gone or has another
 * type: what is missing would look like null.
 */
export function acceptFields(work: Work, batch: Batch): CursorRecord['fields'] {
  const known = work.lane.record.fields
  const { fields } = batch
  if (fields === undefined || known === null) return fields ?? known
  const lost = Object.keys(known).filter((name) => fields[name] === undefined)
  const retyped = Object.keys(known).filter((name) => (fields[name] ?? known[name]) !== known[name])
  if (lost.length > 0 || retyped.length > 0) throw schemaChanged(known, fields, lost, retyped)
  const added = Object.keys(fields).filter((name) => known[name] === undefined)
  if (added.length === 0) return known
  const { logger } = work.options.ports
  logger.info('The source has new fields.', { lane: laneName(work.options), fields: added })
  return fields
}

/** Throws when the run has gone beyond a fuse, before anything of the batch is written. */
export function guardFuses(work: Work, found: Detected): void {
  const { run, lane, options } = work
  const { fuse } = options.feed
  const isFirst = lane.record.phase === 'initial'
  if (lane.record.allowance !== 'FUSE_BLOWN' && !isFirst && run.track === 'main') {
    const blown = blownFuse(fuse, run.counts, run.known)
    if (blown !== null) {
      const keys = found.findings.filter((one) => one.action === blown.kind).map((one) => one.row.recordKey)
      throw fuseBlown(blown, run.known, keys)
    }
  }
  if (lane.record.allowance !== 'REJECTS_TOO_MANY' && rejectsTooMany(fuse.rejected, run.counts)) {
    const { rejected, read } = run.counts
    throw new LaneStop(
      'REJECTS_TOO_MANY',
      `${rejected} of ${read} records of this run could not be understood; the last batch was not published. See \`erpgw rejects\`, mend the mapping, then run \`erpgw decide\`.`,
      { rejected, read, first: found.rejections.slice(0, SHOWN_KEYS).map(describeRejection) },
    )
  }
}

/** The stop of a run that would publish more of a kind than its fuse lets through. */
export function fuseBlown(
  blown: Readonly<{ kind: string; count: number; limit: number }>,
  known: number,
  recordKeys: readonly string[],
): LaneStop {
  const { kind, count, limit } = blown
  return new LaneStop(
    'FUSE_BLOWN',
    `${count} records would be ${kind} where at most ${limit} were expected (${known} are known). Nothing of them was published; run \`erpgw decide\`.`,
    { kind, count, limit, known, first: recordKeys.slice(0, SHOWN_KEYS) },
  )
}

function describeRejection(rejection: Rejection): { sourceKey: string; code: string; reason: string } {
  return { sourceKey: rejection.sourceKey, code: rejection.code, reason: rejection.reason }
}

async function decideRecords(
  work: Work,
  records: readonly SourceRecord[],
  order: string,
  view: View,
  known: Map<string, EventData>,
): Promise<Detected> {
  const { mapping, system } = work.options
  const claims = prepare(records, order, view, mapping)
  view.preload([], claimedKeys(claims, system))
  const { fresh, gone } = await readRivals(work, claims, view)
  const reads = [...fresh, ...claims]
  const endings = endingRows(reads, view, gone, system).filter((row) => !known.has(row.recordKey))
  for (const [key, data] of await dataInLog(work, endings)) known.set(key, data)
  const { quiet } = work.lane.record.mapping
  return detect(reads, view, {
    system,
    mapping,
    origin: work.run.origin,
    remap: work.run.track === 'remap' ? 'publish' : quiet === mapping.version ? 'quiet' : 'hold-back',
    gone,
    known,
  })
}

/**
 * Rows that hold a record key which another source key claims in this batch, as they are now: who has let go of the key
 * meanwhile, or is gone, must be published before who takes it.
 */
async function readRivals(
  work: Work,
  reads: readonly Read[],
  view: View,
): Promise<{ fresh: readonly Read[]; gone: ReadonlySet<string> }> {
  const { system, mapping } = work.options
  const keys = new Set<string>()
  for (const { record, mapped } of reads) {
    if (mapped?.kind !== 'mapped') continue
    const owner = view.owner(recordKey(system, mapped.company, mapped.subject))
    if (owner !== null && !owner.deleted && owner.sourceKey !== record.key) keys.add(owner.sourceKey)
  }
  if (keys.size === 0 || !(await work.source.canRead())) return { fresh: [], gone: new Set() }
  const { records, order } = await work.source.read([...keys])
  for (const record of records) keys.delete(record.key)
  const fresh = prepare(records, order, view, mapping)
  view.preload([], claimedKeys(fresh, system))
  return { fresh, gone: keys }
}

/** Published rows that this batch may end. */
function endingRows(
  reads: readonly Read[],
  view: View,
  gone: ReadonlySet<string>,
  system: string,
): readonly ProjectionRow[] {
  const rows = new Map<string, ProjectionRow>()
  for (const { record, mapped } of reads) {
    const row = view.row(record.key)
    if (row === null || row.revision === 0 || row.deleted) continue
    const key = mapped?.kind === 'mapped' ? recordKey(system, mapped.company, mapped.subject) : null
    if (record.op === 'delete' || (key !== null && key !== row.recordKey)) rows.set(row.recordKey, row)
  }
  for (const sourceKey of gone) {
    const row = view.row(sourceKey)
    if (row !== null) rows.set(row.recordKey, row)
  }
  return [...rows.values()]
}

function schemaChanged(
  known: Readonly<Record<string, string>>,
  fields: Readonly<Record<string, string>>,
  lost: readonly string[],
  retyped: readonly string[],
): LaneStop {
  const parts = [
    ...(lost.length > 0 ? [`gone: ${lost.join(', ')}`] : []),
    ...retyped.map((name) => `${name} was ${known[name]} and is ${fields[name]}`),
  ]
  return new LaneStop(
    'SCHEMA_CHANGED',
    `The source has another shape (${parts.join('; ')}). Nothing of it was published; run \`erpgw decide\` to accept it.`,
    { lost: [...lost], retyped: [...retyped], fields: { ...fields } },
  )
}
