import { join } from 'node:path'
import {
  type Applied,
  type Projection,
  type ProjectionChange,
  type ProjectionCount,
  ProjectionError,
  type ProjectionRow,
  type Projections,
} from '../ports.ts'
import { type Entry, Key, KIND, type Kind, Reader, writeCount } from './projection-entry.ts'
import { RowCodec, standingOf } from './projection-row.ts'
import { folderStore, memoryStore, type Store } from './projection-store.ts'
import { Table } from './projection-table.ts'

/** Bytes that are gathered in memory before they are written, and that a crash makes the next start read from the log. */
const GATHERED_BYTES_MAX = 4_000_000

/** Changes after which what is gathered is written, however little it is: a start must not read a week of the log. */
const GATHERED_CHANGES_MAX = 256

/** Rows that are kept from being asked for to being changed: more than a batch has. */
const ASKED_MAX = 20_000

export type ProjectionOptions = Readonly<{ gatheredBytesMax?: number }>

/**
 * Projections on disk, a folder for each lane. They are disposable, so they are written without fsync and in bulk; what
 * makes that safe are digests over every byte, compared at each opening. What does not fit them (torn, altered, of
 * another version) opens as empty and is rebuilt from the log.
 */
export function createProjections(folder: string, options: ProjectionOptions = {}): Projections {
  return {
    open: (lane) => new StoredProjection(folderStore(join(folder, encodeURIComponent(lane))), options),
  }
}

/** A projection in memory: for tests, and for verbs that must leave nothing behind. */
export function createMemoryProjection(options: ProjectionOptions = {}): Projection {
  return new StoredProjection(memoryStore(), options)
}

type State = {
  applied: Applied | null
  pass: string
  passBatches: number
  /** Of the pass: rises with each, so that what an earlier one named counts for nothing. */
  passNumber: number
  live: number
  deleted: number
  rejected: number
  /** Record keys of other lanes. */
  foreign: number
  highest: string | null
}

const EMPTY_STATE: State = {
  applied: null,
  pass: '',
  passBatches: 0,
  passNumber: 0,
  live: 0,
  deleted: 0,
  rejected: 0,
  foreign: 0,
  highest: null,
}

/** What is saved beside the table. */
type Saved = Readonly<{ state: State; words: readonly string[] }>

class StoredProjection implements Projection {
  readonly #table: Table
  readonly #gatheredBytesMax: number
  readonly #key = new Key()
  readonly #number = Buffer.alloc(9)
  #codec: RowCodec
  #state: State
  #changes = 0
  /** While a change is put: what fails then leaves something that must not be saved. */
  #isHalf = false
  /** Rows that were asked for since the last change: whoever changes rows asks for them first. */
  readonly #asked = new Map<string, ProjectionRow | null>()

  constructor(store: Store, { gatheredBytesMax = GATHERED_BYTES_MAX }: ProjectionOptions) {
    const { table, state } = Table.open(store)
    const saved = state as Saved | null
    this.#table = table
    this.#gatheredBytesMax = gatheredBytesMax
    this.#codec = new RowCodec(saved?.words ?? [])
    this.#state = saved?.state ?? EMPTY_STATE
  }

  applied(): Applied | null {
    return this.#state.applied
  }

  rows(sourceKeys: readonly string[]): ReadonlyMap<string, ProjectionRow> {
    const found = new Map<string, ProjectionRow>()
    for (const key of sourceKeys) {
      const row = this.#row(key)
      if (row !== null) found.set(key, row)
    }
    return found
  }

  owners(recordKeys: readonly string[]): ReadonlyMap<string, ProjectionRow> {
    const found = new Map<string, ProjectionRow>()
    for (const key of recordKeys) {
      const row = this.#owner(key)
      if (row !== null) found.set(key, row)
    }
    return found
  }

