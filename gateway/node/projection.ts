import { hash } from 'node:crypto'
import { chmodSync, mkdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync, type SQLOutputValue, type StatementSync } from 'node:sqlite'
import type {
  Applied,
  Projection,
  ProjectionChange,
  ProjectionCount,
  ProjectionRow,
  Projections,
} from '../ports.ts'
import { combine, EMPTY_SEAL, isSame, keySeal, rowSeal, type Seal } from './projection-seal.ts'

/**
 * Projections as SQLite files, one per lane. They are disposable, so they are written without fsync; what makes that
 * safe is the seal: a digest over everything in it, checked whole at each opening. A file that does not fit its
 * seal (torn, altered, of another version) opens as empty and is rebuilt from the log.
 */
export function createSqliteProjections(folder: string): Projections {
  mkdirSync(folder, { recursive: true, mode: 0o700 })
  return { open: (lane) => openSealed(join(folder, `${encodeURIComponent(lane)}.sqlite`)) }
}

/** A projection in memory: for tests, and for verbs that must leave nothing behind. */
export function createMemoryProjection(): Projection {
  return new SqliteProjection(openDatabase(':memory:'), ':memory:')
}

const VERSION = 1

const SCHEMA = `
  CREATE TABLE IF NOT EXISTS row (
    source_key TEXT PRIMARY KEY, record_key TEXT UNIQUE, revision INTEGER NOT NULL, content_hash TEXT NOT NULL,
    field_digests TEXT NOT NULL, fingerprint TEXT NOT NULL, read_order TEXT NOT NULL,
    mapping TEXT NOT NULL, deleted INTEGER NOT NULL, rejected TEXT, partition INTEGER NOT NULL,
    offset INTEGER NOT NULL, seal_a INTEGER NOT NULL, seal_b INTEGER NOT NULL
  ) WITHOUT ROWID, STRICT;
  CREATE INDEX IF NOT EXISTS row_rejected ON row (source_key) WHERE rejected IS NOT NULL;
  CREATE TABLE IF NOT EXISTS foreign_key (record_key TEXT PRIMARY KEY) WITHOUT ROWID, STRICT;
  CREATE TABLE IF NOT EXISTS seen (source_key TEXT PRIMARY KEY) WITHOUT ROWID, STRICT;
  CREATE TABLE IF NOT EXISTS state (
    id INTEGER PRIMARY KEY CHECK (id = 1), version INTEGER NOT NULL, applied TEXT, pass TEXT NOT NULL,
    pass_batches INTEGER NOT NULL, live INTEGER NOT NULL, deleted INTEGER NOT NULL, rejected INTEGER NOT NULL,
    highest TEXT, seal_a INTEGER NOT NULL, seal_b INTEGER NOT NULL, seen_a INTEGER NOT NULL, seen_b INTEGER NOT NULL,
    state_seal TEXT NOT NULL
  ) STRICT;`

const COLUMNS =
  'source_key, record_key, revision, content_hash, field_digests, fingerprint, read_order, mapping, deleted, rejected, partition, offset'

const UPSERT = `INSERT INTO row VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?) ON CONFLICT (source_key) DO UPDATE SET
  record_key = excluded.record_key, revision = excluded.revision, content_hash = excluded.content_hash,
  field_digests = excluded.field_digests, fingerprint = excluded.fingerprint, read_order = excluded.read_order,
  mapping = excluded.mapping, deleted = excluded.deleted,
  rejected = excluded.rejected, partition = excluded.partition, offset = excluded.offset,
  seal_a = excluded.seal_a, seal_b = excluded.seal_b`

function openSealed(file: string): Projection {
  try {
    const projection = new SqliteProjection(openDatabase(file), file)
    if (projection.isSealed()) return projection
    projection.close()
  } catch (error) {
    if (isPassing(error)) throw error
    // Not a database, or one whose contents make no sense: it holds nothing that the log does not.
  }
  for (const suffix of ['', '-wal', '-shm']) rmSync(file + suffix, { force: true })
  return new SqliteProjection(openDatabase(file), file)
}

