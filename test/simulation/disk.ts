import type {
  Applied,
  Projection,
  ProjectionChange,
  ProjectionCount,
  ProjectionRow,
  Projections,
} from '../../gateway/ports.ts'

/** What one lane's projection holds, as it lies on the disk. */
type Stored = {
  rows: Map<string, ProjectionRow>
  /** Source key of the row that holds a record key. */
  owners: Map<string, string>
  foreign: Set<string>
  seen: Set<string>
  /** Of all rows that ever were. */
  highest: string | null
  applied: Applied | null
  pass: Readonly<{ id: string; batches: number }> | null
}

/**
 * Where projections lie: they outlive incarnations, and things happen to them while nobody runs. Each change of a
 * projection is one step, as in SQLite; what it opens is what was there last.
 */
export type Disk = Readonly<{
  projections: Projections
  /** All rows of a lane's projection. */
  rows(lane: string): readonly ProjectionRow[]
  /** Another disk with the same contents, for another machine. */
  copy(): Disk
  /** Removed, or altered from outside: what is not sealed by the gateway opens as empty. */
  lose(lane: string): void
  /** What a backup of now will later bring back, as old as it is then. */
  backup(lane: string): () => void
  /** The projection of a log that went on further than this one. */
  moveAhead(lane: string, by: number): void
}>

export function createDisk(from: ReadonlyMap<string, Stored> = new Map()): Disk {
  const files = new Map([...from].map(([lane, stored]) => [lane, copyOf(stored)]))
  const file = (lane: string) => {
    const found = files.get(lane) ?? emptyFile()
    files.set(lane, found)
    return found
  }
  return {
    projections: {
      open: (lane) =>
        openProjection(
          () => file(lane),
          (stored) => files.set(lane, stored),
        ),
    },
    rows: (lane) => [...file(lane).rows.values()],
    copy: () => createDisk(files),
    lose: (lane) => void files.delete(lane),
    backup(lane) {
      const kept = copyOf(file(lane))
      return () => void files.set(lane, copyOf(kept))
    },
    moveAhead(lane, by) {
      const { applied } = file(lane)
      if (applied === null) return
      const moved = Object.entries(applied.positions).map(([place, position]) => [place, position + by])
      file(lane).applied = { ...applied, positions: Object.fromEntries(moved) }
    },
  }
}

function emptyFile(): Stored {
  return {
    rows: new Map(),
    owners: new Map(),
    foreign: new Set(),
    seen: new Set(),
    highest: null,
    applied: null,
    pass: null,
  }
}

function copyOf(stored: Stored): Stored {
  return {
    ...stored,
    rows: new Map(stored.rows),
    owners: new Map(stored.owners),
    foreign: new Set(stored.foreign),
    seen: new Set(stored.seen),
  }
}

function openProjection(stored: () => Stored, replace: (stored: Stored) => void): Projection {
  const sorted = (test: (row: ProjectionRow) => boolean, after: string | null, limit: number) =>
    [...stored().rows.values()]
      .filter((row) => row.sourceKey > (after ?? '') && test(row))
      .sort((left, right) => (left.sourceKey < right.sourceKey ? -1 : 1))
      .slice(0, limit)
  return {
    applied: () => stored().applied,
    rows: (sourceKeys) => new Map(sourceKeys.flatMap((key) => pair(key, stored().rows.get(key)))),
    owners: (recordKeys) =>
      new Map(recordKeys.flatMap((key) => pair(key, stored().rows.get(stored().owners.get(key) ?? '')))),
    foreign: (recordKeys) => new Set(recordKeys.filter((key) => stored().foreign.has(key))),
    contested: (limit) =>
      [...stored().rows.values()]
        .map((row) => row.recordKey)
        .filter((key) => stored().foreign.has(key))
        .sort()
        .slice(0, limit),
    highestReadOrder: () => stored().highest,
    apply: (change) => replace(changed(stored(), change)),
    passBatches: (pass) => (stored().pass?.id === pass ? (stored().pass?.batches ?? 0) : 0),
    unseen: (before, after, limit) =>
      sorted(
        (row) =>
          ((!row.deleted && row.revision > 0) || row.rejected !== null) &&
          row.readOrder < before &&
          !stored().seen.has(row.sourceKey),
        after,
        limit,
      ),
    standing: (after, limit) =>
      sorted((row) => (!row.deleted && row.revision > 0) || row.rejected !== null, after, limit),
    rejected: (after, limit) => sorted((row) => row.rejected !== null, after, limit),
    count: () => count([...stored().rows.values()]),
    reset: () => replace(emptyFile()),
    close: () => {},
  }
}

function pair(key: string, row: ProjectionRow | undefined): [string, ProjectionRow][] {
  return row === undefined ? [] : [[key, row]]
}

function changed(before: Stored, change: ProjectionChange): Stored {
  const { seen } = change
  const after = seen === undefined ? before : { ...before, ...seenAfter(before, seen) }
  for (const key of change.forgotten ?? []) forget(after, key)
  // A record key may go from one row to another within a change: all are let go before any is taken.
  for (const { sourceKey } of change.rows) forget(after, sourceKey)
  for (const row of change.rows) {
    const owner = after.owners.get(row.recordKey)
    if (owner !== undefined)
      throw new Error(`Record ${row.recordKey} would have two rows, ${owner} and ${row.sourceKey}.`)
    after.rows.set(row.sourceKey, row)
    if (after.highest === null || row.readOrder > after.highest) after.highest = row.readOrder
    if (row.recordKey !== '') after.owners.set(row.recordKey, row.sourceKey)
  }
  for (const key of change.foreign ?? []) after.foreign.add(key)
  if (change.applied !== null) after.applied = change.applied
  return after
}

function forget(stored: Stored, sourceKey: string): void {
  const row = stored.rows.get(sourceKey)
  if (row === undefined) return
  stored.rows.delete(sourceKey)
  stored.owners.delete(row.recordKey)
}

function seenAfter(
  before: Stored,
  { pass, batch, keys }: NonNullable<ProjectionChange['seen']>,
): Pick<Stored, 'seen' | 'pass'> {
  const seen = batch === 1 ? new Set<string>() : before.seen
  for (const key of keys) seen.add(key)
  return { seen, pass: { id: pass, batches: batch } }
}

function count(rows: readonly ProjectionRow[]): ProjectionCount {
  const published = rows.filter(({ revision }) => revision > 0)
  const live = published.filter(({ deleted }) => !deleted).length
  return {
    live,
    deleted: published.length - live,
    rejected: rows.filter(({ rejected }) => rejected !== null).length,
  }
}
