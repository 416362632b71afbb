import { hash } from 'node:crypto'
import type { ProjectionRow } from '../ports.ts'

/** 64 bits over a set of entries: order does not matter, and adding an entry twice removes it, so sets change one by one. */
export type Seal = readonly [number, number]

export const EMPTY_SEAL: Seal = [0, 0]

export function combine(a: Seal, b: Seal): Seal {
  return [a[0] ^ b[0], a[1] ^ b[1]]
}

export function isSame(a: Seal, b: Seal): boolean {
  return a[0] === b[0] && a[1] === b[1]
}

export function rowSeal(row: ProjectionRow): Seal {
  return sealOf([
    row.sourceKey,
    row.recordKey,
    row.revision,
    row.contentHash,
    row.fieldDigests,
    row.sourceFingerprint,
    row.readOrder,
    row.mappingVersion,
    row.deleted,
    row.rejected,
    row.partition,
    row.offset,
  ])
}

/** Of a key that one of the side tables holds. */
export function keySeal(table: 'seen' | 'foreign', key: string): Seal {
  return sealOf([table, key])
}

function sealOf(entry: readonly unknown[]): Seal {
  const digest = hash('sha1', JSON.stringify(entry), 'buffer')
  return [digest.readInt32LE(0), digest.readInt32LE(4)]
}