function openDatabase(file: string): DatabaseSync {
  const database = new DatabaseSync(file)
  if (file !== ':memory:') chmodSync(file, 0o600)
  database.exec(`PRAGMA journal_mode = WAL; PRAGMA synchronous = OFF; PRAGMA wal_autocheckpoint = 20000;
    PRAGMA cache_size = -32000; PRAGMA trusted_schema = OFF; ${SCHEMA}`)
  return database
}

/** Busy, locked, no memory, read-only, I/O error, full, cannot open: nothing is said about what the file holds. */
const PASSING_CODES = [5, 6, 7, 8, 10, 13, 14]

function isPassing(error: unknown): boolean {
  if (!(error instanceof Error) || !('errcode' in error)) return false
  return typeof error.errcode === 'number' && PASSING_CODES.includes(error.errcode & 0xff)
}

type State = {
  applied: Applied | null
  pass: string
  passBatches: number
  live: number
  deleted: number
  rejected: number
  highest: string | null
  /** Over the rows and the record keys of other lanes. */
  seal: Seal
  /** Over the keys that the pass named. */
  seenSeal: Seal
}

const EMPTY_STATE: State = {
  applied: null,
  pass: '',
  passBatches: 0,
  live: 0,
  deleted: 0,
  rejected: 0,
  highest: null,
  seal: EMPTY_SEAL,
  seenSeal: EMPTY_SEAL,
}

class SqliteProjection implements Projection {
  readonly #database: DatabaseSync
  readonly #file: string
  readonly #statements = new Map<string, StatementSync>()
  #state: State

  constructor(database: DatabaseSync, file: string) {
    this.#database = database
    this.#file = file
    this.#state = this.#readState()
  }

