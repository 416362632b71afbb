import type { Batch, SourceRecord, Unreadable } from '../../adapters/contract.ts'
import { fingerprint } from '../identity.ts'
import type { ProjectionRow } from '../ports.ts'
import type { CursorRecord } from './cursor-record.ts'
import { type Detected, detect, type Rejection, type RemapPolicy } from './detect.ts'
import { blownFuse, rejectsTooMany } from './fuses.ts'
import { dataInLog } from './identity-data.ts'
import { laneName } from './lane-options.ts'
import { LaneStop } from './lane-stop.ts'
import { isOlderRead, readOrderOf } from './read-order.ts'
import { claimOf, claimsOf, fingerprintOf, prepare, type Read, repeatedKeys } from './reads.ts'
import { emptyRow, keylessKey } from './rebuild.ts'
import type { View } from './view.ts'
import type { Work } from './work.ts'

/** How many keys a stop shows to the person who decides. */
const SHOWN_KEYS = 20

/** How often the holders of claimed record keys are looked up, each time for those that the last look brought. */
const RIVAL_ROUNDS = 5

/**
 * Decides what the records of a batch mean. Versions read before something newer was seen are read again, once, and
 * decided in the same batch. Nothing is written.
 */
export async function decideBatch(
  work: Work,
  records: readonly SourceRecord[],
  count: string,
  view: View,
): Promise<Detected> {
  const known = new Map<string, Uint8Array>()
  const wanted = await wantedRecords(work, records, count, view)
  const found = await decideRecords(work, wanted.records, wanted.count, view, known)
  const again = found.stale.length === 0 ? null : await readAgain(work, found.stale)
  if (again !== null) {
    const more = await decideRecords(work, again.records, again.count, view, known)
    found.findings.push(...more.findings)
    found.rejections.push(...more.rejections)
  }
  return found
}

/** The rows of records that may be old, as they are now. One that the source reported as deleted, and that is not there, is gone. */
async function readAgain(
  work: Work,
  doubted: readonly SourceRecord[],
): Promise<{ records: readonly SourceRecord[]; count: string } | null> {
  const read = await work.source.read([...new Set(doubted.map((record) => record.key))])
  if (read === null) return null
  const there = new Set(read.records.map((record) => record.key))
  const gone = doubted.filter((record) => record.op === 'delete' && !there.has(record.key))
  const now = gone.map((record) => ({ ...record, order: null, rowVersion: null }))
  return { records: [...read.records, ...now], count: read.count }
}

/** Counts what a batch has brought. */
export function countBatch(work: Work, read: number, found: Detected): void {
  const { counts } = work.run
  counts.read += read
  for (const finding of found.findings) counts[finding.action] += 1
  counts.rejected += found.rejections.length
  work.run.heldBack += found.heldBack
}

/**
 * Rejections for what the adapter could not read, each written once however often it is met. Where the batch holds a
 * readable version of the same key, nobody can say which came first, and the row stays understood.
 */
export function decideUnreadable(
  batch: Pick<Batch, 'records' | 'unreadable'>,
  count: string,
  view: View,
): readonly Rejection[] {
  const readable = new Set(batch.records.map((record) => record.key))
  const rejections: Rejection[] = []
  for (const { where, key, raw, reason } of batch.unreadable) {
    const print = fingerprint({ raw: Buffer.from(raw).toString('base64') })
    const sourceKey = key ?? keylessKey(where, print)
    const row = view.row(sourceKey)
    if (row?.rejected === print) continue
    if (!readable.has(sourceKey)) {
      view.put({ ...(row ?? { ...emptyRow(sourceKey), readOrder: count }), rejected: print })
    }
    rejections.push({
      sourceKey,
      code: 'UNREADABLE',
      field: null,
      line: null,
      reason,
      where,
      raw,
      fingerprint: print,
      readOrder: count,
    })
  }
  return rejections
}

/**
 * The fields to remember, once this batch is through. Throws SCHEMA_CHANGED where a known field is gone or has another
 * type: what is missing would look like null. A shape that a person has allowed must first be seen as it was shown to
 * them: until then a new field is a difference too, for it may be one that was gone, come back as something else.
 */
export function acceptFields(
  work: Work,
  fields: Batch['fields'],
): Pick<CursorRecord, 'fields' | 'allowances'> {
  const { lane, options } = work
  const { fields: known, allowances } = lane.record
  if (fields === undefined) return { fields: known, allowances }
  const difference = differenceOf(known ?? fields, fields)
  const { lost, retyped, added } = difference
  const isAllowed = allowances.includes('SCHEMA_CHANGED')
  if (lost.length > 0 || retyped.length > 0 || (isAllowed && added.length > 0)) {
    throw schemaChanged(known ?? fields, fields, difference)
  }
  if (added.length > 0) {
    options.ports.logger.info('The source has new fields.', { lane: laneName(options), fields: added })
  }
  if (known !== null && added.length === 0 && !isAllowed) return { fields: known, allowances }
  lane.isLearnt = true
  return { fields, allowances: allowances.filter((code) => code !== 'SCHEMA_CHANGED') }
}

