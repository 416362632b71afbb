import { accessSync, constants, existsSync, statSync } from 'node:fs'
import { DatabaseSync } from 'node:sqlite'
import { makePrivateFile, takeLockIfFree } from '../node/folder-lock.ts'
import { assertBookkeeping, readState, writeState } from './embedded-bookkeeping.ts'
import type { LogFiles } from './embedded-folder.ts'
import { corrupt } from './embedded-sums.ts'
import { hasLostCommits } from './embedded-wal.ts'
import { LogError } from './errors.ts'

/** Beyond this the write-ahead log is emptied, waiting for readers; what one commit adds keeps it below 64 MB. */
export const WAL_BYTES_SOFT = 16_000_000

/** How long the writer waits for readers before it goes on without emptying the write-ahead log. */
const WAIT_MS_MAX = 500

/**
 * A larger file has its pages checked after an unclean stop only: a check reads all of it, about a second for each GB
 * that the operating system remembers. What is read of a record is checked at any size.
 */
const CHECK_BYTES_MAX = 1_000_000_000

const APPLICATION_ID = 0x6572676c
const FORMAT = 2
export const PAGE_BYTES = 4096

/** `sum`: see `embedded-sums.ts`. `newest` has none: a damaged row there keeps too much and never too little. */
const TABLES = `
CREATE TABLE state (name TEXT PRIMARY KEY, value INTEGER NOT NULL, sum INTEGER NOT NULL) WITHOUT ROWID, STRICT;
CREATE TABLE topics (
  name TEXT PRIMARY KEY, id TEXT NOT NULL, first_part INTEGER NOT NULL, partitions INTEGER NOT NULL,
  cleanup TEXT NOT NULL, keep_ms INTEGER NOT NULL, sum INTEGER NOT NULL
) WITHOUT ROWID, STRICT;
CREATE TABLE parts (
  part INTEGER PRIMARY KEY, next INTEGER NOT NULL, compacted INTEGER NOT NULL, sum INTEGER NOT NULL
) STRICT;
CREATE TABLE records (
  record INTEGER PRIMARY KEY, time INTEGER NOT NULL, key TEXT, headers TEXT, sum INTEGER NOT NULL, value BLOB
) STRICT;
CREATE TABLE removed (first INTEGER PRIMARY KEY, last INTEGER NOT NULL, sum INTEGER NOT NULL) STRICT;
CREATE TABLE newest (hash INTEGER NOT NULL, record INTEGER NOT NULL, PRIMARY KEY (hash, record)) WITHOUT ROWID, STRICT;
CREATE TABLE positions (
  member_group TEXT NOT NULL, part INTEGER NOT NULL, position INTEGER NOT NULL, sum INTEGER NOT NULL,
  PRIMARY KEY (member_group, part)
) WITHOUT ROWID, STRICT;
`

/**
 * Opens the file for writing, makes it where there never was one, and checks it after an unclean stop. Throws
 * LOG_CORRUPT where it is damaged or gone, and LOG_FORMAT_UNKNOWN where another program or version wrote it.
 */
export function openForWriting(files: LogFiles, diskBytesMax: number): DatabaseSync {
  if (!existsSync(files.log) || statSync(files.log).size === 0) assertNew(files)
  assertCommits(files)
  makePrivateFile(files.log)
  const db = new DatabaseSync(files.log, { timeout: WAIT_MS_MAX })
  try {
    db.exec(`PRAGMA page_size = ${PAGE_BYTES}; PRAGMA trusted_schema = OFF; PRAGMA cell_size_check = ON;`)
    db.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA wal_autocheckpoint = 0;')
    db.exec(
      `PRAGMA journal_size_limit = ${WAL_BYTES_SOFT}; PRAGMA cache_size = -65536; PRAGMA temp_store = MEMORY;`,
    )
    limitPages(db, diskBytesMax)
    if (numberOf(db, 'SELECT count(*) FROM sqlite_schema') === 0) makeTables(db, files)
    assertFormat(db, files)
    const bytes = numberOf(db, 'PRAGMA page_count') * PAGE_BYTES
    if (readState(db, 'clean') === 0 || bytes <= CHECK_BYTES_MAX) assertSound(db, files)
    assertWhole(db)
    return db
  } catch (error) {
    db.close()
    throw asCorrupt(error, files)
  }
}

/** A connection for one thread that only reads. Throws LOG_FOLDER_MISSING, LOG_FORMAT_UNKNOWN or LOG_CORRUPT. */
export function openForReading(files: LogFiles): DatabaseSync {
  if (!existsSync(files.log)) {
    throw new LogError(
      'LOG_FOLDER_MISSING',
      `There is no log at ${files.log}; start the gateway once to make it.`,
    )
  }
  // Who opens first after a crash replays the write-ahead log, and must not make a damaged one look whole.
  const lock = takeLockIfFree(files)
  try {
    if (lock !== null) assertCommits(files)
    return openReadOnly(files)
  } finally {
    lock?.release()
  }
}

function openReadOnly(files: LogFiles): DatabaseSync {
  const db = new DatabaseSync(files.log, { readOnly: true, timeout: 5_000 })
  try {
    db.exec('PRAGMA trusted_schema = OFF; PRAGMA cell_size_check = ON;')
    assertFormat(db, files)
    assertWhole(db)
    return db
  } catch (error) {
    db.close()
    throw asCorrupt(error, files)
  }
}