  /** Whether every row and the state are what was last written here. */
  isSealed(): boolean {
    if (this.#file === ':memory:') return true
    const stored = this.#prepare('SELECT state_seal, version FROM state').get()
    if (stored === undefined) return this.#prepare('SELECT 1 FROM row LIMIT 1').get() === undefined
    if (stored['version'] !== VERSION || stored['state_seal'] !== stateSeal(this.#state)) return false
    // The seal is taken over the tables; only this finds an index that does not say what they say.
    if (this.#prepare('PRAGMA integrity_check(1)').get()?.['integrity_check'] !== 'ok') return false
    let seal = EMPTY_SEAL
    for (const raw of this.#prepare(`SELECT ${COLUMNS} FROM row`).iterate()) {
      seal = combine(seal, rowSeal(toRow(raw)))
    }
    for (const raw of this.#prepare('SELECT record_key FROM foreign_key').iterate()) {
      seal = combine(seal, keySeal('foreign', String(raw['record_key'])))
    }
    let seen = EMPTY_SEAL
    for (const raw of this.#prepare('SELECT source_key FROM seen').iterate()) {
      seen = combine(seen, keySeal('seen', String(raw['source_key'])))
    }
    return isSame(seal, this.#state.seal) && isSame(seen, this.#state.seenSeal)
  }

  applied(): Applied | null {
    return this.#state.applied
  }

  rows(sourceKeys: readonly string[]): ReadonlyMap<string, ProjectionRow> {
    return this.#find(`SELECT ${COLUMNS} FROM row WHERE source_key = ?`, sourceKeys)
  }

  owners(recordKeys: readonly string[]): ReadonlyMap<string, ProjectionRow> {
    return this.#find(`SELECT ${COLUMNS} FROM row WHERE record_key = ?`, recordKeys)
  }

  foreign(recordKeys: readonly string[]): ReadonlySet<string> {
    const statement = this.#prepare('SELECT 1 FROM foreign_key WHERE record_key = ?')
    return new Set(recordKeys.filter((key) => statement.get(key) !== undefined))
  }

  contested(limit: number): readonly string[] {
    return this.#prepare(
      `SELECT foreign_key.record_key AS record_key FROM foreign_key JOIN row ON row.record_key = foreign_key.record_key LIMIT ?`,
    )
      .all(limit)
      .map((raw) => String(raw['record_key']))
  }

  highestReadOrder(): string | null {
    return this.#state.highest
  }

  passBatches(pass: string): number {
    return this.#state.pass === pass ? this.#state.passBatches : 0
  }

  unseen(before: string, after: string | null, limit: number): readonly ProjectionRow[] {
    return this.#prepare(
      `SELECT ${COLUMNS} FROM row WHERE source_key > ? AND (deleted = 0 AND revision > 0 OR rejected IS NOT NULL)
         AND read_order < ?
         AND NOT EXISTS (SELECT 1 FROM seen WHERE seen.source_key = row.source_key)
       ORDER BY source_key LIMIT ?`,
    )
      .all(after ?? '', before, limit)
      .map(toRow)
  }

  rejected(after: string | null, limit: number): readonly ProjectionRow[] {
    return this.#prepare(
      `SELECT ${COLUMNS} FROM row WHERE rejected IS NOT NULL AND source_key > ? ORDER BY source_key LIMIT ?`,
    )
      .all(after ?? '', limit)
      .map(toRow)
  }

  count(): ProjectionCount {
    const { live, deleted, rejected } = this.#state
    return { live, deleted, rejected }
  }

  apply(change: ProjectionChange): void {
    const next = { ...this.#state }
    this.#database.exec('BEGIN IMMEDIATE')
    try {
      this.#writeSeen(change, next)
      for (const key of change.forgotten ?? []) this.#remove(key, next)
      // In key order, or every row of a batch lands on another page of the tree.
      const rows = [...change.rows].sort((a, b) => (a.sourceKey < b.sourceKey ? -1 : 1))
      // A record key may go from one row to another within a batch: all are let go before any is taken.
      for (const row of rows) this.#releaseRecordKey(row)
      for (const row of rows) this.#upsert(row, next)
      const addForeign = this.#prepare('INSERT OR IGNORE INTO foreign_key VALUES (?)')
      for (const key of change.foreign ?? []) {
        if (addForeign.run(key).changes > 0) next.seal = combine(next.seal, keySeal('foreign', key))
      }
      if (change.applied !== null) next.applied = change.applied
      this.#writeState(next)
      this.#database.exec('COMMIT')
      this.#state = next
    } catch (error) {
      if (this.#database.isTransaction) this.#database.exec('ROLLBACK')
      throw error
    }
  }

  reset(): void {
    this.#database.exec(
      'BEGIN; DELETE FROM row; DELETE FROM foreign_key; DELETE FROM seen; DELETE FROM state; COMMIT',
    )
    this.#state = EMPTY_STATE
  }

  close(): void {
    this.#statements.clear()
    if (this.#database.isOpen) this.#database.close()
  }

  #writeSeen(change: ProjectionChange, next: State): void {
    const { seen } = change
    if (seen === undefined) return
    if (seen.batch === 1) {
      this.#database.exec('DELETE FROM seen')
      next.seenSeal = EMPTY_SEAL
    }
    const add = this.#prepare('INSERT OR IGNORE INTO seen VALUES (?)')
    for (const key of seen.keys) {
      if (add.run(key).changes > 0) next.seenSeal = combine(next.seenSeal, keySeal('seen', key))
    }
    next.pass = seen.pass
    next.passBatches = seen.batch
  }

  #remove(sourceKey: string, next: State): void {
    const [old] = this.rows([sourceKey]).values()
    if (old === undefined) return
    this.#prepare('DELETE FROM row WHERE source_key = ?').run(sourceKey)
    uncount(old, next)
  }

  #releaseRecordKey(row: ProjectionRow): void {
    this.#prepare(
      'UPDATE row SET record_key = NULL WHERE source_key = ? AND record_key IS NOT NULL AND record_key <> ?',
    ).run(row.sourceKey, row.recordKey)
  }

