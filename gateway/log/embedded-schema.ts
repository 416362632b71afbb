import { existsSync, statSync } from 'node:fs'
import { DatabaseSync } from 'node:sqlite'
import type { LogFiles } from './embedded-folder.ts'
import { makePrivateFile } from './embedded-folder.ts'
import { hasLostCommits } from './embedded-wal.ts'
import { LogError } from './errors.ts'

/**
 * A record's row id is its partition's number times this, plus its offset: records of a partition lie together and in
 * order, without an index. 2^13 partitions of 2^40 records fit the 53 bits that a JS number holds exactly.
 */
export const OFFSETS = 2 ** 40
export const PARTS_MAX = 2 ** 13

/** Beyond this the write-ahead log is emptied, waiting for readers; what one commit adds keeps it below 64 MB. */
export const WAL_BYTES_SOFT = 16_000_000

/** How long the writer waits for readers before it goes on without emptying the write-ahead log. */
const WAIT_MS_MAX = 500

const APPLICATION_ID = 0x6572676c
const FORMAT = 1
export const PAGE_BYTES = 4096

const TABLES = `
CREATE TABLE state (name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID, STRICT;
CREATE TABLE topics (
  name TEXT PRIMARY KEY, id TEXT NOT NULL, first_part INTEGER NOT NULL, partitions INTEGER NOT NULL,
  cleanup TEXT NOT NULL, keep_ms INTEGER NOT NULL
) WITHOUT ROWID, STRICT;
CREATE TABLE parts (part INTEGER PRIMARY KEY, next INTEGER NOT NULL, compacted INTEGER NOT NULL) STRICT;
CREATE TABLE records (
  record INTEGER PRIMARY KEY, time INTEGER NOT NULL, key TEXT, headers TEXT, value BLOB
) STRICT;
CREATE TABLE newest (hash INTEGER NOT NULL, record INTEGER NOT NULL, PRIMARY KEY (hash, record)) WITHOUT ROWID, STRICT;
CREATE TABLE positions (
  member_group TEXT NOT NULL, part INTEGER NOT NULL, position INTEGER NOT NULL, PRIMARY KEY (member_group, part)
) WITHOUT ROWID, STRICT;
INSERT INTO state (name, value) VALUES ('epoch', 0), ('clean', 1);
`

/**
 * Opens the file for writing, makes it where there never was one, and checks it after an unclean stop. Throws
 * LOG_CORRUPT where it is damaged or gone, and LOG_FORMAT_UNKNOWN where another program or version wrote it.
 */
export function openForWriting(files: LogFiles, diskBytesMax: number): DatabaseSync {
  if (!existsSync(files.log) || statSync(files.log).size === 0) assertNew(files)
  if (existsSync(files.wal) && hasLostCommits(files.wal)) {
    throw new LogError('LOG_CORRUPT', `${files.wal} is damaged in its middle; restore the log from a backup.`)
  }
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
    if (numberOf(db, "SELECT value FROM state WHERE name = 'clean'") === 0) assertSound(db, files)
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
  const db = new DatabaseSync(files.log, { readOnly: true, timeout: 5_000 })
  try {
    db.exec('PRAGMA trusted_schema = OFF; PRAGMA cell_size_check = ON;')
    assertFormat(db, files)
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

export const SQLITE = { BUSY: 5, LOCKED: 6, CORRUPT: 11, FULL: 13, NOT_A_DATABASE: 26 } as const

/** Turns SQLite's word for a damaged file into ours, and leaves other errors as they are. */
export function asCorrupt(error: unknown, files: LogFiles): unknown {
  const code = sqliteCode(error)
  if (code !== SQLITE.CORRUPT && code !== SQLITE.NOT_A_DATABASE) return error
  return new LogError('LOG_CORRUPT', `${files.log} is damaged; restore it from a backup.`, error)
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
export function numberOf(db: DatabaseSync, sql: string): number {
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
  db.exec(`PRAGMA application_id = ${APPLICATION_ID}; PRAGMA user_version = ${FORMAT}; COMMIT`)
}

function assertFormat(db: DatabaseSync, files: LogFiles): void {
  const application = numberOf(db, 'PRAGMA application_id')
  const format = numberOf(db, 'PRAGMA user_version')
  if (application === APPLICATION_ID && format === FORMAT) return
  const what = application === APPLICATION_ID ? `format ${format}, this version knows ${FORMAT}` : 'no log'
  throw new LogError(
    'LOG_FORMAT_UNKNOWN',
    `${files.log} is ${what}; use the version that wrote it, or another folder.`,
  )
}

function assertSound(db: DatabaseSync, files: LogFiles): void {
  const found = db.prepare('PRAGMA quick_check(3)').all()
  const complaints = found.flatMap((row) => Object.values(row)).filter((complaint) => complaint !== 'ok')
  if (complaints.length === 0) return
  const more = complaints.join('; ')
  throw new LogError('LOG_CORRUPT', `${files.log} is damaged (${more}); restore it from a backup.`)
}