  foreign(recordKeys: readonly string[]): ReadonlySet<string> {
    if (this.#state.foreign === 0) return new Set()
    return new Set(recordKeys.filter((key) => this.#get(KIND.foreign, key) !== null))
  }

  contested(limit: number): readonly string[] {
    const found: string[] = []
    if (this.#state.foreign === 0) return found
    this.#table.scan(0, (entry) => {
      if (entry.kind === KIND.foreign && this.#owner(entry.text) !== null) found.push(entry.text)
      return found.length < limit
    })
    return found
  }

  highestReadOrder(): string | null {
    return this.#state.highest
  }

  passBatches(pass: string): number {
    return this.#state.pass === pass ? this.#state.passBatches : 0
  }

  unseen(before: string, after: string | null, limit: number): readonly ProjectionRow[] {
    return this.#select(after, limit, (row, isSeen) => !isSeen && row.readOrder < before)
  }

  standing(after: string | null, limit: number): readonly ProjectionRow[] {
    return this.#select(after, limit, () => true)
  }

  rejected(after: string | null, limit: number): readonly ProjectionRow[] {
    return this.#select(after, limit, (row) => row.rejected !== null)
  }

  count(): ProjectionCount {
    const { live, deleted, rejected } = this.#state
    return { live, deleted, rejected }
  }

  apply(change: ProjectionChange): void {
    if (this.#table.gatheredBytes > this.#gatheredBytesMax || this.#changes >= GATHERED_CHANGES_MAX) {
      this.#save()
    }
    this.#refuseSharedKeys(change)
    const next = { ...this.#state }
    this.#isHalf = true
    this.#name(change, next)
    for (const key of change.forgotten ?? []) {
      tally(next, this.#row(key), -1)
      this.#table.put(this.#key.set(KIND.row, key), null)
      this.#asked.set(key, null)
    }
    for (const row of change.rows) this.#put(row, next)
    for (const key of change.foreign ?? []) {
      if (this.#get(KIND.foreign, key) !== null) continue
      this.#table.put(this.#key, NOTHING)
      next.foreign += 1
    }
    if (change.applied !== null) next.applied = change.applied
    this.#state = next
    this.#isHalf = false
    this.#changes += 1
    this.#asked.clear()
  }

  reset(): void {
    this.#table.reset()
    this.#codec = new RowCodec([])
    this.#state = EMPTY_STATE
    this.#changes = 0
    this.#isHalf = false
    this.#asked.clear()
  }

  close(): void {
    try {
      if (this.#changes > 0) this.#save()
    } catch (error) {
      // What is gathered stands in the log; the next start reads it there.
      if (!(error instanceof ProjectionError)) throw error
    }
    this.#table.close()
  }

  #save(): void {
    if (this.#isHalf) throw new ProjectionError('A change of the projection was interrupted.')
    const { passNumber } = this.#state
    const saved: Saved = { state: this.#state, words: this.#codec.words() }
    this.#table.save(saved, (entry) => entry.kind === KIND.seen && numberIn(entry) !== passNumber)
    this.#changes = 0
  }

  #get(kind: Kind, text: string): Entry | null {
    return this.#table.get(this.#key.set(kind, text))
  }

  #row(sourceKey: string): ProjectionRow | null {
    const asked = this.#asked.get(sourceKey)
    if (asked !== undefined) return asked
    const entry = this.#get(KIND.row, sourceKey)
    const row = entry === null ? null : this.#codec.decode(entry)
    if (this.#asked.size >= ASKED_MAX) this.#asked.clear()
    this.#asked.set(sourceKey, row)
    return row
  }

  /** The row that holds a record key. That some row held it is no proof: it may have let it go since. */
  #owner(recordKey: string): ProjectionRow | null {
    const entry = this.#get(KIND.owner, recordKey)
    if (entry === null) return null
    const row = this.#row(entry.bytes.toString('utf8', entry.valueStart, entry.end))
    return row?.recordKey === recordKey ? row : null
  }

  /** Throws where a record key would have two rows, before anything is written. */
  #refuseSharedKeys({ rows, forgotten = [] }: ProjectionChange): void {
    const after = new Map<string, string | null>(forgotten.map((key) => [key, null]))
    for (const { sourceKey, recordKey } of rows) after.set(sourceKey, recordKey)
    const claimed = new Map<string, string>()
    for (const { sourceKey, recordKey } of rows) {
      if (recordKey === '' || this.#row(sourceKey)?.recordKey === recordKey) continue
      const holder = this.#owner(recordKey)?.sourceKey ?? sourceKey
      const isHeld = holder !== sourceKey && (!after.has(holder) || after.get(holder) === recordKey)
      if (!isHeld && !claimed.has(recordKey)) claimed.set(recordKey, sourceKey)
      else throw new Error(`Record ${recordKey} would have two rows, ${holder} and ${sourceKey}.`)
    }
  }

  #put(row: ProjectionRow, next: State): void {
    const { sourceKey, recordKey } = row
    const old = this.#row(sourceKey)
    tally(next, old, -1)
    tally(next, row, 1)
    if (next.highest === null || row.readOrder > next.highest) next.highest = row.readOrder
    this.#table.put(this.#key.set(KIND.row, sourceKey), this.#codec.encode(row))
    if (recordKey !== '' && recordKey !== old?.recordKey) {
      this.#table.put(this.#key.set(KIND.owner, recordKey), Buffer.from(sourceKey))
    }
    this.#asked.set(sourceKey, row)
  }

  /** Notes the keys that a pass named. */
  #name({ seen }: ProjectionChange, next: State): void {
    if (seen === undefined) return
    if (seen.batch === 1) next.passNumber += 1
    next.pass = seen.pass
    next.passBatches = seen.batch
    const number = this.#number.subarray(0, writeCount(this.#number, 0, next.passNumber))
    for (const key of seen.keys) this.#table.put(this.#key.set(KIND.seen, key), number)
  }

  /** Rows, living or with a reject, behind a source key in the order of hashes, and of texts where two have the same. */
  #select(
    after: string | null,
    limit: number,
    isMeant: (row: ProjectionRow, isSeen: boolean) => boolean,
  ): readonly ProjectionRow[] {
    const from = after === null ? 0 : this.#key.set(KIND.row, after).hash
    const found: ProjectionRow[] = []
    let group: ProjectionRow[] = []
    const seen = new Set<string>()
    const endGroup = (hash: number) => {
      const behind = hash === from && after !== null ? after : ''
      const rows = group.filter((row) => row.sourceKey > behind && isMeant(row, seen.has(row.sourceKey)))
      found.push(...rows.sort((a, b) => (a.sourceKey < b.sourceKey ? -1 : 1)))
      group = []
      seen.clear()
    }
    let hash = from
    this.#table.scan(from, (entry) => {
      if (entry.hash !== hash) {
        endGroup(hash)
        hash = entry.hash
        if (found.length >= limit) return false
      }
      if (entry.kind === KIND.seen && numberIn(entry) === this.#state.passNumber) seen.add(entry.text)
      if (entry.kind !== KIND.row) return true
      const { isLive, isRejected } = standingOf(entry)
      if (isLive || isRejected) group.push(this.#codec.decode(entry))
      return true
    })
    endGroup(hash)
    return found.slice(0, limit)
  }
}

const NOTHING = new Uint8Array()

/** The number of a pass, which is the value of a key that it named. */
function numberIn(entry: Entry): number {
  return new Reader(entry.bytes, entry.valueStart).count()
}

function tally(state: State, row: ProjectionRow | null, by: 1 | -1): void {
  if (row === null) return
  if (row.revision > 0 && row.deleted) state.deleted += by
  if (row.revision > 0 && !row.deleted) state.live += by
  if (row.rejected !== null) state.rejected += by
}
