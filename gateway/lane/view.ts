import type { Projection, ProjectionRow } from '../ports.ts'
import { tellsVersion } from './read-order.ts'
import { emptyRow } from './rebuild.ts'

/** Prefix of the source key under which a record key lives on after its source key went over to another one. */
const MOVED = '\u0001'

/**
 * The projection as it will be when the batch under way is committed: what detection has decided lies over what is
 * stored. Nothing reaches the projection before the commit is known; a lost batch is a dropped view.
 */
export class View {
  readonly #projection: Projection
  readonly #rows = new Map<string, ProjectionRow | null>()
  readonly #owners = new Map<string, string | null>()
  readonly #foreign = new Set<string>()
  readonly #changed = new Set<string>()
  /** Source keys of which a version was rejected, in what is stored or in this batch. */
  readonly #rejected = new Set<string>()

  constructor(projection: Projection) {
    this.#projection = projection
  }

  /** Loads what will be asked for, in one go per table. */
  preload(sourceKeys: readonly string[], recordKeys: readonly string[]): void {
    const keys = sourceKeys.filter((key) => !this.#rows.has(key))
    const rows = this.#projection.rows(keys)
    for (const key of keys) this.#remember(key, rows.get(key) ?? null)
    const unknown = recordKeys.filter((key) => !this.#owners.has(key))
    const owners = this.#projection.owners(unknown)
    for (const key of unknown) {
      const row = owners.get(key)
      if (row === undefined) this.#owners.set(key, null)
      else if (!this.#rows.has(row.sourceKey)) this.#remember(row.sourceKey, row)
    }
    for (const key of this.#projection.foreign(unknown)) this.#foreign.add(key)
  }

  row(sourceKey: string): ProjectionRow | null {
    if (!this.#rows.has(sourceKey)) this.preload([sourceKey], [])
    return this.#rows.get(sourceKey) ?? null
  }

  owner(recordKey: string): ProjectionRow | null {
    if (!this.#owners.has(recordKey)) this.preload([], [recordKey])
    const sourceKey = this.#owners.get(recordKey) ?? null
    return sourceKey === null ? null : this.row(sourceKey)
  }

  isForeign(recordKey: string): boolean {
    return this.#foreign.has(recordKey)
  }

  put(row: ProjectionRow): void {
    this.#release(row.sourceKey)
    this.#remember(row.sourceKey, row)
    this.#changed.add(row.sourceKey)
  }

  forget(sourceKey: string): void {
    this.#release(sourceKey)
    this.#rows.set(sourceKey, null)
    this.#changed.add(sourceKey)
  }

  /**
   * Frees the record key of a row for another source key. Where versions of rows are told apart, what was seen of this
   * one is remembered: an older version that comes late must not be taken for a new record.
   */
  letGo(row: ProjectionRow): void {
    if (!tellsVersion(row.readOrder) || row.sourceKey.startsWith(MOVED)) this.forget(row.sourceKey)
    else this.put({ ...emptyRow(row.sourceKey), readOrder: row.readOrder })
  }

  /** Keeps the record key's counter under a key of its own, since its source key now means another record. */
  moveAway(row: ProjectionRow): void {
    this.forget(row.sourceKey)
    this.moveIn(row)
  }

  /** Puts a row that has no claim to its source key. */
  moveIn(row: ProjectionRow): void {
    this.put({ ...row, sourceKey: MOVED + row.recordKey, deleted: true, rejected: null })
  }

  /** What the projection must take over, once the commit is known. */
  changes(): { rows: ProjectionRow[]; forgotten: string[] } {
    const rows: ProjectionRow[] = []
    const forgotten: string[] = []
    for (const key of this.#changed) {
      const row = this.#rows.get(key) ?? null
      if (row === null) forgotten.push(key)
      else rows.push(row)
    }
    return { rows, forgotten }
  }

  /** Source keys of which a version was rejected and now none is: understood, or gone. */
  settled(): readonly string[] {
    return [...this.#rejected].filter((key) => (this.#rows.get(key)?.rejected ?? null) === null)
  }

  #remember(sourceKey: string, row: ProjectionRow | null): void {
    this.#rows.set(sourceKey, row)
    if (row !== null && row.rejected !== null) this.#rejected.add(sourceKey)
    if (row !== null && row.recordKey !== '') this.#owners.set(row.recordKey, sourceKey)
  }

  #release(sourceKey: string): void {
    const old = this.#rows.get(sourceKey) ?? null
    if (old !== null && this.#owners.get(old.recordKey) === sourceKey) this.#owners.set(old.recordKey, null)
  }
}
