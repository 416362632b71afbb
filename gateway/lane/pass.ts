import type { Batch } from '../../adapters/contract.ts'
import type { ProjectionChange, ProjectionRow } from '../ports.ts'
import { fuseBlown } from './batch.ts'
import { commit } from './commit.ts'
import type { CursorRecord, PassState } from './cursor-record.ts'
import { deletion } from './detect.ts'
import { fuseLimit } from './fuses.ts'
import { dataInLog } from './identity-data.ts'
import { laneName } from './lane-options.ts'
import type { OpenLane } from './open.ts'
import { isKeyless, settleReject } from './rebuild.ts'
import { View } from './view.ts'
import { type Work, withRun } from './work.ts'

/** Rows that are looked up, or deleted, in one step. */
const PAGE_ROWS = 500

/**
 * The pass that this batch belongs to, one batch further on; null for a batch of none, and for a pass that was not seen
 * to begin: it proves nothing.
 */
export function followPass(batch: Batch, count: string, before: CursorRecord): PassState | null {
  const { pass } = batch
  if (pass === undefined) return before.pass
  const isBlind = batch.unreadable.some(({ key }) => key === null)
  if (pass.begins) return { id: pass.id, order: count, batches: 1, from: before.cursor, isBlind }
  if (before.pass?.id !== pass.id) return null
  return { ...before.pass, batches: before.pass.batches + 1, isBlind: before.pass.isBlind || isBlind }
}

/** A pass whose named keys are not all in the projection is begun again: a key that was named must not look gone. */
export function restorePass(lane: OpenLane): void {
  const { pass } = lane.record
  if (pass === null || lane.projection.passBatches(pass.id) >= pass.batches) return
  lane.record = { ...lane.record, cursor: pass.from, pass: null }
}

/** The keys that a batch names for its pass. What cannot be read is there all the same. */
export function seenIn(batch: Batch, pass: PassState): NonNullable<ProjectionChange['seen']> {
  const keys = [...batch.records.map((record) => record.key), ...(batch.unchanged ?? [])]
  for (const { key } of batch.unreadable) if (key !== null) keys.push(key)
  return { pass: pass.id, batch: pass.batches, keys }
}

/**
 * Publishes the deletions that a complete pass shows: rows older than its start that it did not name and that, where
 * the source can read single rows, a point read does not find either. Rejects of such rows are settled. All are looked
 * up and counted before the first is published. The cursor stays before the end of the pass meanwhile, so a crash finds the rest again. False when
 * somebody waits for the lane: the rest is for the next run.
 */
export async function endPass(work: Work, pass: PassState, mustYield: () => boolean): Promise<boolean> {
  const { lane, run, options } = work
  if (pass.isBlind) {
    const { logger } = options.ports
    logger.warn('A pass met a record whose key could not be read; it deletes nothing.', {
      lane: laneName(options),
    })
    return true
  }
  const fuse = options.feed.fuse.deleted
  const isFree = fuse === null || lane.record.allowances.includes('FUSE_BLOWN')
  if (isFree) {
    for await (const rows of missingRows(work, pass)) {
      await publishMissing(work, rows)
      if (mustYield()) return false
    }
    return true
  }
  const limit = fuseLimit(fuse, run.known)
  const gone: string[] = []
  const first: string[] = []
  let count = run.counts.deleted
  for await (const rows of missingRows(work, pass)) {
    for (const row of rows) gone.push(row.sourceKey)
    const living = rows.filter(isLiving)
    count += living.length
    if (first.length < PAGE_ROWS) for (const row of living) first.push(row.recordKey)
    if (count > limit) throw fuseBlown({ kind: 'deleted', count, limit }, run.known, first)
  }
  for (let start = 0; start < gone.length; start += PAGE_ROWS) {
    const rows = lane.projection.rows(gone.slice(start, start + PAGE_ROWS))
    await publishMissing(work, [...rows.values()])
    if (mustYield()) return false
  }
  return true
}

async function* missingRows(work: Work, pass: PassState): AsyncGenerator<readonly ProjectionRow[]> {
  let after: string | null = null
  while (true) {
    const rows: readonly ProjectionRow[] = work.lane.projection.unseen(pass.order, after, PAGE_ROWS)
    const last = rows.at(-1)
    if (last === undefined) return
    after = last.sourceKey
    const keys = rows.map((row) => row.sourceKey).filter((key) => !isKeyless(key))
    const read = await work.source.read(keys)
    if (read === null) yield rows
    else {
      const there = new Set(read.records.map((record) => record.key))
      yield rows.filter((row) => !there.has(row.sourceKey))
    }
  }
}

function isLiving(row: ProjectionRow): boolean {
  return row.revision > 0 && !row.deleted
}

/** Says of these rows that they are gone: the living are deleted, of others a reject is settled. */
async function publishMissing(work: Work, rows: readonly ProjectionRow[]): Promise<void> {
  if (rows.length === 0) return
  const { lane, options, run } = work
  const view = new View(lane.projection)
  const living = rows.filter(isLiving)
  const known = await dataInLog(work, living)
  const count = work.source.nextCount()
  const { mapping } = options
  const findings = living.map((row) => deletion(row, count, view, { known, origin: run.origin, mapping }))
  for (const row of rows) settleReject(view, row.sourceKey)
  run.counts.deleted += findings.length
  const record = withRun(work, lane.record)
  await commit(options, lane, { findings, rejections: [], marks: [], extra: [], record, view }, work.signal)
}
