import type { Event } from '../event.ts'
import { digestsOf } from '../identity.ts'
import type { ProjectionRow } from '../ports.ts'
import type { View } from './view.ts'

/** Where an event stands in the log, and under which record key. */
export type EventPlace = Readonly<{ recordKey: string; partition: number; offset: number }>

/**
 * Lets one event of this lane take effect on the projection. Events of one record key come in order; those of different
 * keys in any, since they may stand in different partitions. Applying an event twice changes nothing.
 */
export function applyEvent(view: View, event: Event, place: EventPlace, volatile: readonly string[]): void {
  const owner = view.owner(place.recordKey)
  if (owner !== null && owner.revision >= event.revision) return
  const row = rowOf(event, place, volatile)
  if (owner !== null && owner.sourceKey !== row.sourceKey) view.forget(owner.sourceKey)
  const current = view.row(row.sourceKey)
  const isShared = current !== null && current.recordKey !== '' && current.recordKey !== row.recordKey
  if (!isShared) {
    const rejected = current !== null && current.readOrder > row.readOrder ? current.rejected : null
    view.put({ ...row, rejected })
  } else if (keepsSourceKey(current, row)) {
    view.moveIn(row)
  } else {
    view.moveAway(current)
    view.put(row)
  }
}

/**
 * Lets a rejected version be remembered, so that it is not written again. Where a later event shows that the key has
 * been understood since, nothing is left of it.
 */
export function applyReject(
  view: View,
  reject: Readonly<{ sourceKey: string; fingerprint: string; readOrder: string }>,
): void {
  const current = view.row(reject.sourceKey)
  if (current !== null && current.readOrder >= reject.readOrder) return
  view.put({
    ...(current ?? emptyRow(reject.sourceKey)),
    rejected: reject.fingerprint,
    readOrder: reject.readOrder,
  })
}

/** Lets a rejected version be forgotten, and all of a row that had nothing else. */
export function settleReject(view: View, sourceKey: string): void {
  const row = view.row(sourceKey)
  if (row === null || row.rejected === null) return
  if (row.revision === 0) view.forget(sourceKey)
  else view.put({ ...row, rejected: null })
}

/** Prefix of the source key under which something unreadable without a key of its own is remembered. */
const KEYLESS = '\u0002'

/** A source key for what has none: where it was met, and what it was. */
export function keylessKey(where: string, print: string): string {
  return `${KEYLESS}${where} ${print}`
}

/** Whether a source key is one of ours, for something that the source gave none. */
export function isKeyless(sourceKey: string): boolean {
  return sourceKey.startsWith(KEYLESS)
}

/** The row of a key that was never published. */
export function emptyRow(sourceKey: string): ProjectionRow {
  return {
    sourceKey,
    recordKey: '',
    revision: 0,
    contentHash: '',
    fieldDigests: '',
    sourceFingerprint: '',
    readOrder: '',
    mappingVersion: '',
    deleted: false,
    rejected: null,
    partition: 0,
    offset: 0,
  }
}

/** One source key, two record keys: the living one keeps it, or the one that was read later. */
function keepsSourceKey(current: ProjectionRow, other: ProjectionRow): boolean {
  if (current.deleted !== other.deleted) return other.deleted
  return current.readOrder >= other.readOrder
}

function rowOf(event: Event, place: EventPlace, volatile: readonly string[]): ProjectionRow {
  const deleted = event.type.endsWith('.deleted.v1')
  return {
    sourceKey: event.sourcekey,
    recordKey: place.recordKey,
    revision: event.revision,
    contentHash: event.contenthash,
    fieldDigests: digestsOf(event.data, deleted ? [] : volatile).fieldDigests,
    sourceFingerprint: event.sourcefingerprint,
    readOrder: event.readorder,
    mappingVersion: event.mappingversion,
    deleted,
    rejected: null,
    partition: place.partition,
    offset: place.offset,
  }
}