/** The most pages that the file may have. SQLite takes no limit below the pages that it has already. */
export function limitPages(db: DatabaseSync, diskBytesMax: number): void {
  db.exec(`PRAGMA max_page_count = ${Math.max(1, Math.floor(diskBytesMax / PAGE_BYTES))}`)
}

/** What SQLite says about a failure: its primary result code (sqlite.org/rescode.html), or null for other errors. */
export function sqliteCode(error: unknown): number | null {
  if (!(error instanceof Error) || !('errcode' in error) || typeof error.errcode !== 'number') return null
  return error.errcode & 0xff
}

export const SQLITE = { BUSY: 5, LOCKED: 6, FULL: 13 } as const

/**
 * Error, corrupt, constraint, mismatch, not a database. Our statements are always the same ones: where SQLite cannot
 * carry one out, the file is not what they were written for.
 */
const DAMAGE_CODES: readonly (number | null)[] = [1, 11, 19, 20, 26]

/** Turns SQLite's word for a damaged file into ours, and leaves other errors as they are. */
export function asCorrupt(error: unknown, files: LogFiles): unknown {
  if (!(error instanceof Error)) return error
  // A number that no JS number holds: none that we write is as large.
  const isTooLarge = 'code' in error && error.code === 'ERR_OUT_OF_RANGE'
  if (!isTooLarge && !isDamage(sqliteCode(error), files)) return error
  return corrupt(files.log, error.message, error)
}

function isDamage(code: number | null, files: LogFiles): boolean {
  // A file that we may write is read-only to SQLite where its header asks for a version that it does not know.
  return code === SQLITE_READONLY ? isWritable(files.log) : DAMAGE_CODES.includes(code)
}

const SQLITE_READONLY = 8

function isWritable(path: string): boolean {
  try {
    accessSync(path, constants.W_OK)
    return true
  } catch {
    return false
  }
}

/** Why a log cannot be opened just now, where that is the world's doing; other errors stay what they are. */
export function asUnopened(error: unknown, folder: string): unknown {
  if (error instanceof LogError || !(error instanceof Error) || !('code' in error)) return error
  const why =
    sqliteCode(error) === SQLITE.FULL
      ? 'the disk, or the space that `log.diskMax` allows, is full'
      : error.message
  return new LogError('LOG_UNAVAILABLE', `The log in ${folder} cannot be opened: ${why}.`, error)
}

/** The one number that a statement gives. */
function numberOf(db: DatabaseSync, sql: string): number {
  const row = db.prepare(sql).get()
  const value = row === undefined ? undefined : Object.values(row)[0]
  if (typeof value !== 'number') throw new LogError('LOG_MISUSED', `${sql} gave no number.`)
  return value
}

/** An empty log beside word of an earlier one is a loss, not a beginning. */
function assertNew(files: LogFiles): void {
  if (!existsSync(files.holder)) return
  throw new LogError(
    'LOG_CORRUPT',
    `${files.log} is gone or empty though there was a log; restore it from a backup, or remove the whole folder ` +
      'to begin with an empty log on purpose.',
  )
}

function makeTables(db: DatabaseSync, files: LogFiles): void {
  assertNew(files)
  db.exec('BEGIN IMMEDIATE')
  db.exec(TABLES)
  writeState(db, 'epoch', 0)
  writeState(db, 'clean', 1)
  writeState(db, 'positions', 0)
  db.exec(`PRAGMA application_id = ${APPLICATION_ID}; PRAGMA user_version = ${FORMAT}; COMMIT`)
}

function assertFormat(db: DatabaseSync, files: LogFiles): void {
  const application = numberOf(db, 'PRAGMA application_id')
  const format = numberOf(db, 'PRAGMA user_version')
  if (application === APPLICATION_ID && format === FORMAT) {
    assertShape(db)
    return
  }
  const what = application === APPLICATION_ID ? `format ${format}, this version knows ${FORMAT}` : 'no log'
  throw new LogError(
    'LOG_FORMAT_UNKNOWN',
    `${files.log} is ${what}; use the version that wrote it, or another folder.`,
  )
}

/** The header and the tables are what we made. */
function assertShape(db: DatabaseSync): void {
  const made = new DatabaseSync(':memory:')
  made.exec(`PRAGMA page_size = ${PAGE_BYTES}; ${TABLES}`)
  const same = SHAPE.every(
    (sql) => JSON.stringify(made.prepare(sql).all()) === JSON.stringify(db.prepare(sql).all()),
  )
  made.close()
  if (!same) throw corrupt(db.location(), 'its header or its list of tables is not what was written')
}

const SHAPE = [
  'PRAGMA page_size',
  'PRAGMA encoding',
  'PRAGMA auto_vacuum',
  'SELECT type, name, tbl_name, rootpage, sql FROM sqlite_schema ORDER BY rowid',
]

/** At one moment: somebody may be writing. */
function assertWhole(db: DatabaseSync): void {
  db.exec('BEGIN')
  try {
    assertBookkeeping(db)
  } finally {
    db.exec('ROLLBACK')
  }
}

function assertCommits(files: LogFiles): void {
  if (!existsSync(files.wal) || !hasLostCommits(files.wal, files.shm)) return
  throw corrupt(files.wal, 'transactions that were committed are gone from it')
}

function assertSound(db: DatabaseSync, files: LogFiles): void {
  const found = db.prepare('PRAGMA quick_check(3)').all()
  const lines = found.flatMap((row) => Object.values(row).flatMap((text) => String(text).split('\n')))
  const complaints = lines.filter((line) => line !== 'ok' && !line.startsWith('***'))
  if (complaints.length > 0) throw corrupt(files.log, complaints.join('; '))
}
