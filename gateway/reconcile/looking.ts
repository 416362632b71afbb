import type { SourceRecord } from '../../adapters/contract.ts'
import { countBatch, decideBatch } from '../lane/batch.ts'
import { commit } from '../lane/commit.ts'
import { deletion } from '../lane/detect.ts'
import { dataInLog } from '../lane/identity-data.ts'
import { fingerprintOf } from '../lane/reads.ts'
import { settleReject } from '../lane/rebuild.ts'
import { View } from '../lane/view.ts'
import type { Work } from '../lane/work.ts'
import type { ProjectionRow } from '../ports.ts'

/** What became of keys that a comparison found different, once each was read by itself. */
export type Looked = { missing: number; changed: number; deleted: number; late: number; healed: number }

/**
 * Reads these keys afresh, and says what differs now. Where `heal` is set, that is published, by the same rules as what
 * a poll brings. What the log holds of a key that is not there is only taken for deleted where it was read before
 * `before`, when the comparison began.
 */
export async function lookAt(
  work: Work,
  keys: readonly string[],
  { before, heal }: Readonly<{ before: string; heal: boolean }>,
): Promise<Looked> {
  const looked: Looked = { missing: 0, changed: 0, deleted: 0, late: 0, healed: 0 }
  const read = await work.source.read(keys)
  if (read === null) return looked
  const rows = work.lane.projection.rows(keys)
  const records = new Map(read.records.map((record) => [record.key, record]))
  const gone: ProjectionRow[] = []
  const different: SourceRecord[] = []
  for (const key of keys) {
    const row = rows.get(key)
    const record = records.get(key)
    const difference = differenceOf(row, record, before)
    looked[difference] += 1
    if (difference === 'deleted' && row !== undefined) gone.push(row)
    else if (difference !== 'late' && record !== undefined) different.push(record)
  }
  if (heal) looked.healed = await publish(work, different, gone, read.count)
  return looked
}

function differenceOf(
  row: ProjectionRow | undefined,
  record: SourceRecord | undefined,
  before: string,
): Exclude<keyof Looked, 'healed'> {
  const stands = row !== undefined && ((row.revision > 0 && !row.deleted) || row.rejected !== null)
  if (record === undefined) return stands && row.readOrder < before ? 'deleted' : 'late'
  if (!stands) return 'missing'
  const print = fingerprintOf(record)
  return row.rejected === print || (row.rejected === null && row.sourceFingerprint === print)
    ? 'late'
    : 'changed'
}

async function publish(
  work: Work,
  different: readonly SourceRecord[],
  gone: readonly ProjectionRow[],
  count: string,
): Promise<number> {
  if (different.length + gone.length === 0) return 0
  const { lane, options, run } = work
  const view = new View(lane.projection)
  const found = await decideBatch(work, different, count, view)
  countBatch(work, different.length, found)
  const living = gone.filter((row) => row.revision > 0 && !row.deleted)
  const known = await dataInLog(work, living)
  const { mapping } = options
  const findings = [
    ...found.findings,
    ...living.map((row) => deletion(row, count, view, { known, origin: run.origin, mapping })),
  ]
  for (const row of gone) settleReject(view, row.sourceKey)
  const { rejections } = found
  const change = { findings, rejections, marks: [], extra: [], record: lane.record, view }
  await commit(options, lane, change, work.signal)
  return findings.length
}