  #upsert(row: ProjectionRow, next: State): void {
    const old = this.#prepare(
      'SELECT seal_a, seal_b, revision, deleted, rejected FROM row WHERE source_key = ?',
    ).get(row.sourceKey)
    if (old !== undefined) {
      next.seal = combine(next.seal, [Number(old['seal_a']), Number(old['seal_b'])])
      tally(next, Number(old['revision']) > 0, old['deleted'] === 1, old['rejected'] !== null, -1)
    }
    const seal = rowSeal(row)
    next.seal = combine(next.seal, seal)
    tally(next, row.revision > 0, row.deleted, row.rejected !== null, 1)
    if (next.highest === null || row.readOrder > next.highest) next.highest = row.readOrder
    this.#prepare(UPSERT).run(
      row.sourceKey,
      row.recordKey === '' ? null : row.recordKey,
      row.revision,
      row.contentHash,
      row.fieldDigests,
      row.sourceFingerprint,
      row.readOrder,
      row.mappingVersion,
      row.deleted ? 1 : 0,
      row.rejected,
      row.partition,
      row.offset,
      seal[0],
      seal[1],
    )
  }

  #writeState(state: State): void {
    this.#prepare('INSERT OR REPLACE INTO state VALUES (1,?,?,?,?,?,?,?,?,?,?,?,?,?)').run(
      VERSION,
      state.applied === null ? null : JSON.stringify(state.applied),
      state.pass,
      state.passBatches,
      state.live,
      state.deleted,
      state.rejected,
      state.highest,
      state.seal[0],
      state.seal[1],
      state.seenSeal[0],
      state.seenSeal[1],
      stateSeal(state),
    )
  }

  #readState(): State {
    const raw = this.#prepare('SELECT * FROM state').get()
    if (raw === undefined) return EMPTY_STATE
    const applied = raw['applied']
    return {
      applied: typeof applied === 'string' ? (JSON.parse(applied) as Applied) : null,
      pass: String(raw['pass']),
      passBatches: Number(raw['pass_batches']),
      live: Number(raw['live']),
      deleted: Number(raw['deleted']),
      rejected: Number(raw['rejected']),
      highest: textOrNull(raw['highest']),
      seal: [Number(raw['seal_a']), Number(raw['seal_b'])],
      seenSeal: [Number(raw['seen_a']), Number(raw['seen_b'])],
    }
  }

  #find(sql: string, keys: readonly string[]): ReadonlyMap<string, ProjectionRow> {
    const statement = this.#prepare(sql)
    const found = new Map<string, ProjectionRow>()
    for (const key of keys) {
      const raw = statement.get(key)
      if (raw !== undefined) found.set(key, toRow(raw))
    }
    return found
  }

  #prepare(sql: string): StatementSync {
    let statement = this.#statements.get(sql)
    if (statement === undefined) {
      statement = this.#database.prepare(sql)
      this.#statements.set(sql, statement)
    }
    return statement
  }
}

type Raw = Record<string, SQLOutputValue>

function toRow(raw: Raw): ProjectionRow {
  return {
    sourceKey: String(raw['source_key']),
    recordKey: textOrNull(raw['record_key']) ?? '',
    revision: Number(raw['revision']),
    contentHash: String(raw['content_hash']),
    fieldDigests: String(raw['field_digests']),
    sourceFingerprint: String(raw['fingerprint']),
    readOrder: String(raw['read_order']),
    mappingVersion: String(raw['mapping']),
    deleted: raw['deleted'] === 1,
    rejected: textOrNull(raw['rejected']),
    partition: Number(raw['partition']),
    offset: Number(raw['offset']),
  }
}

function textOrNull(value: SQLOutputValue | undefined): string | null {
  return typeof value === 'string' ? value : null
}

function tally(
  state: State,
  isPublished: boolean,
  isDeleted: boolean,
  isRejected: boolean,
  by: 1 | -1,
): void {
  if (isPublished && isDeleted) state.deleted += by
  if (isPublished && !isDeleted) state.live += by
  if (isRejected) state.rejected += by
}

function uncount(row: ProjectionRow, state: State): void {
  state.seal = combine(state.seal, rowSeal(row))
  tally(state, row.revision > 0, row.deleted, row.rejected !== null, -1)
}

function stateSeal(state: State): string {
  return hash('sha1', JSON.stringify([VERSION, state]))
}
