import type { SourceRecord } from '../../adapters/contract.ts'
import { fingerprint, recordKey } from '../identity.ts'
import type { Mapped } from '../mapping/mapping.ts'
import { Pace } from './pace.ts'
import { type ReadOrder, readOrderOf } from './read-order.ts'
import type { View } from './view.ts'
import type { Work } from './work.ts'

/** A record with its place in the order of reads; `mapped` null where the row shows that nothing can have changed. */
export type Read = Readonly<{
  record: SourceRecord
  order: ReadOrder
  fingerprint: string
  mapped: Mapped | null
  /** The record key that it claims; null where it is not mapped. */
  claim: string | null
}>

/** A read of a record, mapped or not. */
export function readOf(
  record: SourceRecord,
  order: ReadOrder,
  fingerprint: string,
  mapped: Mapped | null,
  system: string,
): Read {
  const claim = mapped?.kind === 'mapped' ? recordKey(system, mapped.company, mapped.subject) : null
  return { record, order, fingerprint, mapped, claim }
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
  const { mapping, ports, system } = work.options
  const pace = new Pace(ports.runtime, work.source.signal)
  view.preload(
    records.map((record) => record.key),
    [],
  )
  const repeated = repeatedKeys(records)
  const read = (record: SourceRecord): Read => {
    const print = fingerprintOf(record)
    const order = readOrderOf(count, record)
    if (typeof print !== 'string') return readOf(record, order, print.why, print.mapped, system)
    const row = view.row(record.key)
    const isSettled =
      row !== null &&
      !row.deleted &&
      row.rejected === null &&
      row.sourceFingerprint === print &&
      row.mappingVersion === mapping.version &&
      !repeated.has(record.key)
    const mapped = isSettled || record.op === 'delete' ? null : mapping.map(record)
    return readOf(record, order, print, mapped, system)
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
  const claims: string[] = []
  for (const { claim } of reads) if (claim !== null) claims.push(claim)
  return claims
}
