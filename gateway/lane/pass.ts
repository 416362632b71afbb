import type { Batch, Cursor } from '../../adapters/contract.ts'
import type { ProjectionChange, ProjectionRow } from '../ports.ts'
import { fuseBlown } from './batch.ts'
import { type Change, commit } from './commit.ts'
import type { PassState } from './cursor-record.ts'
import { deletion } from './detect.ts'
import { fuseLimit } from './fuses.ts'
import { dataInLog } from './identity-data.ts'
import { View } from './view.ts'
import type { Work } from './work.ts'

/** Rows that are looked up, or deleted, in one step. */
const PAGE_ROWS = 500

/**
 * The pass that this batch belongs to, one batch further on; null for a batch of none, and for a pass that was not seen
 * to begin: it proves nothing.
 */
export function followPass(
  batch: Batch,
  order: string,
  before: Readonly<{ pass: PassState | null; cursor: Cursor | null }>,
): PassState | null {
  const { pass } = batch
  if (pass === undefined) return before.pass
  if (pass.begins) return { id: pass.id, order, batches: 1, from: before.cursor }
  if (before.pass?.id !== pass.id) return null
  return { ...before.pass, batches: before.pass.batches + 1 }
}

/** The keys that a batch names for its pass. What cannot be read is there all the same. */
export function seenIn(batch: Batch, pass: PassState): NonNullable<ProjectionChange['seen']> {
  const keys = batch.records.map((record) => record.key)
  for (const { key } of batch.unreadable) if (key !== null) keys.push(key)
  return { pass: pass.id, batch: pass.batches, keys }
}

/**
 * Publishes the deletions that a complete pass shows: rows older than its start that it did not name and that, where
 * the source can read single rows, a point read does not find either. All are counted before the first is published.
 * The cursor stays before the end of the pass meanwhile, so a crash finds the rest again.
 */
export async function endPass(work: Work, pass: PassState): Promise<void> {
  const { lane, run } = work
  const fuse = work.options.feed.fuse.deleted
  const isGuarded = fuse !== null && lane.record.allowance !== 'FUSE_BLOWN'
  const limit = isGuarded ? fuseLimit(fuse, run.known) : Number.MAX_SAFE_INTEGER
  const canRead = await work.source.canRead()
  if (isGuarded) {
    const first: string[] = []
    let count = 0
    for await (const rows of missingRows(work, pass, canRead)) {
      count += rows.length
      first.push(...rows.slice(0, PAGE_ROWS).map((row) => row.recordKey))
      if (count > limit) throw fuseBlown({ kind: 'deleted', count, limit }, run.known, first)
    }
    if (count === 0) return
  }
  for await (const rows of missingRows(work, pass, canRead)) await publishDeletions(work, rows)
}

async function* missingRows(
  work: Work,
  pass: PassState,
  canRead: boolean,
): AsyncGenerator<readonly ProjectionRow[]> {
  let after: string | null = null
  while (true) {
    const rows: readonly ProjectionRow[] = work.lane.projection.unseen(pass.order, after, PAGE_ROWS)
    const last = rows.at(-1)
    if (last === undefined) return
    after = last.sourceKey
    if (!canRead) yield rows
    else {
      const missing = await work.source.missing(rows.map((row) => row.sourceKey))
      const gone = rows.filter((row) => missing.has(row.sourceKey))
      if (gone.length > 0) yield gone
    }
  }
}

async function publishDeletions(work: Work, rows: readonly ProjectionRow[]): Promise<void> {
  const view = new View(work.lane.projection)
  const known = await dataInLog(work, rows)
  const order = work.source.nextOrder()
  const findings = rows.map((row) =>
    deletion(row, order, view, { known, origin: work.run.origin, mapping: work.options.mapping }),
  )
  work.run.counts.deleted += findings.length
  const change: Change = { findings, rejections: [], marks: [], extra: [], record: work.lane.record, view }
  await commit(work.options, work.lane, change, work.signal)
}