type Fields = NonNullable<Batch['fields']>
type Difference = Readonly<Record<'lost' | 'retyped' | 'added', readonly string[]>>

function differenceOf(known: Fields, fields: Fields): Difference {
  return {
    lost: Object.keys(known).filter((name) => fields[name] === undefined),
    retyped: Object.keys(known).filter((name) => (fields[name] ?? known[name]) !== known[name]),
    added: Object.keys(fields).filter((name) => known[name] === undefined),
  }
}

/** Throws when the run has gone beyond a fuse, before anything of the batch is written. */
export function guardFuses(work: Work, found: Detected): void {
  const { run, lane, options } = work
  const { fuse } = options.feed
  const { phase, allowances } = lane.record
  if (!allowances.includes('FUSE_BLOWN') && phase !== 'initial' && run.track === 'main') {
    const blown = blownFuse(fuse, run.counts, run.known)
    if (blown !== null) {
      const keys = found.findings.filter((one) => one.action === blown.kind).map((one) => one.row.recordKey)
      throw fuseBlown(blown, run.known, keys)
    }
  }
  if (!allowances.includes('REJECTS_TOO_MANY') && rejectsTooMany(fuse.rejected, run.counts)) {
    const { rejected, read } = run.counts
    const reason = found.rejections[0]?.reason ?? 'it could not be read'
    throw new LaneStop(
      'REJECTS_TOO_MANY',
      `${rejected} of ${read} records of this run could not be understood, the first because: ${reason}. The batch was not published; see \`erpgw rejects\`, mend the mapping, then run \`erpgw decide\`.`,
      { rejected, read, first: found.rejections.slice(0, SHOWN_KEYS).map(describeRejection) },
      found.rejections,
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
    `${count} records would be ${kind} in this run where at most ${limit} were expected (${known} are known). The batch was not published; run \`erpgw decide\`.`,
    { kind, count, limit, known, first: recordKeys.slice(0, SHOWN_KEYS) },
  )
}

function describeRejection(rejection: Rejection): { sourceKey: string; code: string; reason: string } {
  return { sourceKey: rejection.sourceKey, code: rejection.code, reason: rejection.reason }
}

/**
 * The records that a batch is decided by. Where everything is read again, a source may show versions that were
 * published long ago: then only the newest of each key counts, and where it differs a fresh read says what is true now.
 */
async function wantedRecords(
  work: Work,
  records: readonly SourceRecord[],
  count: string,
  view: View,
): Promise<{ records: readonly SourceRecord[]; count: string }> {
  const { run, lane } = work
  view.preload(
    records.map((record) => record.key),
    [],
  )
  const isKnown = (record: SourceRecord) => (view.row(record.key)?.revision ?? 0) > 0
  const isSame = (record: SourceRecord) => view.row(record.key)?.sourceFingerprint === fingerprintOf(record)
  const isRemap = run.track === 'reread' && lane.record.reread?.kind === 'remap'
  if (!isRemap && run.origin !== 'replay') {
    const partial = new Set(lane.record.partial)
    return { records: partial.size === 0 ? records : newestOfEach(records, (key) => partial.has(key)), count }
  }
  const newest = newestOfEach(records, () => true).filter((one) => run.track !== 'reread' || isKnown(one))
  const isDoubtful = (record: SourceRecord) => isKnown(record) && !isSame(record)
  const doubtful = newest.filter(isDoubtful)
  const fresh = doubtful.length === 0 ? null : await readAgain(work, doubtful)
  if (fresh === null) return { records: isRemap ? newest.filter(isSame) : newest, count }
  return { records: [...newest.filter((one) => !isDoubtful(one)), ...fresh.records], count: fresh.count }
}

/** Leaves one version of each key that is meant: the newest by what the source says, or else the last to come. */
function newestOfEach(
  records: readonly SourceRecord[],
  isMeant: (key: string) => boolean,
): readonly SourceRecord[] {
  if (repeatedKeys(records).size === 0) return records
  const newest = new Map<string, SourceRecord>()
  for (const record of records) {
    const other = newest.get(record.key)
    const isOlder = other !== undefined && isOlderRead(readOrderOf('', record), readOrderOf('', other))
    if (!isOlder) newest.set(record.key, record)
  }
  return records.filter((record) => !isMeant(record.key) || newest.get(record.key) === record)
}

async function decideRecords(
  work: Work,
  records: readonly SourceRecord[],
  count: string,
  view: View,
  known: Map<string, Uint8Array>,
): Promise<Detected> {
  const { mapping } = work.options
  const claims = await prepare(work, records, count, view)
  const { fresh, gone } = await readRivals(work, claims, view)
  const reads = [...fresh, ...claims]
  const endings = endingRows(reads, view, gone).filter((row) => !known.has(row.recordKey))
  for (const [key, data] of await dataInLog(work, endings)) known.set(key, data)
  return detect(reads, view, {
    mapping,
    origin: work.run.origin,
    remap: remapPolicy(work),
    gone,
    known,
  })
}

/** What becomes of rows that only an edited mapping changes. */
function remapPolicy({ options, lane, run }: Work): RemapPolicy {
  const { reread, mapping } = lane.record
  const { version } = options.mapping
  if (run.track === 'reread' && reread?.kind === 'remap') return 'publish'
  if (mapping.quiet === version) return 'quiet'
  return !options.canReadAgain && mapping.version === version ? 'publish' : 'hold-back'
}

/**
 * Rows outside the batch that hold a record key which a row of the batch claims, as they are now: who has let go of a
 * key meanwhile, or is gone, must be published before who takes it. What they claim in turn is looked up as well.
 */
async function readRivals(
  work: Work,
  reads: readonly Read[],
  view: View,
): Promise<{ fresh: readonly Read[]; gone: ReadonlySet<string> }> {
  const met = new Set(reads.map((read) => read.record.key))
  const fresh: Read[] = []
  const gone = new Set<string>()
  let claiming = reads
  for (let round = 0; round < RIVAL_ROUNDS; round += 1) {
    const rivals = rivalKeys(claiming, view, met)
    const found = rivals.length === 0 ? null : await work.source.read(rivals)
    if (found === null) break
    for (const key of rivals) met.add(key)
    const there = new Set(found.records.map((record) => record.key))
    for (const key of rivals) if (!there.has(key)) gone.add(key)
    claiming = await prepare(work, found.records, found.count, view)
    fresh.push(...claiming)
  }
  return { fresh, gone }
}

function rivalKeys(reads: readonly Read[], view: View, met: ReadonlySet<string>): readonly string[] {
  const claimed = claimsOf(reads)
  view.preload([], claimed)
  const rivals = new Set<string>()
  for (const key of claimed) {
    const owner = view.owner(key)
    if (owner !== null && !owner.deleted && !met.has(owner.sourceKey)) rivals.add(owner.sourceKey)
  }
  return [...rivals]
}

/** Published rows that this batch may end. */
function endingRows(reads: readonly Read[], view: View, gone: ReadonlySet<string>): readonly ProjectionRow[] {
  const rows = new Map<string, ProjectionRow>()
  const add = (row: ProjectionRow | null) => {
    if (row !== null && row.revision > 0 && !row.deleted) rows.set(row.recordKey, row)
  }
  for (const read of reads) {
    const row = view.row(read.record.key)
    const key = claimOf(read)
    if (read.record.op === 'delete' || (key !== null && key !== row?.recordKey)) add(row)
  }
  for (const sourceKey of gone) add(view.row(sourceKey))
  return [...rows.values()]
}

function schemaChanged(known: Fields, fields: Fields, { lost, retyped, added }: Difference): LaneStop {
  const parts = [
    ...(lost.length > 0 ? [`gone: ${lost.join(', ')}`] : []),
    ...retyped.map((name) => `${name} was ${known[name]} and is ${fields[name]}`),
    ...(added.length > 0 ? [`new: ${added.map((name) => `${name} ${fields[name]}`).join(', ')}`] : []),
  ]
  return new LaneStop(
    'SCHEMA_CHANGED',
    `The source has another shape (${parts.join('; ')}). Nothing of it was published; run \`erpgw decide\` to accept it.`,
    { lost: [...lost], retyped: [...retyped], added: [...added], fields: { ...fields } },
  )
}

/** What cannot be a record of ours, as something that the adapter could not read: its neighbours go on. */
export function splitInvalid(batch: Batch): Pick<Batch, 'records' | 'unreadable'> {
  const unreadable: Unreadable[] = [...batch.unreadable]
  const records = batch.records.filter((record) => {
    if (record.key.isWellFormed()) return true
    const reason = 'Its key holds half of a surrogate pair.'
    const raw = new TextEncoder().encode(JSON.stringify(record))
    unreadable.push({ where: `${record.type} ${record.key.toWellFormed()}`, key: null, raw, reason })
    return false
  })
  return records.length === batch.records.length ? batch : { records, unreadable }
}
