import type { SourceRecord } from '../../adapters/contract.ts'
import { type Digests, digestsOf, fingerprint, recordKey } from '../identity.ts'
import type { Mapped, Mapping } from '../mapping/mapping.ts'
import { Pace } from './pace.ts'
import { type ReadOrder, readOrderOf } from './read-order.ts'
import type { View } from './view.ts'
import type { Work } from './work.ts'

/** What a record was understood to say, written down at once: mapped data of a whole batch would be a burden to keep. */
export type Version = Readonly<{ recordKey: string; time: string | null; digests: Digests }>

/** A record with its place in the order of reads, and what the mapping made of it: one of the two, or neither. */
export type Read = Readonly<{
  record: SourceRecord
  order: ReadOrder
  fingerprint: string
  /** Null where it was rejected, and where the row shows that nothing can have changed. */
  version: Version | null
  rejected: Rejected | null
}>

type Rejected = Extract<Mapped, { kind: 'rejected' }>

/** A read of a record; `mapped` null where nothing can have changed. */
export function readOf(
  record: SourceRecord,
  order: ReadOrder,
  fingerprint: string,
  mapped: Mapped | null,
  { mapping, system }: Readonly<{ mapping: Mapping; system: string }>,
): Read {
  if (mapped?.kind !== 'mapped') return { record, order, fingerprint, version: null, rejected: mapped }
  const { company, subject, time, data } = mapped
  const digests = digestsOf(data, mapping.volatile)
  const version = { recordKey: recordKey(system, company, subject), time, digests }
  return { record, order, fingerprint, version, rejected: null }
}

/**
 * Prepares the records of one batch: fingerprints all, maps those that may have changed, and loads from the projection
 * what the decisions will need. A key that stands in the batch more than once is always mapped. Throws the signal's
 * reason where the run is to end, or to let somebody in.
 */
export async function prepare(
  work: Work,
  records: readonly SourceRecord[],
  count: string,
  view: View,
): Promise<readonly Read[]> {
  const { options } = work
  const { mapping, ports } = options
  const pace = new Pace(ports.runtime, work.source.signal)
  view.preload(
    records.map((record) => record.key),
    [],
  )
  const repeated = repeatedKeys(records)
  const read = (record: SourceRecord): Read => {
    const print = fingerprintOf(record)
    const order = readOrderOf(count, record)
    if (typeof print !== 'string') return readOf(record, order, print.why, print.mapped, options)
    const row = view.row(record.key)
    const isSettled =
      row !== null &&
      !row.deleted &&
      row.rejected === null &&
      row.sourceFingerprint === print &&
      row.mappingVersion === mapping.version &&
      !repeated.has(record.key)
    const mapped = isSettled || record.op === 'delete' ? null : mapping.map(record)
    return readOf(record, order, print, mapped, options)
  }
  const reads: Read[] = []
  for (const record of records) {
    const rest = pace.next()
    if (rest !== null) await rest
    reads.push(read(record))
  }
  return reads
}

/** Equal means equal words of the source; a record that holds what JSON cannot say is a reject. */
export function fingerprintOf(record: SourceRecord): string | Readonly<{ why: string; mapped: Mapped }> {
  if (record.fingerprint !== null) return record.fingerprint
  try {
    return fingerprint(record.data)
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error)
    return {
      why: `!${reason}`,
      mapped: { kind: 'rejected', code: 'RECORD_INVALID', field: null, line: null, reason },
    }
  }
}

/** Source keys that more than one of the records has. */
export function repeatedKeys(records: readonly Pick<SourceRecord, 'key'>[]): ReadonlySet<string> {
  const seen = new Set<string>()
  const repeated = new Set<string>()
  for (const { key } of records) (seen.has(key) ? repeated : seen).add(key)
  return repeated
}

/** The record keys that reads claim. */
export function claimsOf(reads: readonly Read[]): string[] {
  return reads.map(claimOf).filter((key) => key !== null)
}

/** The record key that a read claims, or null. */
export function claimOf({ version }: Read): string | null {
  return version === null ? null : version.recordKey
}
