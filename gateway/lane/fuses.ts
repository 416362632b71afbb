import type { Fuse, Fuses } from '../config/model.ts'
import type { Action } from '../event.ts'

/** What one run has published, and against what it is measured. */
export type RunCounts = { read: number; created: number; changed: number; deleted: number; rejected: number }

export function newRunCounts(): RunCounts {
  return { read: 0, created: 0, changed: 0, deleted: 0, rejected: 0 }
}

/** The most that a fuse lets through where `known` rows are known. */
export function fuseLimit(fuse: Fuse, known: number): number {
  return Math.max(fuse.atLeast, Math.floor((known * fuse.percent) / 100))
}

/** The first kind of change that is over its fuse, or null. */
export function blownFuse(
  fuses: Fuses,
  counts: RunCounts,
  known: number,
): Readonly<{ kind: Action; count: number; limit: number }> | null {
  for (const kind of ['deleted', 'changed', 'created'] as const) {
    const fuse = fuses[kind]
    if (fuse === null) continue
    const limit = fuseLimit(fuse, known)
    if (counts[kind] > limit) return { kind, count: counts[kind], limit }
  }
  return null
}

/** Whether too much of what was read could not be understood: a bad rate, not a bad record. */
export function rejectsTooMany(fuse: Fuse, counts: RunCounts): boolean {
  return counts.rejected > fuseLimit(fuse, counts.read)
}
